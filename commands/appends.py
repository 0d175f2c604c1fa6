"""What every event store does with drafts before and after the wire: check, write, recognise its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from commands.content import LARGEST_INLINE, externalize, is_reference, resolve
from commands.ports import Append, Clock, ContentStore, EventStore, Head
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import DomainEvent, Draft, Recorded
from domain.kernel.ids import StreamId, event_id, token
from domain.kernel.values import format_time

LARGEST_EVENT: Final = 1024 * 1024 - 4096
"""Bytes of one event's body: the broker's default message limit, less room for subject and headers."""

LARGEST_ATOMIC: Final = 1000
"""Events that may be appended all or nothing: the broker's limit of one atomic batch."""


class ContentGone(NotFound):
    """Correct where the content is looked for, or put it back from a backup: the log refers to it by its digest."""

    code = "stored.content-gone"


class EventTooLarge(InvalidInput):
    """Put what is big into data fields of its own: those go to the content store, everything else cannot."""

    code = "event.too-large"


class TooManyEvents(InvalidInput):
    """Append fewer events at once: at most 1,000 can be stored all or nothing."""

    code = "append.too-many-events"


class ShardsDiffer(InvalidInput):
    """Append to these streams one by one: all or nothing works within one shard only."""

    code = "append.shards-differ"


@dataclass(slots=True)
class Written:
    """One event ready for the log."""

    id: str
    address: str
    body: bytes
    resolved: dict[str, Any] | None
    """Its whole data, where ``body`` only has references to some of it."""


async def write(append: Append, shards: int, content: ContentStore) -> list[Written]:
    """Bodies and addresses of an append's events. Raises ``HostileName`` and ``EventTooLarge``."""
    stream = append.stream
    start = stream.subjects(shards)[:-1]
    written = []
    for version, draft in enumerate(append.drafts, start=append.expected.version + 1):
        place = f"{start}{version}.{_event_name(draft.type)}"
        body = draft.body(stream, version)
        if len(body) <= LARGEST_INLINE:
            written.append(Written(token(draft.id, "event id"), place, body, None))
        else:
            written.append(await _write_big(draft, stream, version, place, content))
    return written


@lru_cache(maxsize=1024)
def _event_name(kind: str) -> str:
    parts = kind.split(".")
    return token(parts[-2] if len(parts) > 1 else kind, "event type")


async def _write_big(draft: Draft, stream: StreamId, version: int, place: str, content: ContentStore) -> Written:
    token(draft.id, "event id")
    small = await externalize(draft, stream.tenant, content)
    body = small.body(stream, version)
    if len(body) > LARGEST_EVENT:
        raise EventTooLarge(f"event {draft.type} of {stream} has {len(body)} bytes without its big fields")
    return Written(draft.id, place, body, draft.data if small is not draft else None)


def stored_already(written: Sequence[Written], tail: Sequence[Recorded]) -> bool:
    """Whether the events after the expected head begin with these very ones, whatever their bytes."""
    return len(tail) >= len(written) and all(event.id == ours.id for event, ours in zip(tail, written, strict=False))


def has_references(event: Recorded) -> bool:
    """Whether some of its data may be in the content store; quick, and never wrongly false."""
    return b'"$content"' in event.body


def referred(event: Recorded) -> int:
    """Bytes in the content store that belong to the event's data."""
    if not has_references(event):
        return 0
    stored = event.document["data"]
    return sum(value["size"] for value in stored.values() if is_reference(value) and isinstance(value.get("size"), int))


async def resolved(event: Recorded, content: ContentStore) -> Recorded:
    """The event with its whole data. Raises ``ContentGone`` where what it refers to is gone."""
    if not has_references(event):
        return event
    stored = event.document["data"]
    if not any(is_reference(value) for value in stored.values()):
        return event
    try:
        data = await resolve(stored, event.stream.tenant, content)
    except NotFound as error:
        raise ContentGone(
            f"event {event.version} ({event.short_name}) of {event.stream} needs what is gone: {error}; correct "
            "content.url if it is elsewhere, or put it back from a backup"
        ) from error
    return Recorded(event.position, event.address, event.body, data)


def one_shard(appends: Sequence[Append], shards: int) -> int:
    """The shard that all these streams live in. Raises ``ShardsDiffer``, ``TooManyEvents``, ``InvalidInput``."""
    if sum(len(append.drafts) for append in appends) > LARGEST_ATOMIC:
        raise TooManyEvents(f"at most {LARGEST_ATOMIC} events can be appended all or nothing")
    if not all(append.drafts for append in appends):
        raise InvalidInput("an append without events has no effect, and its expectation no meaning; leave it out")
    streams = [append.stream for append in appends]
    if len(set(streams)) < len(streams):
        raise InvalidInput("a stream is named twice in one atomic append; put all its drafts into one")
    found = {stream.shard(shards) for stream in streams}
    if len(found) > 1:
        raise ShardsDiffer(f"streams {', '.join(map(str, streams[:5]))} live in shards {sorted(found)}")
    return found.pop()


async def append_one(
    store: EventStore,
    clock: Clock,
    stream: StreamId,
    head: Head,
    event: DomainEvent,
    *,
    named: str,
    correlation: str,
    causation: str,
    actor: str,
) -> Recorded:
    """Append an event that no command asked for, and give it as stored. Raises as ``EventStore.append``.

    ``named``: what its id is made of, beside the version after which it comes; the same again has the same id.
    """
    draft = Draft(
        id=event_id(named, head.version),
        type=event.TYPE,
        time=format_time(clock.now()),
        correlation=correlation,
        causation=causation,
        actor=actor,
        data=event.as_json(),
    )
    (recorded,) = await store.append(stream, [draft], head)
    return recorded
