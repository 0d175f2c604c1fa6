"""Who answers a task: a program that has proved itself, or the model; and what is learned when a run has ended."""

from __future__ import annotations

import logging

from commands.programs.publishing import demote, embed, publish
from commands.programs.retrieving import Found, retrieve
from commands.runs.log import CATALOG, RunLog
from commands.runs.planning import capabilities
from commands.services import Services
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.values import bytes_of_text, digest_json, text_of_bytes
from domain.programs.acceptance import Wanted
from domain.programs.events import Cost, Offer, OfferedEffect, Proof
from domain.programs.literals import copied_inputs
from domain.rtfs.bytecode.module import interface_hash
from domain.runs.controller import route
from domain.runs.parts import Lookup, PinnedEffect, RunEvent, Savings
from domain.runs.replay import verify
from domain.runs.reuse import reused, routed_to_program
from domain.runs.state import Phase, Run
from domain.runs.task import Task

logger = logging.getLogger(__name__)


async def route_run(services: Services, log: RunLog) -> None:
    """Stage how the run will be answered: with the program that answers, if one does."""
    run = log.preview
    task = run.accepted_task
    if task.plan is not None or task.agent is not None:
        log.stage(route(run, services.models.names()))
        return
    lookup, found = await _program(services, log.stream.tenant, run)
    lookups = () if lookup is None else (lookup,)
    if found is None:
        log.stage(route(run, services.models.names(), lookups))
    else:
        log.stage(*_reuse(run, found, lookups))


async def _program(services: Services, tenant: str, run: Run) -> tuple[Lookup | None, Found | None]:
    task = run.accepted_task
    if "L4" not in task.cache.levels:
        return None, None
    if services.reuse is None:
        return Lookup(level="L4", outcome="miss", reason="reuse is switched off here"), None
    if run.refuted:
        reason = f"program {run.refuted[-1].entry} was tried and {run.refuted[-1].outcome}"
        return Lookup(level="L4", outcome="miss", reason=reason), None
    return await retrieve(services, services.reuse, task.goal, _wanted(services, tenant, task))


def _wanted(services: Services, tenant: str, task: Task) -> Wanted:
    here = capabilities(services.tools, task.tools)
    return Wanted(
        tenant=tenant,
        namespace=task.cache.namespace,
        interface=interface_hash({"inputs": task.input_type}, task.output_type),
        tools={name: capability.version for name, capability in here.items()},
    )


def _reuse(run: Run, found: Found, lookups: tuple[Lookup, ...]) -> list[RunEvent]:
    offer = found.offer
    program = reused(
        run,
        entry=found.entry,
        digest=offer.module,
        effects=tuple(PinnedEffect(**effect.model_dump()) for effect in offer.effects),
        interface=offer.interface,
        module=text_of_bytes(found.module),
        source_map=offer.source_map,
        plan=offer.plan,
        saved=Savings(**offer.cost.model_dump()),
    )
    reason = f"the program solves {offer.goal[:200]!r}, similarity {found.score:.4f}"
    return [routed_to_program(run, found.entry, reason, lookups), program]


async def learn(services: Services, log: RunLog) -> None:
    """What an ended run teaches: a program that was wrong is demoted, one that did well is published.

    Done again when the run is driven again, which changes nothing. Raises ``ServiceUnreachable``.
    """
    run, tenant = log.run, log.stream.tenant
    for each in run.refuted:
        if each.outcome == "refuted":
            await demote(services, tenant, each.entry, each.reason, log.stream.id)
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
        meaning=await embed(services.reuse, task.goal),  # 4
    )
    await publish(services, services.reuse, log.stream.tenant, stored[0].actor, offer, module, proof)


def _cost(run: Run) -> Cost:
    seconds = sum(answer.duration for answer in run.answers.values())
    return Cost(tokens=run.spent.tokens, usd=run.spent.usd, seconds=seconds)
