"""Commands on runs: load what their rules need, decide, and wake the driver afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from commands.handle import CommandEnvelope
from commands.ports import StreamSlice, Wake
from commands.runs.log import CATALOG
from commands.services import Services
from domain.kernel.events import DomainEvent, Recorded
from domain.rtfs.types import Type
from domain.runs.commands import ResolveOutcome, RunCommand, SubmitRun
from domain.runs.decide import Circumstances, decide
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.runs.folding import evolve
from domain.runs.parts import RunEvent
from domain.runs.state import EMPTY
from domain.tools import ToolDeclaration


def new_run(envelope: CommandEnvelope, command: SubmitRun) -> str:  # noqa: ARG001  # one shape for all handlings
    """A run takes its id from the command that submits it: a repeated command finds it there."""
    return envelope.id


def named_run(envelope: CommandEnvelope, command: Any) -> str:  # noqa: ARG001
    """The run that the command names."""
    return str(command.run)


def decide_run(services: Services, slice_: StreamSlice, command: RunCommand, now: datetime) -> list[DomainEvent]:
    """Events that the command causes."""
    run = EMPTY
    for recorded in slice_.events:
        event = CATALOG.decode(recorded)
        if isinstance(event, RunEvent):
            run = evolve(run, event)
    declarations = services.tools.declarations()
    given = Circumstances(
        now=now,
        known_tools=declarations.keys() | CONTROLLER_CAPABILITIES.keys(),
        result_types=_result_types(declarations) if isinstance(command, ResolveOutcome) else {},
        default_limits=services.default_limits,
        known_agents=services.agents.agents().keys(),
    )
    return list(decide(run, command, given))


def _result_types(declarations: Mapping[str, ToolDeclaration]) -> dict[str, Type]:
    return {name: declaration.capability.result for name, declaration in declarations.items()}


async def wake_driver(services: Services, event: Recorded) -> None:
    """Tell the run's driver that there is news; a run without one gets one."""
    services.fresh.keep(event)
    await services.wakes.send(Wake(event.stream, event.short_name))
