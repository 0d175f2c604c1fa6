"""The archive: the ledger's copy of the log in segments, kept as it goes, and read as a log.

A message is in the copy, on the disk, before a checkpoint stands over it; so what a checkpoint proves to have been
there can be put back. Segments end where ``segments.is_full`` says and where an epoch ends, whoever writes them: any
number of processes keep the same copy.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Final

from commands.ledger_ports import SegmentStore, StoredLog
from domain.kernel.errors import NotFound, ServiceUnreachable
from domain.kernel.ids import Position
from domain.ledger.auditing import Finding, Kind
from domain.ledger.segments import (
    BEGINNING_SIZE,
    Kept,
    Segment,
    SegmentInvalid,
    beginning,
    frame,
    is_full,
    read_open,
    read_open_parts,
    read_parts,
    sealed,
)
from domain.ledger.stored import Part, Stored, stored_of

WRITE_AT: Final = 4 * 1024 * 1024
"""Bytes that wait in memory at most, as long as the disk takes them."""

READ_AT_ONCE: Final = 2_000
"""Messages of one batch."""

LOOK_EVERY: Final = 0.2
"""Seconds between looks for what another process has added."""

_logger = logging.getLogger(__name__)


class Copy:
    """The copy of one shard, as the ledger's process keeps it."""

    def __init__(self, store: SegmentStore, first: Position) -> None:
        """``first``: where the shard begins."""
        self._store = store
        self._shard = first.shard
        self._begins = first
        self._epoch = first.epoch
        """Of the segment that grows."""
        self._next = first.sequence
        self._first = first.sequence
        """Of the segment that grows."""
        self._count = self._size = 0
        self._waiting: deque[tuple[int, list[bytes]]] = deque()
        """First sequences of segments, and what is still to be written to them."""
        self._bytes = 0
        self._full: deque[tuple[Kept, int]] = deque()
        """Segments to be sealed, and the bytes that their messages have."""

    def resume(self, published: int) -> int:
        """Go on from what there is up to the last published sequence; give the last one that the copy has.

        What an open segment has beyond is dropped: the log may say otherwise by now.
        """
        end = self._begins.sequence - 1
        listed = self._store.listed(self._shard)
        for kept in listed:
            if kept.last is not None and kept.first == end + 1:
                end = kept.last
        self._next = self._first = end + 1
        self._count = self._size = self._bytes = 0
        self._waiting.clear()
        self._full.clear()
        self._store.release(self._shard)
        for kept in listed:
            if kept.last is None and kept.first == self._next:
                self.add([each for each in self._opened(kept) if each.position.sequence <= published])
        self._write()
        self._store.flush(self._shard)
        self._store.forsake(self._shard)
        return self._next - 1

    def _opened(self, kept: Kept) -> list[Stored]:
        try:
            return read_open(self._store.read(self._shard, kept)).messages
        except (SegmentInvalid, NotFound) as problem:
            _logger.warning("the archive's open segment is made anew from the log: %s", problem)
            return []

    def add(self, messages: Sequence[Stored]) -> None:
        """Take messages, which follow one another. They wait in memory while the disk does not take them."""
        for message in messages:
            if message.position.sequence < self._next:
                continue
            if self._count and message.position.epoch != self._epoch:
                self._end_segment()
            data = frame(message)
            if not self._waiting or self._waiting[-1][0] != self._first:
                self._waiting.append((self._first, []))
            if not self._count:
                self._epoch = message.position.epoch
                self._waiting[-1][1].append(beginning(message.position))
            self._waiting[-1][1].append(data)
            self._next += 1
            self._count += 1
            self._size += len(data)
            self._bytes += len(data)
            if is_full(self._count, self._size):
                self._end_segment()
        if self._bytes > WRITE_AT:
            with suppress(ServiceUnreachable):  # ``flush`` tells
                self._write()

    def _end_segment(self) -> None:
        self._full.append((Kept(self._first, self._next - 1), self._size))
        self._first, self._count, self._size = self._next, 0, 0

    def _write(self) -> None:
        while self._waiting:
            first, parts = self._waiting[0]
            self._store.extend(self._shard, first, b"".join(parts))
            self._waiting.popleft()
        self._bytes = 0

    async def flush(self) -> None:
        """On return all that was taken is on the disk. Raises ``ServiceUnreachable``."""
        self._write()
        await asyncio.to_thread(self._store.flush, self._shard)

    async def seal(self, published: int) -> None:
        """Seal the full segments up to this sequence. Raises ``ServiceUnreachable``, ``SegmentInvalid``."""
        while self._full and (self._full[0][0].last or 0) <= published:
            await asyncio.to_thread(self._seal, *self._full[0])
            self._full.popleft()

    def _seal(self, kept: Kept, size: int) -> None:
        assert kept.last is not None
        try:
            data = self._store.read(self._shard, Kept(kept.first, None))
        except NotFound:
            # Another process was faster; sealing it once more lets go of what this one has open.
            self._store.seal(self._shard, kept, self._store.read(self._shard, kept))
            return
        if len(data) != BEGINNING_SIZE + size:
            raise SegmentInvalid(
                f"the open segment from {kept.first} to {kept.last} has {len(data)} bytes, not the "
                f"{BEGINNING_SIZE + size} that were written: someone else changed it"
            )
        self._store.seal(self._shard, kept, sealed(data, kept.last - kept.first + 1))


def load(store: SegmentStore, shard: int, kept: Kept) -> Segment:
    """Read one segment of an archive. Raises ``SegmentInvalid``, ``NotFound``."""
    first, parts = load_parts(store, shard, kept)
    return Segment(first, stored_of(first, parts))


def load_parts(store: SegmentStore, shard: int, kept: Kept) -> tuple[Position, list[Part]]:
    """As ``load``: where the first message stands, and what each one is. Raises ``SegmentInvalid``, ``NotFound``."""
    data = store.read(shard, kept)
    first, parts = read_open_parts(data) if kept.last is None else read_parts(data)
    last = first.sequence + len(parts) - 1
    named = first.shard == shard and first.sequence == kept.first
    if not named or (kept.last is not None and last != kept.last):
        raise SegmentInvalid(
            f"the segment that is named {kept.first} to {kept.last} of shard {shard} holds {first} to {last}: its file "
            "was renamed or exchanged"
        )
    return first, parts


Damaged = Callable[[Kept, SegmentInvalid], None]


class Damages:
    """What an audit says of segments that could not be read."""

    def __init__(self, shard: int) -> None:
        """Of one shard."""
        self._shard = shard
        self._found: dict[int, Finding] = {}

    def add(self, kept: Kept, problem: SegmentInvalid) -> None:
        """Note a damaged segment."""
        first, last = (Position(0, self._shard, each) for each in (kept.first, kept.last or kept.first))
        self._found[kept.first] = Finding(Kind.DAMAGED, str(problem), first, last)

    def findings(self) -> list[Finding]:
        """Each damaged segment once, in order."""
        return [self._found[first] for first in sorted(self._found)]


class ArchivedLog:
    """The ``StoredLog`` port on an archive. What is damaged is told, and left out as a broker leaves it out."""

    def __init__(self, store: SegmentStore, on_damaged: Damaged | None = None) -> None:
        """Without ``on_damaged``, damage is raised."""
        self._store = store
        self._on_damaged = on_damaged

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """As the port says."""
        listed = self._store.listed(shard)
        for kept in reversed(listed):
            segment = await asyncio.to_thread(self._load, shard, kept)
            if segment is not None and segment.messages:
                begins = await asyncio.to_thread(self._load, shard, listed[0])
                first = Position(segment.first.epoch, shard, listed[0].first) if begins is None else begins.first
                return first, Position(segment.first.epoch, shard, segment.last)
        return Position(0, shard, 1), Position(0, shard, 0)

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        wanted = deque(self.segments_after(shard, after))
        loading = self._begin(shard, wanted)
        try:
            while loading is not None:
                segment = await loading
                loading = self._begin(shard, wanted)  # the next one, while this one is looked at
                if segment is None or segment.last <= after:
                    continue
                start = max(0, after + 1 - segment.first.sequence)
                for place in range(start, len(segment.messages), batch):
                    yield segment.messages[place : place + batch]
                after = segment.last
        finally:
            if loading is not None:
                loading.cancel()

    async def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        while True:
            async for messages in self.read_stored(shard, after, batch):
                yield messages
                after = messages[-1].position.sequence
            await asyncio.sleep(LOOK_EVERY)
            yield ()

    def segments_after(self, shard: int, after: int) -> list[Kept]:
        """Segments that may have something after this sequence: an open one ends where the next one begins."""
        found: list[Kept] = []
        follows: int | None = None
        for kept in reversed(self._store.listed(shard)):
            end = kept.last if kept.last is not None or follows is None else follows - 1
            if end is None or end > after:
                found.insert(0, kept)
            follows = kept.first
        return found

    async def segment(self, shard: int, kept: Kept) -> Segment:
        """One segment; where it is damaged, which is told, one without messages."""
        segment = await asyncio.to_thread(self._load, shard, kept)
        return segment or Segment(Position(0, shard, kept.first), [])

    def _begin(self, shard: int, wanted: deque[Kept]) -> asyncio.Future[Segment | None] | None:
        if not wanted:
            return None
        return asyncio.ensure_future(asyncio.to_thread(self._load, shard, wanted.popleft()))

    def _load(self, shard: int, kept: Kept) -> Segment | None:
        try:
            try:
                return load(self._store, shard, kept)
            except NotFound:  # sealed meanwhile
                now = next((each for each in self._store.listed(shard) if each.first == kept.first), None)
                return None if now is None or now == kept else load(self._store, shard, now)
        except SegmentInvalid as problem:
            if self._on_damaged is None:
                raise
            self._on_damaged(kept, problem)
            return None


class JoinedLog:
    """One log out of two: what the archive has comes from there, what follows from the broker."""

    def __init__(self, archive: StoredLog, live: StoredLog) -> None:
        """Read the archive first."""
        self._archive = archive
        self._live = live

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """As the port says."""
        (first, last), (live_first, live_last) = await self._archive.extent(shard), await self._live.extent(shard)
        if not last.sequence:
            return live_first, live_last
        return first, max(last, live_last, key=lambda each: each.sequence)

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        async for messages in self._archive.read_stored(shard, after, batch):
            yield messages
            after = messages[-1].position.sequence
        async for messages in self._live.read_stored(shard, after, batch):
            yield messages

    async def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        async for messages in self._archive.read_stored(shard, after, batch):
            yield messages
            after = messages[-1].position.sequence
        async for messages in self._live.follow_stored(shard, after, batch):
            yield messages
