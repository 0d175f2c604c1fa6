"""The event store on JetStream: one subject an event, appended on the expectation of its stream's head."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, TypeVar

from adapters.nats.appender import PASSING, WRONG_SEQUENCE, Appender, Entry, Refused, Unacknowledged
from adapters.nats.connection import Connection
from adapters.nats.loader import Loader
from adapters.nats.merging import merged
from adapters.nats.reader import ShardReader
from adapters.nats.streams import events_name
from adapters.nats.turns import Turns
from commands.appends import LARGEST_ATOMIC, Written, has_references, one_shard, resolved, stored_already, write
from commands.ports import EVERYTHING, Append, ContentStore, Head, Selection, StreamSlice
from domain.kernel.errors import PrecedentError, ServiceUnreachable, VersionConflict
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import Position, Positions, StreamId

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds for which one call waits for a broker that went away, unless told otherwise."""

PAUSE: Final = 0.1
"""Seconds between attempts; also longer than the broker's duplicate window."""


class AppendRefused(PrecedentError):
    """The broker cannot store any more: free the disk, or lift the limit that the message names. Nothing happened."""

    code = "append.refused"


class JetStreamEventStore:
    """The port on streams ``EVENTS_<epoch>_<shard>``; ``ensure_streams`` makes them."""

    def __init__(
        self,
        connection: Connection,
        content: ContentStore,
        *,
        shards: int = 1,
        epoch: int = 0,
        grouped: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Set up; nothing is sent yet.

        ``grouped`` tells that the broker syncs each write, so that many appends are better sent as one batch.
        ``patience`` is for how many seconds one call waits for a broker that went away.
        """
        self._connection = connection
        self._content = content
        self._shards = shards
        self._epoch = epoch
        self._patience = patience
        names = [events_name(epoch, shard) for shard in range(shards)]
        self._appenders = [Appender(connection, grouped=grouped) for _ in names]
        self._loaders = [Loader(connection, name, epoch, shard) for shard, name in enumerate(names)]
        self._readers = [ShardReader(connection, name, epoch, shard) for shard, name in enumerate(names)]
        self._turns = Turns()

    def close(self) -> None:
        """Give up what is under way. The connection is its owner's to close."""
        for appender in self._appenders:
            appender.close()

    async def append(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        """As the port says."""
        if len(drafts) > LARGEST_ATOMIC:
            return await self._append_in_parts(stream, drafts, expected)
        if not drafts:
            return ()
        written = await write(Append(stream, drafts, expected), self._shards, self._content)
        name = stream.subjects(self._shards)
        await self._turns.take(name)
        try:
            if (stored := await self._send(stream, name, written, expected)) is not None:
                return stored
            return await self._until_certain(partial(self._look_and_send, stream, name, written, expected))
        finally:
            self._turns.leave(name)

    async def _append_in_parts(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        stored: tuple[Recorded, ...] = ()
        for first in range(0, len(drafts), LARGEST_ATOMIC):
            stored += await self.append(stream, drafts[first : first + LARGEST_ATOMIC], expected)
            expected = Head(stored[-1].version, stored[-1].position.sequence)
        return stored

    async def append_atomically(self, appends: Sequence[Append]) -> tuple[tuple[Recorded, ...], ...]:
        """As the port says."""
        if not appends:
            return ()
        one_shard(appends, self._shards)
        written = [await write(append, self._shards, self._content) for append in appends]
        async with AsyncExitStack() as turns:
            for name in sorted(append.stream.subjects(self._shards) for append in appends):  # one order: no deadlock
                await self._turns.take(name)
                turns.callback(self._turns.leave, name)
            if (stored := await self._send_all(appends, written)) is not None:
                return stored
            return await self._until_certain(partial(self._look_and_send_all, appends, written))

    async def _until_certain(self, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Repeat until it is known what the log holds. Raises ``ServiceUnreachable`` when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while True:
            try:
                await self._connection.up(deadline - loop.time())
                if (outcome := await attempt()) is not None:
                    return outcome
            except ServiceUnreachable:
                if loop.time() >= deadline:
                    raise
            if loop.time() >= deadline:
                raise ServiceUnreachable(
                    f"the broker gave no certain answer within {self._patience:g} s ({self._connection.complaint}); "
                    "try again"
                )
            await asyncio.sleep(PAUSE)

    async def _send(
        self, stream: StreamId, name: str, written: Sequence[Written], expected: Head
    ) -> tuple[Recorded, ...] | None:
        """One attempt; ``name`` is the stream's filter. None: look into the log."""
        shard = stream.shard(self._shards)
        entry = Entry(written, name, expected.sequence)
        try:
            sequences = await self._appenders[shard].send(entry)
            return self._recorded(stream, expected.version, written, sequences)
        except (Refused, Unacknowledged) as failure:
            _check_may_succeed(failure)
            return None

    async def _look_and_send(
        self, stream: StreamId, name: str, written: Sequence[Written], expected: Head
    ) -> tuple[Recorded, ...] | None:
        """See what the log holds, and send again what it lacks. None as above."""
        events, head = await self._loaders[stream.shard(self._shards)].events(stream, expected.version)
        if stored_already(written, events):
            return tuple(await self._whole(events[: len(written)]))
        if events and stored_already(written[: len(events)], events):
            rest = await self._until_certain(partial(self._look_and_send, stream, name, written[len(events) :], head))
            return (*await self._whole(events), *rest)
        _check_head(stream, head, expected)
        return await self._send(stream, name, written, expected)

    async def _send_all(
        self, appends: Sequence[Append], written: Sequence[Sequence[Written]]
    ) -> tuple[tuple[Recorded, ...], ...] | None:
        """As ``_send``."""
        shard = appends[0].stream.shard(self._shards)
        entries = [
            Entry(events, append.stream.subjects(self._shards), append.expected.sequence)
            for append, events in zip(appends, written, strict=True)
        ]
        try:
            sequences = await self._appenders[shard].send_atomically(entries)
        except (Refused, Unacknowledged) as failure:
            _check_may_succeed(failure)
            return None
        return tuple(
            self._recorded(append.stream, append.expected.version, events, numbers)
            for append, events, numbers in zip(appends, written, sequences, strict=True)
        )

    async def _look_and_send_all(
        self, appends: Sequence[Append], written: Sequence[Sequence[Written]]
    ) -> tuple[tuple[Recorded, ...], ...] | None:
        """As ``_look_and_send``; nothing is ever stored in part."""
        loader = self._loaders[appends[0].stream.shard(self._shards)]
        tails = [await loader.events(append.stream, append.expected.version) for append in appends]
        if all(stored_already(ours, events) for ours, (events, _) in zip(written, tails, strict=True)):
            return tuple(
                [tuple(await self._whole(events[: len(w)])) for w, (events, _) in zip(written, tails, strict=True)]
            )
        for append, (_, head) in zip(appends, tails, strict=True):
            _check_head(append.stream, head, append.expected)
        return await self._send_all(appends, written)

    def _recorded(
        self, stream: StreamId, after: int, written: Sequence[Written], sequences: Sequence[int]
    ) -> tuple[Recorded, ...]:
        shard = stream.shard(self._shards)
        events = []
        for version, (event, sequence) in enumerate(zip(written, sequences, strict=True), start=after + 1):
            position = Position(self._epoch, shard, sequence)
            events.append(Recorded.just_written(stream, version, position, event.address, event.body, event.resolved))
        return tuple(events)

    async def _whole(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        if not any(has_references(event) for event in events):
            return events
        return [await resolved(event, self._content) for event in events]

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        """As the port says."""
        loader = self._loaders[stream.shard(self._shards)]
        events, head = await self._until_certain(partial(loader.events, stream, after))
        return StreamSlice(tuple(await self._whole(events)), head)

    async def read(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        end = await self.end()
        sources = [
            reader.read(after.sequence(self._epoch, shard), end.sequence(self._epoch, shard), selection, batch)
            for shard, reader in enumerate(self._readers)
        ]
        async for events in merged(sources):
            yield await self._whole(events)

    async def follow(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        sources = [
            reader.follow(after.sequence(self._epoch, shard), selection, batch)
            for shard, reader in enumerate(self._readers)
        ]
        async for events in merged(sources):
            yield await self._whole(events)

    async def end(self) -> Positions:
        """As the port says."""
        return Positions({(self._epoch, shard): await reader.last() for shard, reader in enumerate(self._readers)})


def _check_may_succeed(failure: Refused | Unacknowledged) -> None:
    if isinstance(failure, Refused) and failure.number not in {*WRONG_SEQUENCE, *PASSING}:
        raise AppendRefused(f"the broker refuses to store: {failure} (error {failure.number})") from failure


def _check_head(stream: StreamId, head: Head, expected: Head) -> None:
    if head != expected:
        raise VersionConflict(
            f"{stream} ends at version {head.version} (sequence {head.sequence}), "
            f"not at {expected.version} ({expected.sequence}): load its tail and decide anew"
        )
