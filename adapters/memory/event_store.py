"""The event store in memory: the whole contract, no server, no threads, nothing kept after the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from adapters.memory.faults import Fate, Faults, NoFaults
from commands.appends import Written, one_shard, resolved, stored_already, write
from commands.ports import EVERYTHING, Append, ContentStore, Head, Selection, StreamSlice
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import Position, Positions, StreamId

T = TypeVar("T")

ACKNOWLEDGED_WITHIN: Final = 2.0
"""Seconds until a message without acknowledgement counts as lost."""

ATTEMPTS: Final = 4
"""Times that an append is sent before the broker counts as unreachable."""

HEARTBEAT: Final = 0.25
"""Seconds after which a follower without news gets an empty batch."""


class MemoryEventStore:
    """Streams in lists. Acts out the faults that it is given; without any, every message arrives at once."""

    def __init__(self, content: ContentStore, *, shards: int = 1, epoch: int = 0, faults: Faults | None = None) -> None:
        self._content = content
        self._shards = shards
        self._epoch = epoch
        self._faults = faults or NoFaults()
        self._logs: list[list[Recorded]] = [[] for _ in range(shards)]
        self._streams: dict[StreamId, list[Recorded]] = {}
        self._followers: set[asyncio.Event] = set()

    async def append(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        """As the port says."""
        if not drafts:
            return ()
        append = Append(stream, tuple(drafts), expected)
        written = await write(append, self._shards, self._content)
        stored = await self._deliver([stream], partial(self._accept, append, written))
        return tuple([await resolved(event, self._content) for event in stored])

    async def append_atomically(self, appends: Sequence[Append]) -> tuple[tuple[Recorded, ...], ...]:
        """As the port says."""
        if not appends:
            return ()
        one_shard(appends, self._shards)
        written = [await write(append, self._shards, self._content) for append in appends]
        stored = await self._deliver([a.stream for a in appends], partial(self._accept_all, tuple(appends), written))
        return tuple([tuple([await resolved(event, self._content) for event in events]) for events in stored])

    async def _deliver(self, streams: Sequence[StreamId], accept: Callable[[Fate], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            delivery = self._faults.append(streams, attempt)
            await asyncio.sleep(delivery.there)
            if delivery.fate is not Fate.LOST:
                stored = accept(delivery.fate)
                if delivery.fate is Fate.DOUBLED:
                    stored = accept(delivery.fate)
                if delivery.fate in {Fate.DELIVERED, Fate.DOUBLED}:
                    await asyncio.sleep(delivery.back)
                    return stored
            await asyncio.sleep(ACKNOWLEDGED_WITHIN)
        raise ServiceUnreachable(f"no acknowledgement for {streams[0]} after {ATTEMPTS} attempts; try again later")

    def _accept(self, append: Append, written: Sequence[Written], fate: Fate) -> list[Recorded]:
        # Nothing awaits between looking and storing: that is what makes an expectation hold.
        tail = self._streams.get(append.stream, [])[append.expected.version :][: len(written)]
        if not stored_already(written[: len(tail)], tail):
            tail = []
        if not tail:
            self._check_head(append)
        rest = written[len(tail) :]
        return tail + self._store(append.stream, rest[:1] if fate is Fate.TORN else rest)

    def _accept_all(
        self, appends: Sequence[Append], written: Sequence[Sequence[Written]], fate: Fate
    ) -> list[list[Recorded]]:
        if fate is Fate.TORN:
            return []
        tails = [self._streams.get(append.stream, [])[append.expected.version :] for append in appends]
        if all(stored_already(ours, tail) for ours, tail in zip(written, tails, strict=True)):
            return [tail[: len(ours)] for ours, tail in zip(written, tails, strict=True)]
        for append in appends:
            self._check_head(append)
        return [self._store(append.stream, ours) for append, ours in zip(appends, written, strict=True)]

    def _check_head(self, append: Append) -> None:
        head = self._head(append.stream)
        if head != append.expected:
            raise VersionConflict(
                f"{append.stream} ends at version {head.version} (sequence {head.sequence}), "
                f"not at {append.expected.version} ({append.expected.sequence}): load its tail and decide anew"
            )

    def _store(self, stream: StreamId, written: Iterable[Written]) -> list[Recorded]:
        shard = stream.shard(self._shards)
        log = self._logs[shard]
        stored = [
            Recorded(Position(self._epoch, shard, len(log) + n), ours.address, ours.body)
            for n, ours in enumerate(written, start=1)
        ]
        log.extend(stored)
        self._streams.setdefault(stream, []).extend(stored)
        for grown in self._followers:
            grown.set()
        return stored

    def _head(self, stream: StreamId) -> Head:
        events = self._streams.get(stream, [])
        return Head(len(events), events[-1].position.sequence) if events else Head()

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        """As the port says."""
        await asyncio.sleep(self._faults.load(stream))
        head = self._head(stream)
        events = self._streams.get(stream, [])[after : head.version]
        return StreamSlice(tuple([await resolved(event, self._content) for event in events]), head)

    async def read(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        ends = [len(log) for log in self._logs]
        for shard, end in enumerate(ends):
            start = after.sequence(self._epoch, shard)
            for first in range(start, end, batch):
                events = await self._selected(self._logs[shard][first : min(first + batch, end)], selection)
                if events:
                    yield events

    async def follow(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        grown = asyncio.Event()
        self._followers.add(grown)
        reached = [after.sequence(self._epoch, shard) for shard in range(self._shards)]
        try:
            while True:
                grown.clear()
                for shard, log in enumerate(self._logs):
                    while news := log[reached[shard] : reached[shard] + batch]:
                        reached[shard] += len(news)
                        if events := await self._selected(news, selection):
                            yield events
                if not await _set_within(grown, HEARTBEAT):
                    yield []
        finally:
            self._followers.discard(grown)

    async def _selected(self, events: Iterable[Recorded], selection: Selection) -> list[Recorded]:
        selected = [event for event in events if selection.matches(event.address)]
        return [await resolved(event, self._content) for event in selected] if selection.whole else selected

    async def end(self) -> Positions:
        """As the port says."""
        return Positions({(self._epoch, shard): len(log) for shard, log in enumerate(self._logs)})


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
