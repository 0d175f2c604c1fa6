"""The library's recorders on our log.

Several events are inserted as one atomic batch. An insert expects the heads of its streams, so of two at once one is
told ``IntegrityError``, as the library wants; a retry of what is stored already is told so too.
"""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final, cast
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

from adapters.eventsourcing.background import Background
from adapters.eventsourcing.spelling import draft_of, notification_of, stored_of, stream_of, tracking_draft
from commands.ports import Append, Clock, EventStore, Head, Selection
from domain.kernel.errors import PrecedentError, VersionConflict
from domain.kernel.events import Recorded
from domain.kernel.ids import Positions, StreamId
from domain.kernel.values import format_time

SHARD: Final = (0, 0)
"""Epoch and shard of the log that applications share."""

WAITING: Final = 1_000
"""Notifications that a subscription holds before its reader takes them."""


class Log:
    """One application's part of our log."""

    def __init__(self, background: Background, store: EventStore, clock: Clock, tenant: str, category: str) -> None:
        self.background = background
        self.store = store
        self.clock = clock
        self.tenant = tenant
        self.category = category
        self._last: int | None = None

    @property
    def selection(self) -> Selection:
        """This application's events."""
        return Selection(tenant=self.tenant, category=self.category)

    def stream(self, originator: UUID | str) -> StreamId:
        """Stream of an originator."""
        return stream_of(self.tenant, self.category, originator)

    def tracking(self, application: str) -> StreamId:
        """Stream of what this application has tracked of another."""
        return stream_of(self.tenant, f"{self.category[:52]}-tracking", application)

    async def insert(self, stored: Sequence[StoredEvent], tracking: Tracking | None = None) -> list[int]:
        """Append all of it or nothing, and give the places of the stored events. Raises ``IntegrityError``."""
        by_stream: dict[StreamId, list[StoredEvent]] = {}
        for event in stored:
            by_stream.setdefault(self.stream(event.originator_id), []).append(event)
        now = format_time(self.clock.now())
        appends = [await self._append(stream, events, now) for stream, events in by_stream.items()]
        if tracking is not None:
            appends.append(await self._tracked(tracking, now))
        if not appends:
            return []
        try:
            written = await self._write(appends)
        except VersionConflict as conflict:
            raise IntegrityError(str(conflict)) from conflict
        places: dict[tuple[StreamId, int], int] = {}
        for append, kept in zip(appends, written, strict=True):
            for draft, recorded in zip(append.drafts, kept, strict=True):
                if "version" in draft.data:
                    places[append.stream, draft.data["version"]] = recorded.position.sequence
        return [places[self.stream(event.originator_id), event.originator_version] for event in stored]

    async def _write(self, appends: Sequence[Append]) -> Sequence[tuple[Recorded, ...]]:
        if len(appends) == 1 and len(appends[0].drafts) == 1:
            return [await self.store.append(appends[0].stream, appends[0].drafts, appends[0].expected)]
        return await self.store.append_atomically(appends)

    async def _append(self, stream: StreamId, events: Sequence[StoredEvent], now: str) -> Append:
        loaded = await self.store.load(stream)
        taken = {event.data["version"] for event in loaded.events}
        for event in events:
            if event.originator_version in taken:
                raise IntegrityError(f"version {event.originator_version} of {event.originator_id} is already recorded")
            taken.add(event.originator_version)
        return Append(stream, [draft_of(stream, event, now) for event in events], loaded.head)

    async def _tracked(self, tracking: Tracking, now: str) -> Append:
        stream = self.tracking(tracking.application_name)
        newest, head = await self._newest(stream)
        if newest is not None and newest >= tracking.notification_id:
            raise IntegrityError(
                f"notification {tracking.notification_id} of {tracking.application_name} is not beyond {newest}, "
                "which is tracked already"
            )
        return Append(stream, [tracking_draft(stream, tracking, now)], head)

    async def _newest(self, stream: StreamId) -> tuple[int | None, Head]:
        loaded = await self.store.load(stream)
        return (loaded.events[-1].data["notification"] if loaded.events else None), loaded.head

    async def max_tracking(self, application: str) -> int | None:
        """The newest tracked notification of another application."""
        return (await self._newest(self.tracking(application)))[0]

    async def events(self, originator: UUID | str) -> list[StoredEvent]:
        """Every stored event of an originator, in the order of its versions."""
        loaded = await self.store.load(self.stream(originator))
        return sorted((stored_of(event) for event in loaded.events), key=lambda each: each.originator_version)

    async def notifications(
        self, after: int, stop: int | None, limit: int, topics: Sequence[str]
    ) -> list[Notification]:
        """Notifications beyond a place, up to one, at most so many."""
        found: list[Notification] = []
        reading = self.store.read(_beyond(after), self.selection, min(1_000, max(1, limit)))
        async with aclosing(cast("Any", reading)) as batches:
            async for batch in batches:
                for event in batch:
                    if stop is not None and event.position.sequence > stop:
                        return found
                    notification = notification_of(event)
                    if not topics or notification.topic in topics:
                        found.append(notification)
                    if len(found) == limit:
                        return found
        return found

    async def last(self) -> int | None:
        """Place of this application's last event."""
        async for batch in self.store.read(_beyond(self._last or 0), self.selection):
            self._last = batch[-1].position.sequence
        return self._last

    async def follow(self, after: int, topics: Sequence[str]) -> AsyncIterator[Sequence[Notification]]:
        """Notifications as they come, for ever; an empty batch now and then."""
        async for batch in self.store.follow(_beyond(after), self.selection):
            found = [notification_of(event) for event in batch]
            yield [each for each in found if not topics or each.topic in topics]


def _beyond(sequence: int) -> Positions:
    return Positions({SHARD: max(0, sequence)})


class _Recorder:
    def __init__(self, log: Log) -> None:
        self.log = log

    def _call(self, work: Any) -> Any:
        try:
            return self.log.background.call(work)
        except PrecedentError as problem:
            raise OperationalError(f"{problem.code}: {problem}") from problem


class PrecedentAggregateRecorder(_Recorder, AggregateRecorder):
    """Sequences of aggregates, and of their snapshots."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """As the library says."""
        self._insert(stored_events, **kwargs)
        return None

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None, **_: Any) -> list[int]:
        return cast("list[int]", self._call(self.log.insert(stored_events, tracking)))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """As the library says."""
        events: Iterable[StoredEvent] = self._call(self.log.events(originator_id))
        found = [
            event
            for event in events
            if (gt is None or event.originator_version > gt) and (lte is None or event.originator_version <= lte)
        ]
        return (found[::-1] if desc else found)[:limit]


class PrecedentApplicationRecorder(PrecedentAggregateRecorder, ApplicationRecorder):
    """The same, and the sequence of the whole application."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """As the library says."""
        return self._insert(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """As the library says."""
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        return cast("list[Notification]", self._call(self.log.notifications(after, stop, limit, topics)))

    def max_notification_id(self) -> int | None:
        """As the library says."""
        return cast("int | None", self._call(self.log.last()))

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """As the library says."""
        return PrecedentSubscription(self, gt, topics)


class PrecedentTrackingRecorder(_Recorder, TrackingRecorder):
    """How far an application has come in others."""

    def insert_tracking(self, tracking: Tracking) -> None:
        """As the library says."""
        self._call(self.log.insert((), tracking))

    def max_tracking_id(self, application_name: str) -> int | None:
        """As the library says."""
        return cast("int | None", self._call(self.log.max_tracking(application_name)))


class PrecedentProcessRecorder(PrecedentTrackingRecorder, PrecedentApplicationRecorder, ProcessRecorder):
    """Events and what has been tracked, in one atomic batch."""


class PrecedentSubscription(Subscription[PrecedentApplicationRecorder]):
    """Notifications as the broker delivers them."""

    def __init__(self, recorder: PrecedentApplicationRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._arrived: queue.Queue[Notification | BaseException | None] = queue.Queue(WAITING)
        self._reading = recorder.log.background.start(self._read(gt or 0, topics))

    async def _read(self, after: int, topics: Sequence[str]) -> None:
        try:
            async for batch in self._recorder.log.follow(after, topics):
                for notification in batch:
                    await self._recorder.log.background.offer(self._arrived, notification)
        except PrecedentError as problem:
            await self._recorder.log.background.offer(self._arrived, problem)

    def stop(self) -> None:
        """End it; a reader that waits is let go."""
        super().stop()
        self._reading.cancel()
        with self._arrived.mutex:
            self._arrived.queue.clear()
            self._arrived.not_full.notify_all()
        self._arrived.put(None)

    def __next__(self) -> Notification:
        if self._has_been_stopped:
            raise StopIteration
        arrived = self._arrived.get()
        if arrived is None or self._has_been_stopped:
            raise StopIteration
        if isinstance(arrived, BaseException):
            raise OperationalError(str(arrived)) from arrived
        return arrived
