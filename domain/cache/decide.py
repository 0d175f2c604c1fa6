"""What becomes of an answer that may be kept, and of a command on the cache."""

from __future__ import annotations

from datetime import datetime

from domain.cache.commands import CacheCommand, InvalidateCache, InvalidateEntry, JudgeReuse
from domain.cache.events import (
    CacheEntryDisputed,
    CacheEntryInvalidated,
    CacheEntryPublished,
    CacheEvent,
    CacheInvalidated,
    ReuseJudged,
)
from domain.cache.state import Entry
from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.values import digest_json, parse_time


class EntryNotInUse(PrecedentError):
    """Nothing needs to be done: the entry is not given any more already."""

    code = "cache.not-in-use"


def publish(entry: Entry, offer: CacheEntryPublished, now: datetime, *, is_covered: bool = False) -> list[CacheEvent]:
    """Events that an answer causes. The same answer again causes none, as long as the first one lasts.

    ``is_covered``: the entry's namespace, or a part of it, was invalidated since it was published.

    A static entry that lasts keeps its first answer; that there was another one is noted. An answer that was asked
    for before its entry was invalidated is not published: it may be what was invalidated.
    """
    if offer.volatility == "never" or (offer.expires is not None and parse_time(offer.expires) <= now):
        return []
    if entry.withdrawn is not None and parse_time(offer.asked or entry.withdrawn) <= parse_time(entry.withdrawn):
        return []
    if entry.published is None or is_covered or not lasts(entry, now):
        return [offer]
    digest = digest_json(offer.value)
    if digest == entry.digest:
        return []
    if entry.published.volatility == "static":
        return [
            CacheEntryDisputed(
                namespace=offer.namespace, value_digest=digest, kept_digest=entry.digest or "", run=offer.run,
                effect=offer.effect,
            )
        ]  # fmt: skip
    return [offer]


def lasts(entry: Entry, now: datetime) -> bool:
    """Whether an entry may be given now, as far as its own stream tells."""
    if entry.published is None or entry.is_withdrawn:
        return False
    return entry.published.expires is None or parse_time(entry.published.expires) > now


def decide(entry: Entry, command: CacheCommand) -> list[CacheEvent]:
    """Events that a command causes. Raises ``NotFound``, ``EntryNotInUse``."""
    match command:
        case InvalidateCache():
            return [CacheInvalidated(**command.model_dump())]
        case InvalidateEntry():
            if entry.published is None:
                raise NotFound(f"there is no entry {command.entry}; `precedent cache ls` lists them")
            if entry.is_withdrawn:
                raise EntryNotInUse(f"entry {command.entry} was invalidated at {entry.withdrawn} already")
            return [CacheEntryInvalidated(reason=command.reason)]
        case JudgeReuse():
            judged = command.model_dump(exclude={"reason"})
            return [ReuseJudged(**judged, judge="person", source="feedback")]
