"""What a program's events add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from domain.programs.events import (
    Offer,
    ProgramDemoted,
    ProgramEvent,
    ProgramProposed,
    ProgramProven,
    ProgramPublished,
    ProgramRevoked,
    ProgramSuperseded,
    Proof,
)


class Status(StrEnum):
    """How far a program is trusted."""

    UNKNOWN = "unknown"
    CANDIDATE = "candidate"
    VERIFIED = "verified"
    DEMOTED = "demoted"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Program:
    """State of one program, or of a module's withdrawal."""

    status: Status = Status.UNKNOWN
    offer: Offer | None = None
    proofs: tuple[Proof, ...] = ()
    envelope: str | None = None
    evidence: str | None = None
    policy: str | None = None
    reason: str = ""
    """Why it is not used, where it is not."""


EMPTY: Final = Program()


def evolve(program: Program, event: ProgramEvent) -> Program:
    """Fold one event. Total; a module once revoked stays so."""
    match event:
        case ProgramRevoked():
            return replace(program, status=Status.REVOKED, reason=event.reason)
        case _ if program.status is Status.REVOKED:
            return program
        case ProgramProposed():
            return Program(status=Status.CANDIDATE, offer=event.offer, proofs=(event.proof,), reason=event.lacks)
        case ProgramProven():
            return replace(program, proofs=(*program.proofs, event.proof))
        case ProgramPublished():
            return replace(
                program,
                status=Status.VERIFIED,
                offer=event.offer,
                proofs=event.proofs,
                envelope=event.envelope,
                evidence=event.evidence,
                policy=event.policy,
                reason="",
            )
        case ProgramDemoted():
            return replace(program, status=Status.DEMOTED, reason=event.reason)
        case ProgramSuperseded():
            return replace(program, status=Status.SUPERSEDED, reason=f"superseded by {event.by}: {event.reason}")
    return program
