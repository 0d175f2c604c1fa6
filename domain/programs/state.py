"""What a program's events add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from domain.programs.events import (
    Offer,
    ProgramContradicted,
    ProgramDemoted,
    ProgramEvent,
    ProgramProposed,
    ProgramProven,
    ProgramPublished,
    ProgramReinstated,
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
    since: tuple[Proof, ...] = ()
    """Of a demoted one: runs since then that came to it, and did well."""
    against: frozenset[str] = frozenset()
    """Runs that were held against it: none counts twice, also after it was reinstated."""
    contradicted: frozenset[str] = frozenset()
    """Digests of postconditions that it fails: it does not answer tasks that ask for them."""


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
        case ProgramProven() if program.status is Status.DEMOTED:
            return replace(program, since=(*program.since, event.proof))
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
            against = _against(program, event)
            return replace(program, status=Status.DEMOTED, reason=event.reason, since=(), against=against)
        case ProgramContradicted():
            contradicted = program.contradicted.union(event.checks)
            return replace(program, contradicted=contradicted, against=_against(program, event))
        case ProgramReinstated() if program.envelope is not None:
            return replace(program, status=Status.VERIFIED, reason="", since=())
        case ProgramSuperseded():
            return replace(program, status=Status.SUPERSEDED, reason=f"superseded by {event.by}: {event.reason}")
    return program


def _against(program: Program, event: ProgramDemoted | ProgramContradicted) -> frozenset[str]:
    return program.against if event.run is None else program.against | {event.run}
