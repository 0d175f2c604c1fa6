"""What a command on programs causes: ``decide`` turns it into events, or raises the rule that it breaks."""

from __future__ import annotations

from domain.kernel.errors import InvalidInput, NotFound, PrecedentError
from domain.programs.commands import DemoteProgram, ProgramCommand, RevokeProgram, SupersedeProgram
from domain.programs.events import ProgramDemoted, ProgramEvent, ProgramRevoked, ProgramSuperseded
from domain.programs.state import Program, Status


class ProgramNotInUse(PrecedentError):
    """Nothing needs to be done: ``precedent programs show`` tells why it is not used."""

    code = "program.not-in-use"


def decide(program: Program, command: ProgramCommand) -> list[ProgramEvent]:
    """Events that a command causes. Raises ``InvalidInput``, ``NotFound``, ``ProgramNotInUse``."""
    match command:
        case RevokeProgram():
            if program.status is Status.REVOKED:
                raise ProgramNotInUse(f"module {command.module} is revoked already: {program.reason}")
            return [ProgramRevoked(module=command.module, reason=command.reason)]
        case DemoteProgram():
            _require_in_use(program, command.program)
            return [ProgramDemoted(reason=command.reason, run=command.run)]
        case SupersedeProgram():
            if command.by == command.program:
                raise InvalidInput(f"program {command.program} cannot answer in its own place; name another")
            _require_in_use(program, command.program)
            return [ProgramSuperseded(by=command.by, reason=command.reason)]


def _require_in_use(program: Program, name: str) -> None:
    if program.status is Status.UNKNOWN:
        raise NotFound(f"there is no program {name}; `precedent programs ls` lists them")
    if program.status not in (Status.VERIFIED, Status.CANDIDATE):
        raise ProgramNotInUse(f"program {name} is {program.status} already: {program.reason}")
