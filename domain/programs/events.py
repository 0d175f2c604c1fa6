"""What can happen to a program that solves a task. Shapes here are persisted: they never change, only grow.

A program's stream is named after what it solves and how (``entry_id``); a withdrawn module's after its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from domain.kernel.events import DomainEvent
from domain.kernel.reuse import Cost
from domain.kernel.values import digest_bytes, digest_json

_NAMES: Final = UUID("6a0d2f52-7f0b-5d0e-9a57-0d1c6c1f7c11")


def entry_id(namespace: str, interface: str, module: str, goal: str) -> str:
    """Id of the program with these bytes as an answer to this goal; a UUID, as vector indexes want it."""
    return str(uuid5(_NAMES, f"{namespace}\n{interface}\n{module}\n{goal}"))


def module_stream(module: str) -> str:
    """Id of the stream that tells whether a module was revoked."""
    return module.removeprefix("sha256:")


class Part(BaseModel):
    """A part of events."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OfferedEffect(Part):
    """One capability of the effect row, at the version that the program was compiled against."""

    name: str
    version: str
    mode: Literal["pure", "read", "write", "external"]


class Proof(Part):
    """One run that the program did well."""

    ADDED: ClassVar[frozenset[str]] = frozenset({"by", "held"})
    run: str
    inputs: str
    """Digest of its inputs."""
    output: str
    """Digest of its output."""
    checks: int
    """Postconditions that held."""
    effects: int
    """Effects that a replay asked for again, and found in the record."""
    by: str = ""
    """Who submitted the run; empty where that was not kept."""
    held: tuple[str, ...] = ()
    """Digests of the postconditions that held (``check_digest``)."""


def check_digest(check: str) -> str:
    """What a postcondition is known by, wherever it is not written out."""
    return digest_bytes(check.encode())


def evidence_digest(proofs: Sequence[Proof]) -> str:
    """Digest of the proofs as they are stored."""
    return digest_json([proof.model_dump(mode="json", exclude=_absent(proof)) for proof in proofs])


def _absent(proof: Proof) -> set[str]:
    return {name for name in Proof.ADDED if getattr(proof, name) == Proof.model_fields[name].default}


class Meaning(Part):
    """The goal as a point."""

    embedder: str
    vector: str
    """Base64 of the components, binary32 little-endian."""


class Offer(Part):
    """A program as an answer to a kind of task."""

    namespace: str
    goal: str
    interface: str
    module: str
    """``sha256:…``: digest of the bytecode, and its address in the content store."""
    effects: tuple[OfferedEffect, ...]
    plan: str
    """The text that it was compiled from."""
    source_map: str
    literals: tuple[str, ...]
    """Constants of it that equal an input of the run it comes from."""
    cost: Cost
    meaning: Meaning

    @property
    def id(self) -> str:
        """Id of the program's stream."""
        return entry_id(self.namespace, self.interface, self.module, self.goal)


class ProgramEvent(DomainEvent):
    """An event of a program."""


class ProgramProposed(ProgramEvent):
    """A run found a program that has yet to prove itself: it is not used. What was known before counts no more."""

    TYPE: ClassVar[str] = "precedent.program.ProgramProposed.v1"
    offer: Offer
    proof: Proof
    lacks: str
    """What it takes to be published."""


class ProgramProven(ProgramEvent):
    """Another run came to the same program, and did well."""

    TYPE: ClassVar[str] = "precedent.program.ProgramProven.v1"
    proof: Proof


class ProgramPublished(ProgramEvent):
    """The program may be used in place of a model."""

    TYPE: ClassVar[str] = "precedent.program.ProgramPublished.v1"
    offer: Offer
    proofs: tuple[Proof, ...]
    evidence: str
    """Digest of the proofs."""
    policy: str
    """Digest of the policy under which it was published."""
    envelope: str
    """DSSE envelope with the signed statement."""


class ProgramRefused(ProgramEvent):
    """A run came to a program that the policy does not let be published."""

    TYPE: ClassVar[str] = "precedent.program.ProgramRefused.v1"
    run: str
    namespace: str
    goal: str
    interface: str
    module: str
    reason: str


class ProgramDemoted(ProgramEvent):
    """It was wrong, or a person doubts it: it is not used any more."""

    TYPE: ClassVar[str] = "precedent.program.ProgramDemoted.v1"
    reason: str
    run: str | None
    """The run in which it was wrong, if one showed it."""


class ProgramContradicted(ProgramEvent):
    """It failed postconditions that only one task asks for: it does not answer tasks that ask for them."""

    TYPE: ClassVar[str] = "precedent.program.ProgramContradicted.v1"
    run: str
    by: str
    """Who submitted the run."""
    checks: tuple[str, ...]
    """Digests of the postconditions that it failed, and was not proven by."""
    reason: str


class ProgramReinstated(ProgramEvent):
    """A program that was demoted may be used again: runs since then came to it, and did well."""

    TYPE: ClassVar[str] = "precedent.program.ProgramReinstated.v1"
    offer: Offer
    proofs: tuple[Proof, ...]
    """Of the runs since it was demoted; the signed evidence stays that of its publication."""
    policy: str
    """Digest of the policy under which it was reinstated."""
    reason: str


class ProgramSuperseded(ProgramEvent):
    """Another program answers in its place."""

    TYPE: ClassVar[str] = "precedent.program.ProgramSuperseded.v1"
    by: str
    reason: str


class ProgramRevoked(ProgramEvent):
    """The program's module must not run, whatever it is offered for; running programs stop at their next effect."""

    TYPE: ClassVar[str] = "precedent.program.ProgramRevoked.v1"
    module: str
    reason: str


PROGRAM_EVENTS: Final[tuple[type[ProgramEvent], ...]] = (
    ProgramProposed, ProgramProven, ProgramPublished, ProgramRefused, ProgramDemoted, ProgramContradicted,
    ProgramReinstated, ProgramSuperseded, ProgramRevoked,
)  # fmt: skip
