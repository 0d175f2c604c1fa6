"""The cache in the log: a stream for each entry, and one for each namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from pydantic import ValidationError

from commands.indexes import Dropped
from domain.cache.events import CACHE_EVENTS, CacheEntryInvalidated, CacheEntryPublished, CacheEvent, CacheInvalidated
from domain.cache.rules import Held
from domain.cache.state import EMPTY, Entry, evolve
from domain.kernel.errors import InvalidInput, StoredDataInvalid
from domain.kernel.events import EventCatalog, Recorded
from domain.kernel.ids import Position, token

CATALOG: Final = EventCatalog(CACHE_EVENTS)
CATEGORY: Final = "cache"


def folded(events: Sequence[Recorded]) -> Entry:
    """State of an entry after these events."""
    entry = EMPTY
    for recorded in events:
        event = CATALOG.decode(recorded)
        if isinstance(event, CacheEvent):
            entry = evolve(entry, event, recorded.time)
    return entry


def held_of(recorded: Recorded, event: CacheEntryPublished) -> Held:
    """A published entry as tiers keep it."""
    size = len(recorded.body) if recorded.resolved is None else len(orjson.dumps(recorded.data))
    return Held(recorded.stream.tenant, event, recorded.position, recorded.time, size)


def packed(held: Held) -> bytes:
    """An entry as bytes, for a tier outside of this process."""
    return orjson.dumps(
        {
            "tenant": held.tenant,
            "position": str(held.position),
            "time": held.time,
            "published": held.published.as_json(),
        }
    )


def unpacked(data: bytes) -> Held:
    """Read ``packed`` bytes. Raises ``StoredDataInvalid``."""
    try:
        tree = orjson.loads(data)
        return held_from(tree["tenant"], tree["position"], tree["time"], tree["published"], len(data))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StoredDataInvalid(f"{len(data)} bytes of a tier are no entry: {error!r}") from error


def held_from(tenant: Any, position: Any, time: Any, published: Any, size: int) -> Held:
    """An entry of parts that nobody vouches for. Raises ``StoredDataInvalid``."""
    try:
        event = CacheEntryPublished.model_validate(published)
        return Held(token(tenant, "tenant"), event, Position.parse(position), str(time), size)
    except (ValidationError, InvalidInput, TypeError) as error:
        raise StoredDataInvalid(f"a tier holds what is no entry: {str(error)[:300]}") from error


def dropped_by(recorded: Recorded) -> Dropped | None:
    """What is not given any more after this event."""
    tenant = recorded.stream.tenant
    match CATALOG.decode(recorded):
        case CacheEntryInvalidated():
            return Dropped(tenant, entry=recorded.stream.id)
        case CacheInvalidated() as event:
            return Dropped(tenant, namespace=event.namespace, level=event.level, tag=event.tag, depends=event.depends)
    return None
