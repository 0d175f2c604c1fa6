"""What the events of one entry, or of one namespace, add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from domain.cache.events import CacheEntryInvalidated, CacheEntryPublished, CacheEvent
from domain.kernel.values import digest_json


@dataclass(frozen=True, slots=True)
class Entry:
    """State of one entry."""

    published: CacheEntryPublished | None = None
    """The newest answer."""
    digest: str | None = None
    """Of its value."""
    withdrawn: str | None = None
    """When it was invalidated last, whether something was published after it or not."""
    is_withdrawn: bool = False
    """Whether nothing was published since."""


EMPTY: Final = Entry()


def evolve(entry: Entry, event: CacheEvent, time: str) -> Entry:
    """Fold one event, made at ``time``. Total: what says nothing of an entry changes nothing."""
    match event:
        case CacheEntryPublished():
            return Entry(event, digest_json(event.value), entry.withdrawn)
        case CacheEntryInvalidated():
            return replace(entry, withdrawn=time, is_withdrawn=True)
    return entry
