"""The log as broker and archive hold it, headers and gaps included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from adapters.nats.connection import Connection
from adapters.nats.epochs import Epochs
from adapters.nats.shards import Shard
from commands.epochs import ArchivedEpochs
from domain.kernel.ids import Position
from domain.ledger.stored import Stored


class JetStreamStoredLog:
    """The ``StoredLog`` port on the broker's epochs and on those that have left it."""

    def __init__(self, connection: Connection, archived: ArchivedEpochs | None = None) -> None:
        """``archived``: epochs that have left the broker."""
        self._connection = connection
        self._epochs = Epochs(connection, archived)

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """As the port says."""
        return await self._of(shard).extent()

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        log = self._of(shard)
        async with aclosing(log.read_stored(after, (await log.end()).sequence, batch)) as batches:
            async for events in batches:
                yield events

    async def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        async with aclosing(self._of(shard).follow_stored(after, batch)) as batches:
            async for events in batches:
                yield events

    def _of(self, shard: int) -> Shard:
        return Shard(self._connection, self._epochs, shard)
