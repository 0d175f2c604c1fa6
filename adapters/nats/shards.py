"""Reads a whole shard in order, through all its epochs: those in the archive, the closed ones, the open one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.epochs import Epochs, Known
from adapters.nats.reader import EpochLeft, ShardReader
from adapters.nats.streams import NOT_FOUND, events_name
from commands.ports import EVERYTHING, Selection
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import Position
from domain.ledger.epochs import Closed
from domain.ledger.stored import Stored

E = TypeVar("E", Recorded, Stored)

Batches: TypeAlias = AsyncGenerator[Sequence[E], None]


class Shard:
    """One shard of the log."""

    def __init__(self, connection: Connection, epochs: Epochs, shard: int) -> None:
        self._connection = connection
        self._epochs = epochs
        self._shard = shard

    async def end(self) -> Position:
        """Where the last event lies; with sequence 0 where there is none. Raises ``ServiceUnreachable``."""
        known, state = await self._open_state()
        last = state["last_seq"]
        if last >= known.first or not known.earlier:
            return Position(known.open, self._shard, last)
        return Position(known.earlier[0].epoch, self._shard, last)

    async def extent(self) -> tuple[Position, Position]:
        """Where the first and the last event lie, as the port ``StoredLog`` says."""
        known, state = await self._open_state()
        oldest = known.earlier[-1] if known.earlier else None
        if oldest in known.left:
            return Position(oldest.epoch, self._shard, oldest.first), await self.end()
        if oldest is not None:
            state = (await self._connection.api(f"STREAM.INFO.{events_name(oldest.epoch, self._shard)}"))["state"]
            return Position(oldest.epoch, self._shard, state["first_seq"] or oldest.first), await self.end()
        # Of a stream whose first events were lost the broker names a later first one: an audit must see that.
        return Position(known.open, self._shard, state["first_seq"] or 1), await self.end()

    def read(self, after: int, last: int, selection: Selection, batch: int) -> Batches[Recorded]:
        """Events after one sequence and up to another, none of the batches empty."""
        return self._through(after, last, batch, _selected(selection), lambda r, a, z: r.read(a, z, selection, batch))

    def read_stored(self, after: int, last: int, batch: int) -> Batches[Stored]:
        """As ``read``, of every message, as it lies there."""
        return self._through(after, last, batch, list, lambda r, a, z: r.read_stored(a, z, batch))

    def follow(self, after: int, selection: Selection, batch: int) -> Batches[Recorded]:
        """Events for ever; an empty batch when nothing came for a while."""
        return self._following(
            after,
            lambda a, z: self.read(a, z, selection, batch),
            lambda reader, a: reader.follow(a, selection, batch),
        )

    def follow_stored(self, after: int, batch: int) -> Batches[Stored]:
        """As ``follow``, of every message, as it lies there."""
        return self._following(
            after, lambda a, z: self.read_stored(a, z, batch), lambda reader, a: reader.follow_stored(a, batch)
        )

    async def _through(
        self,
        after: int,
        last: int,
        batch: int,
        make: Callable[[Sequence[Stored]], Sequence[E]],
        of_broker: Callable[[ShardReader, int, int], Batches[E]],
    ) -> Batches[E]:
        """Epoch after epoch, where each is now."""
        while after < last:
            known: Known = await self._epochs.known(self._shard)
            here = next((each for each in reversed(known.earlier) if after < each.last), None)
            until = last if here is None else min(last, here.last)
            if here is not None and here in known.left:
                source = self._archived(here, after, until, batch, make)
            else:
                source = of_broker(self._reader(known.open if here is None else here.epoch), after, until)
            try:
                async with aclosing(source) as batches:
                    async for events in batches:
                        yield events
                        after = max(after, events[-1].position.sequence)
            except EpochLeft:
                self._epochs.forget(self._shard)
                continue
            after = until

    async def _archived(
        self, here: Closed, after: int, until: int, batch: int, make: Callable[[Sequence[Stored]], Sequence[E]]
    ) -> Batches[E]:
        assert self._epochs.archived is not None, "only an archive tells of epochs that have left"
        async with aclosing(self._epochs.archived.read_stored(here, after, batch)) as batches:
            async for messages in batches:
                wanted = messages
                if messages[-1].position.sequence > until:
                    wanted = [message for message in messages if message.position.sequence <= until]
                if events := make(wanted):
                    yield events
                if len(wanted) < len(messages):
                    return

    async def _following(
        self,
        after: int,
        read: Callable[[int, int], Batches[E]],
        follow: Callable[[ShardReader, int], Batches[E]],
    ) -> Batches[E]:
        while True:
            known = await self._epochs.known(self._shard)
            if after < known.first - 1:
                async with aclosing(read(after, known.first - 1)) as earlier:
                    async for events in earlier:
                        yield events
                after = known.first - 1
            try:
                async with aclosing(follow(self._reader(known.open), after)) as batches:
                    async for events in batches:
                        if events:
                            after = events[-1].position.sequence
                        else:
                            try:
                                if await self._has_closed(known.open):
                                    break
                            except ServiceUnreachable:
                                continue  # nobody says that there is no news
                        yield events
            except EpochLeft:
                self._epochs.forget(self._shard)

    async def _has_closed(self, epoch: int) -> bool:
        """Whether there is a newer epoch than this one, which nothing came from for a while.

        Raises ``ServiceUnreachable``.
        """
        return await self._is_sealed(epoch) and (await self._epochs.refreshed(self._shard)).open != epoch

    async def _is_sealed(self, epoch: int) -> bool:
        try:
            info = await self._connection.api(f"STREAM.INFO.{events_name(epoch, self._shard)}")
        except ApiRefused as refusal:
            if refusal.number != NOT_FOUND:
                raise
            return True
        return bool(info["config"].get("sealed"))

    async def _open_state(self) -> tuple[Known, dict[str, Any]]:
        """The epochs, and how the open one stands, seen after anything that was acknowledged before."""
        while True:
            known = await self._epochs.known(self._shard)
            try:
                info = await self._connection.api(f"STREAM.INFO.{events_name(known.open, self._shard)}")
            except ApiRefused as refusal:
                if refusal.number != NOT_FOUND:
                    raise
                await self._epochs.refreshed(self._shard)
                raise ServiceUnreachable(f"the stream of epoch {known.open} is gone from the broker") from refusal
            if not info["config"].get("sealed"):
                return known, info["state"]
            await self._epochs.refreshed(self._shard)

    def _reader(self, epoch: int) -> ShardReader:
        return ShardReader(self._connection, epoch, self._shard, lambda: self._has_left(epoch))

    def _has_left(self, epoch: int) -> bool:
        left = self._epochs.archived.left(self._shard) if self._epochs.archived is not None else ()
        return any(each.epoch == epoch for each in left)


def _selected(selection: Selection) -> Callable[[Sequence[Stored]], Sequence[Recorded]]:
    def make(messages: Sequence[Stored]) -> Sequence[Recorded]:
        return [
            Recorded(message.position, message.subject, message.body)
            for message in messages
            if selection == EVERYTHING or selection.matches(message.subject)
        ]

    return make
