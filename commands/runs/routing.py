"""Who answers a task: a program that has proved itself, or the model."""

from __future__ import annotations

from commands.programs.retrieving import Found, retrieve
from commands.runs.log import RunLog
from commands.runs.planning import capabilities
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.values import text_of_bytes
from domain.programs.acceptance import Wanted
from domain.rtfs.bytecode.module import interface_hash
from domain.runs.controller import route
from domain.runs.parts import Lookup, PinnedEffect, RunEvent, Savings
from domain.runs.planning import ProgramReused
from domain.runs.reuse import reused, routed_to_program
from domain.runs.state import Run
from domain.runs.task import Task


async def route_run(services: Services, log: RunLog) -> None:
    """Stage how the run will be answered: with the program that answers, if one does."""
    run = log.preview
    task = run.accepted_task
    if task.plan is not None or task.agent is not None:
        log.stage(route(run, services.models.names()))
        return
    lookup, found = await _program(services, log.stream, run)
    lookups = () if lookup is None else (lookup,)
    if found is None:
        log.stage(route(run, services.models.names(), lookups))
    else:
        log.stage(*_reuse(run, found, lookups))


async def _program(services: Services, stream: StreamId, run: Run) -> tuple[Lookup | None, Found | None]:
    task = run.accepted_task
    if "L4" not in task.cache.levels:
        return None, None
    if services.reuse is None:
        return Lookup(level="L4", outcome="miss", reason="reuse is switched off here"), None
    if run.refuted:
        reason = f"program {run.refuted[-1].entry} was tried and {run.refuted[-1].outcome}"
        return Lookup(level="L4", outcome="miss", reason=reason), None
    wanted = wanted_by(services, stream.tenant, task)
    return await retrieve(services, services.reuse, task.goal, wanted, draw=stream.id)


def wanted_by(services: Services, tenant: str, task: Task) -> Wanted:
    """What a task needs of a program."""
    here = capabilities(services.tools, task.tools)
    return Wanted(
        tenant=tenant,
        namespace=task.cache.namespace,
        interface=interface_hash({"inputs": task.input_type}, task.output_type),
        tools={name: capability.version for name, capability in here.items()},
    )


def _reuse(run: Run, found: Found, lookups: tuple[Lookup, ...]) -> list[RunEvent]:
    offer = found.offer
    reason = f"the program solves {offer.goal[:200]!r}, similarity {found.score:.4f}"
    return [routed_to_program(run, found.entry, reason, lookups), as_reused(run, found)]


def as_reused(run: Run, found: Found) -> ProgramReused:
    """The program as a run executes it."""
    offer = found.offer
    return reused(
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
