"""What a command on programs causes: ``decide`` turns it into events, or raises the rule that it breaks."""

from __future__ import annotations

from domain.kernel.errors import InvalidInput, NotFound, PrecedentError
from domain.programs.commands import (
    DemoteProgram,
    ProgramCommand,
    ReinstateProgram,
    RevokeProgram,
    SupersedeProgram,
)
from domain.programs.events import (
    ProgramDemoted,
    ProgramEvent,
    ProgramProposed,
    ProgramReinstated,
    ProgramRevoked,
    ProgramSuperseded,
)
from domain.programs.policy import Policy
from domain.programs.state import Program, Status


class ProgramNotInUse(PrecedentError):
    """Nothing needs to be done: ``precedent programs show`` tells why it is not used."""

    code = "program.not-in-use"


class NotReinstated(PrecedentError):
    """It stays out of use: let the runs that the message asks for be made without it, then ask again."""

    code = "program.not-reinstated"


class NoSuccessor(PrecedentError):
    """Name a program that can answer the same tasks; the message says why this one cannot."""

    code = "program.no-successor"


def decide(program: Program, command: ProgramCommand, policy: Policy) -> list[ProgramEvent]:
    """Events that a command causes. Raises ``InvalidInput``, ``NotFound``, ``ProgramNotInUse``, ``NotReinstated``."""
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
        case ReinstateProgram():
            return [_reinstated(program, command, policy)]


def _reinstated(program: Program, command: ReinstateProgram, policy: Policy) -> ProgramEvent:
    """A published program returns as it was signed; one that was a candidate begins anew, and proves itself."""
    name, offer = command.program, program.offer
    if program.status is Status.UNKNOWN or offer is None:
        raise NotFound(f"there is no program {name}; `precedent programs ls` lists them")
    if program.status is not Status.DEMOTED:
        why = f": {program.reason}" if program.reason else ""
        raise NotReinstated(f"program {name} is {program.status}{why}; only a demoted one can be reinstated")
    done, asked = len(program.since), policy.reinstated_after
    if done < asked:
        raise NotReinstated(
            f"program {name} was demoted ({program.reason}); since then {done} of {asked} runs with different inputs "
            "came to it and did well (programs.reinstated_after): run such tasks until that many have"
        )
    if program.envelope is None:
        return ProgramProposed(offer=offer, proof=program.since[-1], lacks=f"it was reinstated: {command.reason}")
    return ProgramReinstated(offer=offer, proofs=program.since, policy=policy.digest, reason=command.reason)


def check_successor(program: Program, other: Program, command: SupersedeProgram) -> None:
    """Whether another program of the tenant can answer in the place of this one. Raises ``NotFound``, ``NoSuccessor``.

    ``other``: as its own stream tells; that may change afterwards, and then nobody answers in the place of either.
    """
    if other.status is Status.UNKNOWN or other.offer is None:
        raise NotFound(f"there is no program {command.by} to answer in its place; `precedent programs ls` lists them")
    if other.status is not Status.VERIFIED:
        raise NoSuccessor(
            f"program {command.by} is {other.status}, so it cannot answer in the place of {command.program}; "
            "name one that is verified: `precedent programs ls --status verified`"
        )
    if program.offer is None:
        return  # that it is not there is told by `decide`
    for what in ("namespace", "interface"):
        here, there = getattr(program.offer, what), getattr(other.offer, what)
        if here != there:
            raise NoSuccessor(
                f"program {command.by} has {what} {there}, and {command.program} {here}: tasks of the one never look "
                f"for the other; name one of the same {what}"
            )


def _require_in_use(program: Program, name: str) -> None:
    if program.status is Status.UNKNOWN:
        raise NotFound(f"there is no program {name}; `precedent programs ls` lists them")
    if program.status not in (Status.VERIFIED, Status.CANDIDATE):
        raise ProgramNotInUse(f"program {name} is {program.status} already: {program.reason}")
