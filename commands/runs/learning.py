"""What an ended run teaches: a program to be used again, or one that was wrong."""

from __future__ import annotations

import logging

from commands.programs.publishing import demote, embed, publish
from commands.runs.comparing import judge_compared
from commands.runs.log import CATALOG, RunLog
from commands.services import Services
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable
from domain.kernel.values import bytes_of_text, digest_json
from domain.programs.events import Cost, Offer, OfferedEffect, Proof
from domain.programs.literals import copied_inputs
from domain.runs.parts import RunEvent
from domain.runs.replay import verify
from domain.runs.state import Phase, Run

logger = logging.getLogger(__name__)


async def learn(services: Services, log: RunLog) -> None:
    """A program that was wrong is demoted, one that did well is published, one that was compared is judged.

    Done again when the run is driven again, which changes nothing. Raises ``ServiceUnreachable``.
    """
    run, tenant = log.run, log.stream.tenant
    for each in run.refuted:
        if each.outcome == "refuted":
            await demote(services, tenant, each.entry, each.reason, log.stream.id)
    await judge_compared(services, log)
    if services.reuse is None or not _is_lesson(run):
        return
    try:
        await _publish(services, log, run)
    except ServiceUnreachable:
        raise
    except PrecedentError as error:
        logger.warning("nothing is learned from run %s: %s", log.stream.id, error)


def _is_lesson(run: Run) -> bool:
    wanted = run.task is not None and "L4" in run.task.cache.levels and run.forked_from is None
    return wanted and run.phase is Phase.COMPLETED and run.route == "model" and run.program is not None


async def _publish(services: Services, log: RunLog, run: Run) -> None:
    assert services.reuse is not None and run.program is not None and run.verdict is not None  # noqa: PT018  # as _is_lesson says
    stored = (await services.store.load(log.stream)).events
    events = [event for each in stored if isinstance(event := CATALOG.decode(each), RunEvent)]
    replay = verify(events)  # 2
    task, program = run.accepted_task, run.program
    proof = Proof(  # 3
        run=log.stream.id,
        inputs=digest_json(task.inputs),
        output=replay.output_digest or "",
        checks=len(task.checks),
        effects=replay.effects,
    )
    try:
        meaning = await embed(services.reuse, task.goal)  # 4
    except (ServiceUnreachable, InvalidInput) as error:
        # Another run of the task will publish it: nobody waits for an embedder that may never come back.
        logger.warning("the program of run %s is not published: %s", log.stream.id, error)
        return
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
        cost=_cost(run),
        meaning=meaning,
    )
    await publish(services, services.reuse, log.stream.tenant, stored[0].actor, offer, module, proof)


def _cost(run: Run) -> Cost:
    seconds = sum(answer.duration for answer in run.answers.values())
    return Cost(tokens=run.spent.tokens, usd=run.spent.usd, seconds=seconds)
