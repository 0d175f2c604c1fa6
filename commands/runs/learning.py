"""What an ended run teaches: a program to be used again, or one that was wrong."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from commands.delegations import Target
from commands.programs.log import CATEGORY, load_program
from commands.programs.publishing import demote, embed, publish, refute
from commands.runs.alike import wants_alike
from commands.runs.asking import rungs
from commands.runs.breathing import in_slices
from commands.runs.comparing import judge_compared
from commands.runs.judging import judge_answers, recorded_history
from commands.runs.log import CATALOG, RunLog
from commands.runs.offering import offer_answer
from commands.runs.remembering import remember
from commands.services import Services
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import bytes_of_text, digest_json
from domain.programs.events import Offer, OfferedEffect, Proof, check_digest
from domain.programs.literals import copied_inputs
from domain.programs.refuting import Refutation
from domain.programs.state import Status
from domain.runs.delegation import asked_next
from domain.runs.parts import RunEvent
from domain.runs.planning import ReuseSettled
from domain.runs.replay import verifying
from domain.runs.reuse import failed_checks, outdone, paid, refutations
from domain.runs.state import Phase, Run

logger = logging.getLogger(__name__)


async def learn(services: Services, log: RunLog) -> None:
    """A program that was wrong is demoted, one that did well is published, one that was compared is judged.

    Done again when the run is driven again, which changes nothing. Raises ``ServiceUnreachable``.
    """
    run, tenant = log.run, log.stream.tenant
    await _refute(services, log, [each for each in refutations(run) if each.level == "L4"])
    for each in outdone(run):
        reason = f"it stopped where another program did well: {each.reason}"
        well = run.program.digest if run.program is not None else None
        await demote(services, tenant, each.entry, reason, log.stream.id, spared=well)
    await judge_compared(services, log)
    if wants_alike(run.task):
        history = await recorded_history(services, log)
        await judge_answers(services, log, history)
        await offer_answer(services, log, history)
    if services.reuse is None:
        return
    entry = await _published(services, log, run) if _is_lesson(run) else None
    target = _target(services, run, entry)
    if target is not None:
        await remember(services, tenant, run.accepted_task, target, log.stream.id)


async def _refute(services: Services, log: RunLog, refuted: Sequence[ReuseSettled]) -> None:
    if not refuted:
        return
    stored = (await services.store.load(log.stream)).events
    failed = failed_checks(log.run, _events(stored))
    for each in refuted:
        refutation = Refutation(
            run=log.stream.id,
            by=stored[0].actor,
            failed=tuple(map(check_digest, failed.get(each.entry, ()))),
            reason=each.reason,
        )
        await refute(services, services.reuse, log.stream.tenant, each.entry, refutation)


def _events(stored: Sequence[Recorded]) -> list[RunEvent]:
    return [event for each in stored if isinstance(event := CATALOG.decode(each), RunEvent)]


def _target(services: Services, run: Run, published: str | None) -> Target | None:
    """What to remember for tasks of this shape; None where there is nothing new."""
    if run.task is None or "L1" not in run.task.cache.levels or run.phase is not Phase.COMPLETED:
        return None
    if run.reused is not None:
        return {"target": "program", "entry": run.reused.entry}
    if published is not None:
        return {"target": "program", "entry": published}
    if run.route != "model":
        return None
    first = run.routing.model if run.routing is not None else None
    name = asked_next(rungs(services, run.task), first, len(run.drafts) - 1)
    return None if name is None else {"target": "model", "name": name}


async def _published(services: Services, log: RunLog, run: Run) -> str | None:
    """Id of the program that the run's publication made usable; None where it made none."""
    try:
        return await _publish(services, log, run)
    except ServiceUnreachable:
        raise
    except PrecedentError as error:
        logger.warning("nothing is learned from run %s: %s", log.stream.id, error)
        return None


def _is_lesson(run: Run) -> bool:
    wanted = run.task is not None and "L4" in run.task.cache.levels and run.forked_from is None
    # What was given again because it was alike has proved nothing about this goal that a signature could vouch for.
    own = run.route == "model" and run.precedent is None
    return wanted and own and run.phase is Phase.COMPLETED and run.program is not None


async def _publish(services: Services, log: RunLog, run: Run) -> str | None:
    assert services.reuse is not None and run.program is not None and run.verdict is not None  # noqa: PT018  # as _is_lesson says
    stored = (await services.store.load(log.stream)).events
    replay = await in_slices(verifying(_events(stored)))  # 2
    task, program = run.accepted_task, run.program
    proof = Proof(  # 3
        run=log.stream.id,
        inputs=digest_json(task.inputs),
        output=replay.output_digest or "",
        checks=len(task.checks),
        effects=replay.effects,
        by=stored[0].actor,
        held=tuple(map(check_digest, task.checks)),
    )
    try:
        meaning = await embed(services.reuse, task.goal)  # 4
    except (ServiceUnreachable, InvalidInput) as error:
        # Another run of the task will publish it: nobody waits for an embedder that may never come back.
        logger.warning("the program of run %s is not published: %s", log.stream.id, error)
        return None
    module = bytes_of_text(program.module)
    offer = Offer(
        namespace=task.cache.namespace,
        goal=task.goal,
        interface=program.interface_hash,  # 5
        module=program.digest,
        effects=tuple(OfferedEffect(**effect.model_dump()) for effect in program.effects),
        plan=run.drafts[-1].source,
        source_map=program.source_map,
        literals=copied_inputs(module, task.input_values),
        cost=paid(run),
        meaning=meaning,
    )
    tenant = log.stream.tenant
    await publish(services, services.reuse, tenant, stored[0].actor, offer, module, proof)
    known, _ = await load_program(services, StreamId(tenant, CATEGORY, offer.id))
    return offer.id if known.status is Status.VERIFIED else None
