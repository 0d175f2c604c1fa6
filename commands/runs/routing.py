"""Who answers a task: a program that has proved itself, or the model."""

from __future__ import annotations

from typing import Literal

from commands.cache.finding import missed
from commands.delegations import Target, key_of
from commands.programs.retrieving import Found, retrieve
from commands.runs.asking import capabilities, rungs
from commands.runs.log import RunLog
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Miss
from domain.kernel.values import text_of_bytes
from domain.programs.acceptance import Wanted
from domain.programs.events import check_digest
from domain.rtfs.bytecode.module import interface_hash
from domain.rtfs.capability import Capability
from domain.runs.controller import route, to_tool
from domain.runs.delegation import tool_for
from domain.runs.events import VerdictReached
from domain.runs.parts import Lookup, PinnedEffect, RunEvent
from domain.runs.planning import ProgramReused, ReuseSettled
from domain.runs.reuse import is_refused, reused, routed_to_program, tool_refused, why_refuted
from domain.runs.state import Run
from domain.runs.task import Task


async def route_run(services: Services, log: RunLog) -> None:
    """Stage how the run will be answered, by the first target of ``domain/runs/delegation`` that can."""
    run = log.preview
    task = run.accepted_task
    models = services.models.names()
    if task.plan is not None or task.agent is not None:
        log.stage(route(run, models))
        return
    lookups: list[Lookup] = []
    target = _delegated(services, log.stream, run, lookups)
    found = await _program(services, log.stream, run, target, lookups)
    if found is not None:
        log.stage(*_reuse(run, found, tuple(lookups)))
    elif (tool := _tool(services, run, target)) is not None:
        log.stage(to_tool(run, tool.name, tuple(lookups)))
    else:
        log.stage(route(run, models, _from(target, rungs(services, task)), tuple(lookups)))


def _delegated(services: Services, stream: StreamId, run: Run, lookups: list[Lookup]) -> Target | None:
    """L1: the target that answered tasks of this shape before."""
    task, reuse = run.accepted_task, services.reuse
    if "L1" not in task.cache.levels or reuse is None or run.refuted:
        return None
    began = services.clock.monotonic()
    target = reuse.delegations.find(stream.tenant, key_of(task))
    duration = services.clock.monotonic() - began
    if target is None:
        said = missed("L1", Miss("absent", "no task of this shape before"))
        lookups.append(said.model_copy(update={"duration": duration}))
        return None
    who = f"{target['target']} {target.get('entry') or target.get('name')}"
    entry = key_of(task).id
    reason = f"{who} answered tasks of this shape"
    lookups.append(Lookup(level="L1", outcome="hit", reason=reason, entry=entry, tier="process", duration=duration))
    return target


def _tool(services: Services, run: Run, target: Target | None) -> Capability | None:
    """The tool whose own words the goal is, unless it did not do, or a model had to answer tasks of this shape."""
    tool = tool_for(run.accepted_task, capabilities(services.tools, run.accepted_task.tools))
    had_to_give_way = target is not None and target["target"] == "model"
    return None if tool is None or had_to_give_way or is_refused(run, tool.name) else tool


def refused_tool(services: Services, run: Run, verdict: VerdictReached) -> ReuseSettled | None:
    """What is to be recorded where the critic rejects what a tool gave and another target is left; else None."""
    return None if verdict.passed else stopped_tool(services, run, why_refuted(verdict), "refuted")


def stopped_tool(
    services: Services, run: Run, reason: str, outcome: Literal["failed", "refuted"] = "failed"
) -> ReuseSettled | None:
    """What is to be recorded where a tool that was chosen so did not do and a model is left; else None."""
    if run.route != "tool" or not rungs(services, run.accepted_task):
        return None
    return tool_refused(run, outcome, reason)


def _from(target: Target | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """The models to ask, beginning with the one that answered before."""
    first = None if target is None else target.get("name")
    return names[names.index(first) :] if first in names else names


async def _program(
    services: Services, stream: StreamId, run: Run, target: Target | None, lookups: list[Lookup]
) -> Found | None:
    """L4: a program, the one that answered before or else one that is found by its meaning."""
    task, reuse = run.accepted_task, services.reuse
    if "L4" not in task.cache.levels:
        return None
    if reuse is None:
        lookups.append(missed("L4", Miss("off", "reuse is switched off here")))
        return None
    if run.refuted:
        reason = f"{run.refuted[-1].level} gave {run.refuted[-1].entry}, which was {run.refuted[-1].outcome}"
        lookups.append(missed("L4", Miss("tried", reason)))
        return None
    wanted = wanted_by(services, stream.tenant, task)
    known = None if target is None else target.get("entry")
    lookup, found = await retrieve(services, reuse, task.goal, wanted, draw=f"{stream.id}@{run.deadline}", known=known)
    lookups.append(lookup)
    return found


def wanted_by(services: Services, tenant: str, task: Task) -> Wanted:
    """What a task needs of a program."""
    here = capabilities(services.tools, task.tools)
    return Wanted(
        tenant=tenant,
        namespace=task.cache.namespace,
        interface=interface_hash({"inputs": task.input_type}, task.output_type),
        tools={name: capability.version for name, capability in here.items()},
        checks=frozenset(map(check_digest, task.checks)),
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
        saved=offer.cost,
    )
