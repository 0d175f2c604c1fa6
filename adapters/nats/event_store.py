"""The event store on JetStream: one subject an event, appended on the expectation of its stream's head."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, TypeVar

from adapters.nats.appender import (
    PASSING,
    WRONG_SEQUENCE,
    WRONG_STREAM,
    Appender,
    Entry,
    Refused,
    Unacknowledged,
)
from adapters.nats.connection import Connection
from adapters.nats.epochs import Epochs
from adapters.nats.merging import merged
from adapters.nats.shards import Shard
from adapters.nats.streams import epoch_named, events_name
from adapters.nats.tails import Tail, Tails
from adapters.nats.turns import Turns
from commands.appends import (
    LARGEST_ATOMIC,
    Written,
    has_references,
    one_shard,
    referred,
    resolved,
    stored_already,
    write,
)
from commands.epochs import ArchivedEpochs
from commands.ports import EVERYTHING, Append, ContentStore, Head, Selection, StreamSlice
from domain.kernel.errors import PrecedentError, ServiceUnreachable, VersionConflict
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import Position, Positions, StreamId
from domain.ledger.epochs import carrying

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds for which one call waits for a broker that went away, unless told otherwise."""

PAUSE: Final = 0.1
"""Seconds between attempts; also longer than the broker's duplicate window."""


LARGEST_WHOLE: Final = 16 * 1024 * 1024
"""Bytes that events of one batch may refer to, about; what refers to more comes in several."""


class AppendRefused(PrecedentError):
    """The broker cannot store any more: free the disk, or lift the limit that the message names. Nothing happened."""

    code = "append.refused"


class JetStreamEventStore:
    """The port on streams ``EVENTS_<epoch>_<shard>``, which ``ensure_streams`` makes, and on the archive.

    What an epoch that has left the broker had is read from the archive; nobody above can tell.
    """

    def __init__(
        self,
        connection: Connection,
        content: ContentStore,
        *,
        shards: int = 1,
        archived: ArchivedEpochs | None = None,
        grouped: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Set up; nothing is sent yet.

        ``archived`` are epochs that have left the broker.
        ``grouped`` tells that the broker syncs each write, so that many appends are better sent as one batch.
        ``patience`` is for how many seconds one call waits for a broker that went away.
        """
        self._connection = connection
        self._content = content
        self._shards = shards
        self._patience = patience
        self._epochs = Epochs(connection, archived)
        self._appenders = [Appender(connection, grouped=grouped) for _ in range(shards)]
        self._tails = [Tails(connection, self._epochs, shard) for shard in range(shards)]
        self._logs = [Shard(connection, self._epochs, shard) for shard in range(shards)]
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
            if (stored := await self._send_if_open(stream, name, written, expected)) is not None:
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
            if all([await self._may_send(append.stream, append.expected) for append in appends]):
                heads = [append.expected for append in appends]
                if (stored := await self._send_all(appends, heads, written)) is not None:
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
                for shard in range(self._shards):
                    self._epochs.forget(shard)  # a closed epoch looks like a broker that went away
                if loop.time() >= deadline:
                    raise
            if loop.time() >= deadline:
                raise ServiceUnreachable(
                    f"the broker gave no certain answer within {self._patience:g} s ({self._connection.complaint}); "
                    "try again"
                )
            await asyncio.sleep(PAUSE)

    async def _may_send(self, stream: StreamId, expected: Head) -> bool:
        """Whether the broker's answer will be about this head: it knows those of the open epoch alone."""
        shard = stream.shard(self._shards)
        try:
            known = await self._epochs.known(shard)
            if expected.sequence:
                return expected.sequence >= known.first
            return not known.earlier or not await self._tails[shard].has_earlier(stream)
        except ServiceUnreachable:
            return False

    async def _send_if_open(
        self, stream: StreamId, name: str, written: Sequence[Written], expected: Head
    ) -> tuple[Recorded, ...] | None:
        return await self._send(stream, name, written, expected) if await self._may_send(stream, expected) else None

    async def _send(
        self, stream: StreamId, name: str, written: Sequence[Written], expected: Head
    ) -> tuple[Recorded, ...] | None:
        """One attempt; ``name`` is the stream's filter. None: look into the log."""
        shard = stream.shard(self._shards)
        entry = Entry(written, name, expected.sequence, await self._stream_name(shard))
        try:
            sequences = await self._appenders[shard].send(entry)
            return await self._recorded(stream, expected.version, written, sequences)
        except (Refused, Unacknowledged) as failure:
            _check_may_succeed(failure)
            return None

    async def _look_and_send(
        self, stream: StreamId, name: str, written: Sequence[Written], expected: Head
    ) -> tuple[Recorded, ...] | None:
        """See what the log holds, and send again what it lacks. None as above."""
        shard = stream.shard(self._shards)
        await self._epochs.refreshed(shard)
        tail = await self._tails[shard].tail(stream, expected.version)
        if stored_already(written, tail.events):
            return tuple(await self._whole(tail.events[: len(written)]))
        if tail.events and stored_already(written[: len(tail.events)], tail.events):
            left = written[len(tail.events) :]
            rest = await self._until_certain(partial(self._look_and_send, stream, name, left, tail.head))
            return (*await self._whole(tail.events), *rest)
        _check_head(stream, tail, expected)
        head = await self._carried(stream, tail.head)
        return None if head is None else await self._send(stream, name, written, head)

    async def _carried(self, stream: StreamId, head: Head) -> Head | None:
        """The head to append to, where a stream that ends in an earlier epoch is carried over. None: look again."""
        shard = stream.shard(self._shards)
        known = await self._epochs.known(shard)
        if not head.sequence or head.sequence >= known.first:
            return head
        last = (await self._tails[shard].tail(stream, head.version - 1)).events[-1]
        mark = carrying(last, known.open)
        before = Append(stream, [mark], Head(head.version - 1, 0))  # the mark has the version of what it carries
        written = await write(before, self._shards, self._content)
        stored = await self._send(stream, stream.subjects(self._shards), written, before.expected)
        return None if stored is None else Head(head.version, stored[-1].position.sequence)

    async def _send_all(
        self, appends: Sequence[Append], heads: Sequence[Head], written: Sequence[Sequence[Written]]
    ) -> tuple[tuple[Recorded, ...], ...] | None:
        """As ``_send``."""
        shard = appends[0].stream.shard(self._shards)
        epoch = await self._stream_name(shard)
        entries = [
            Entry(events, append.stream.subjects(self._shards), head.sequence, epoch)
            for append, head, events in zip(appends, heads, written, strict=True)
        ]
        try:
            sequences = await self._appenders[shard].send_atomically(entries)
        except (Refused, Unacknowledged) as failure:
            _check_may_succeed(failure)
            return None
        return tuple(
            [
                await self._recorded(append.stream, append.expected.version, events, numbers)
                for append, events, numbers in zip(appends, written, sequences, strict=True)
            ]
        )

    async def _look_and_send_all(
        self, appends: Sequence[Append], written: Sequence[Sequence[Written]]
    ) -> tuple[tuple[Recorded, ...], ...] | None:
        """As ``_look_and_send``; nothing is ever stored in part."""
        shard = appends[0].stream.shard(self._shards)
        await self._epochs.refreshed(shard)
        tails = [await self._tails[shard].tail(append.stream, append.expected.version) for append in appends]
        if all(stored_already(ours, tail.events) for ours, tail in zip(written, tails, strict=True)):
            return tuple(
                [tuple(await self._whole(tail.events[: len(w)])) for w, tail in zip(written, tails, strict=True)]
            )
        for append, tail in zip(appends, tails, strict=True):
            _check_head(append.stream, tail, append.expected)
        heads: list[Head] = []
        for append, tail in zip(appends, tails, strict=True):
            head = await self._carried(append.stream, tail.head)
            if head is None:
                return None
            heads.append(head)
        return await self._send_all(appends, heads, written)

    async def _stream_name(self, shard: int) -> str:
        return events_name((await self._epochs.known(shard)).open, shard)

    async def _recorded(
        self, stream: StreamId, after: int, written: Sequence[Written], sequences: Sequence[int]
    ) -> tuple[Recorded, ...]:
        shard = stream.shard(self._shards)
        appender = self._appenders[shard]
        known = await self._epochs.known(shard)
        newest = epoch_named(appender.epoch)
        if newest != known.open:
            self._epochs.forget(shard)  # a rollover that nobody told us of
        events = []
        for version, (event, sequence) in enumerate(zip(written, sequences, strict=True), start=after + 1):
            epoch = newest if sequence >= appender.begins else known.of(sequence)
            position = Position(epoch, shard, sequence)
            events.append(Recorded.just_written(stream, version, position, event.address, event.body, event.resolved))
        return tuple(events)

    async def _whole(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        if not any(has_references(event) for event in events):
            return events
        return [await resolved(event, self._content) for event in events]

    async def _in_portions(self, events: Sequence[Recorded], *, whole: bool) -> AsyncIterator[Sequence[Recorded]]:
        """The same events, with no more at once of what they refer to than fits into memory."""
        if not whole or not any(has_references(event) for event in events):
            yield events
            return
        portion: list[Recorded] = []
        size = 0
        for event in events:
            portion.append(await resolved(event, self._content))
            size += referred(event)
            if size > LARGEST_WHOLE:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        """As the port says."""
        tail = await self._until_certain(partial(self._tails[stream.shard(self._shards)].tail, stream, after))
        return StreamSlice(tuple(await self._whole(tail.events)), tail.head)

    async def read(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        ends = [await log.end() for log in self._logs]
        sources = [
            log.read(after.furthest(shard), ends[shard].sequence, selection, batch)
            for shard, log in enumerate(self._logs)
        ]
        async for events in merged(sources):
            async for portion in self._in_portions(events, whole=selection.whole):
                yield portion

    async def follow(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        sources = [log.follow(after.furthest(shard), selection, batch) for shard, log in enumerate(self._logs)]
        async for events in merged(sources):
            async for portion in self._in_portions(events, whole=selection.whole):
                yield portion

    async def end(self) -> Positions:
        """As the port says."""
        ends = [await log.end() for log in self._logs]
        return Positions({(end.epoch, end.shard): end.sequence for end in ends})


def _check_may_succeed(failure: Refused | Unacknowledged) -> None:
    if isinstance(failure, Refused) and failure.number not in {*WRONG_SEQUENCE, *PASSING, WRONG_STREAM}:
        raise AppendRefused(f"the broker refuses to store: {failure} (error {failure.number})") from failure


def _check_head(stream: StreamId, tail: Tail, expected: Head) -> None:
    if not tail.ends_at(expected):
        head = tail.head
        raise VersionConflict(
            f"{stream} ends at version {head.version} (sequence {head.sequence}), "
            f"not at {expected.version} ({expected.sequence}): load its tail and decide anew"
        )
