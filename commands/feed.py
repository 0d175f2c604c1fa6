"""What every process that reuses must hear: programs that were published and withdrawn, as they happen.

The feed fills the vector index of its process from the events, and notes which modules were revoked. An index may
lag or be lost; what may run is decided by the log itself (``commands/programs/retrieving.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Never

from commands.indexes import Point
from commands.ports import Selection
from commands.programs.log import CATALOG, CATEGORY, embedding_of, labels
from commands.reuse import Reuse
from commands.services import Services
from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Positions
from domain.kernel.values import ValueNotDecodable
from domain.programs.events import (
    Offer,
    ProgramDemoted,
    ProgramPublished,
    ProgramRevoked,
    ProgramSuperseded,
)

logger = logging.getLogger(__name__)

SELECTION: Final = Selection(category=CATEGORY)
PAUSE: Final = 0.5
"""Seconds before the next attempt while the log or the index is unreachable."""


@dataclass(slots=True)
class Feed:
    """Follows the events of programs, from the first one on."""

    services: Services
    reuse: Reuse
    heard: Positions = START
    """Up to where the index of this process has everything."""
    _entries: dict[str, set[str]] = field(default_factory=dict)
    """Programs by tenant and module, to be taken out together when it is revoked."""

    async def catch_up(self) -> None:
        """Apply what the log holds now. Raises ``ServiceUnreachable``."""
        async for events in self.services.store.read(self.heard, SELECTION):
            await self._apply(events)

    async def follow(self) -> Never:
        """Apply what arrives, for ever; wait while the log or the index is unreachable."""
        while True:
            try:
                async for events in self.services.store.follow(self.heard, SELECTION):
                    await self._apply(events)
            except ServiceUnreachable as error:
                logger.warning("the feed of programs waits: %s", error)
            except Exception:  # a fault on one event must not end what revocations travel by
                logger.exception("the feed of programs stumbled")
            await asyncio.sleep(PAUSE)

    async def _apply(self, events: Sequence[Recorded]) -> None:
        for recorded in events:
            try:
                await self._apply_one(recorded)
            except ServiceUnreachable:
                raise
            except PrecedentError as error:
                # Nothing is used by what the index says: an entry that cannot be read is one that is not found.
                logger.warning("event %s is left out of the index: %s", recorded.position, error)
            self.heard = self.heard.advanced(recorded.position)

    async def _apply_one(self, recorded: Recorded) -> None:
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case ProgramPublished(offer=offer):
                self._entries.setdefault(f"{stream.tenant}/{offer.module}", set()).add(stream.id)
                where = labels(stream.tenant, offer.namespace, offer.interface)
                await self.reuse.vectors.put([Point(stream.id, await self._point(offer), where)])
            case ProgramDemoted() | ProgramSuperseded():
                await self.reuse.vectors.remove([stream.id])
            case ProgramRevoked(module=module, reason=reason):
                self.reuse.revocations.add(stream.tenant, module, reason)
                await self.reuse.vectors.remove(sorted(self._entries.pop(f"{stream.tenant}/{module}", ())))

    async def _point(self, offer: Offer) -> Embedding:
        """The recorded point; one of this process's embedder where another made it."""
        if offer.meaning.embedder == self.reuse.embedder.name:
            try:
                return embedding_of(offer.meaning)
            except (EmbeddingInvalid, ValueNotDecodable) as error:
                raise InvalidInput(f"the point of {offer.id} cannot be used: {error}") from error
        (embedding,) = await self.reuse.embedder.embed([offer.goal])
        return embedding
