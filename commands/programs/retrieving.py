"""Find a program for a task.

1. Exact interface and 2. similarity are asked of the vector index; then come the steps of
``domain/programs/acceptance``. The status is read from the program's own stream, at the log's leader: no index has a
say in what may run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from commands.indexes import Neighbour
from commands.programs.log import (
    CATEGORY,
    labels,
    load_program,
)
from commands.reuse import Reuse
from commands.services import Services
from domain.kernel.errors import (
    InvalidInput,
    NotFound,
    ServiceUnreachable,
    StoredDataInvalid,
)
from domain.kernel.ids import StreamId
from domain.programs.acceptance import Unacceptable, Wanted, check_bytes, check_rights, check_signature, check_status
from domain.programs.events import (
    Offer,
    module_stream,
)
from domain.runs.parts import Lookup

NEIGHBOURS: Final = 3
"""How many near programs are looked at: the nearest may have been withdrawn."""


@dataclass(frozen=True, slots=True)
class Found:
    """A program that may answer."""

    entry: str
    offer: Offer
    module: bytes
    score: float


async def retrieve(services: Services, reuse: Reuse, goal: str, wanted: Wanted) -> tuple[Lookup, Found | None]:
    """The nearest program that may answer, and what is to be recorded either way. Never raises: a fault is a miss."""
    began = services.clock.monotonic()
    reason, found, near = "", None, None
    try:
        (embedding,) = await reuse.embedder.embed([goal])
        where = labels(wanted.tenant, wanted.namespace, wanted.interface)
        for near in await reuse.vectors.search(embedding, where, NEIGHBOURS):
            if near.score < reuse.policy.similarity:
                reason = (
                    reason or f"the nearest goal has similarity {near.score:.4f}, under {reuse.policy.similarity:g}"
                )
                break
            try:
                found = await _accepted(services, reuse, near, wanted)
                break
            except (Unacceptable, NotFound, StoredDataInvalid) as error:
                reason = reason or f"{near.id}: {error}"
        else:
            reason = reason or "no program with this interface"
    except (ServiceUnreachable, InvalidInput, StoredDataInvalid) as error:
        reason = f"{error.code}: {error}"
    duration = services.clock.monotonic() - began
    if found is not None:
        said = f"published for the goal {found.offer.goal[:200]!r}"
        return Lookup(
            level="L4", outcome="hit", reason=said, entry=found.entry, score=found.score, tier="log", duration=duration
        ), found
    nearest = None if near is None else near.score
    return Lookup(level="L4", outcome="miss", reason=reason[:1_000], score=nearest, duration=duration), None


async def _accepted(services: Services, reuse: Reuse, near: Neighbour, wanted: Wanted) -> Found:
    ((program, _),) = await asyncio.gather(load_program(services, StreamId(wanted.tenant, CATEGORY, near.id)))
    if program.offer is None:
        raise NotFound("the index names it, and the log has no such program")
    withdrawn, data = await asyncio.gather(
        load_program(services, StreamId(wanted.tenant, CATEGORY, module_stream(program.offer.module))),
        services.content.get(wanted.tenant, program.offer.module),
    )
    offer = check_status(program, withdrawn[0])  # 3
    check_signature(program, offer, near.id, wanted, reuse.trusted.get(wanted.tenant, {}))  # 4
    check_bytes(offer, data)  # 5, 6
    check_rights(offer, wanted, reuse.policy)  # 7
    return Found(near.id, offer, data, near.score)
