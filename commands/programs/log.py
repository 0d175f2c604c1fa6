"""Programs in the log: one stream each, and one for each module that was withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from commands.appends import append_one
from commands.cache.meanings import among
from commands.ports import Head
from commands.services import Services
from domain.kernel.embedding import Embedding
from domain.kernel.events import EventCatalog, Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import bytes_of_text, text_of_bytes
from domain.programs.events import (
    PROGRAM_EVENTS,
    Meaning,
    ProgramEvent,
    module_stream,
)
from domain.programs.state import EMPTY, Program, Status, evolve

CATALOG: Final = EventCatalog(PROGRAM_EVENTS)
CATEGORY: Final = "program"
KIND: Final = "program"
"""What a program's point in the vector index is labelled with."""

ATTEMPTS: Final = 5
"""How often something is decided anew when others append to a program at the same time."""

LONGEST_SILENCE: Final = 1.0
"""Seconds without a word of the log after which it is asked before a program does anything."""


def labels(tenant: str, namespace: str, interface: str) -> dict[str, str]:
    """What points of programs are told apart by."""
    return among(KIND, tenant, namespace, interface)


def meaning_of(embedding: Embedding) -> Meaning:
    """A point as events hold it."""
    return Meaning(embedder=embedding.embedder, vector=text_of_bytes(embedding.vector))


def embedding_of(meaning: Meaning) -> Embedding:
    """A point as indexes want it. Raises ``EmbeddingInvalid``, ``ValueNotDecodable``."""
    return Embedding(meaning.embedder, bytes_of_text(meaning.vector)).checked()


async def load_program(services: Services, stream: StreamId) -> tuple[Program, Head]:
    """A program, or a module's withdrawal, as the log has it now.

    Raises ``ServiceUnreachable``, ``StoredDataInvalid``.
    """
    slice_ = await services.store.load(stream)
    return folded(slice_.events), slice_.head


async def revocation(services: Services, tenant: str, module: str) -> str | None:
    """Why this module must not run; None where it may. The log is asked where it was not heard within a second.

    Raises ``ServiceUnreachable``, ``StoredDataInvalid``: then it must not run either.
    """
    if services.reuse is not None:
        heard = services.reuse.revocations
        reason = heard.reason(tenant, module)
        if reason is not None or heard.silence() <= LONGEST_SILENCE:
            return reason
    withdrawn, _ = await load_program(services, StreamId(tenant, CATEGORY, module_stream(module)))
    return withdrawn.reason if withdrawn.status is Status.REVOKED else None


def folded(events: Sequence[Recorded]) -> Program:
    """State of a program after these events."""
    program = EMPTY
    for recorded in events:
        event = CATALOG.decode(recorded)
        if isinstance(event, ProgramEvent):
            program = evolve(program, event)
    return program


async def append(
    services: Services, stream: StreamId, head: Head, event: ProgramEvent, *, cause: str, actor: str
) -> None:
    """Add an event after ``head``; by the same cause it has the same id. Raises ``VersionConflict``."""
    await append_one(
        services.store,
        services.clock,
        stream,
        head,
        event,
        named=f"{stream}/{cause}",
        correlation=stream.id,
        causation=cause.partition("/")[0],
        actor=actor,
    )
