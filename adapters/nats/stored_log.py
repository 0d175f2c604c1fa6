"""The log as the broker holds it, headers and gaps included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from adapters.nats.connection import Connection
from adapters.nats.reader import ShardReader
from adapters.nats.streams import events_name
from domain.kernel.ids import Position
from domain.ledger.stored import Stored


class JetStreamStoredLog:
    """The ``StoredLog`` port on the streams of one epoch."""

    def __init__(self, connection: Connection, *, epoch: int = 0) -> None:
        self._connection = connection
        self._epoch = epoch

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """As the port says."""
        state = (await self._connection.api(f"STREAM.INFO.{events_name(self._epoch, shard)}"))["state"]
        # Of a stream whose first events were lost the broker names a later first one: an audit must see that.
        first, last = state["first_seq"] or 1, state["last_seq"]
        return Position(self._epoch, shard, first), Position(self._epoch, shard, last)

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        reader = ShardReader(self._connection, events_name(self._epoch, shard), self._epoch, shard)
        until = await reader.last()
        async with aclosing(reader.read_stored(after, until, batch)) as batches:
            async for events in batches:
                yield events

    async def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        reader = ShardReader(self._connection, events_name(self._epoch, shard), self._epoch, shard)
        async with aclosing(reader.follow_stored(after, batch)) as batches:
            async for events in batches:
                yield events
