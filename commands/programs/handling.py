"""Commands on programs."""

from __future__ import annotations

from commands.handle import CommandEnvelope
from commands.ports import StreamSlice
from commands.programs.log import (
    folded,
)
from commands.services import Services
from domain.kernel.events import DomainEvent
from domain.programs import decide as rules
from domain.programs.commands import ProgramCommand, RevokeProgram
from domain.programs.events import (
    module_stream,
)


def named_program(envelope: CommandEnvelope, command: ProgramCommand) -> str:  # noqa: ARG001  # one shape for all
    """The stream that the command is about."""
    return module_stream(command.module) if isinstance(command, RevokeProgram) else command.program


def decide_program(services: Services, slice_: StreamSlice, command: ProgramCommand, now: object) -> list[DomainEvent]:  # noqa: ARG001
    """Events that the command causes."""
    return list(rules.decide(folded(slice_.events), command))
