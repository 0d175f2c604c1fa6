"""At start the near tier is filled with the entries that have saved most, and its size follows what is used of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Never, Protocol

from commands.cache.cache import Cache
from commands.cache.publishing import say
from commands.indexes import CacheTier
from commands.ports import Clock
from commands.services import Services
from domain.cache.events import CacheTuned
from domain.cache.rules import Held, refusal
from domain.cache.tuning import room
from domain.kernel.errors import PrecedentError

logger = logging.getLogger(__name__)

SHARE: Final = 0.5
"""Of the near tier, filled at start; the rest is for what comes."""

SIZED_EVERY: Final = 300.0
"""Seconds between two looks at the room of the near tier."""

FLOOR: Final = 1_000
"""Entries for which there is always room."""


class Valuable(Protocol):
    """Who knows which entries have saved most."""

    async def most_valuable(self, now: str, limit: int) -> list[Held]:
        """Entries that may be given at this time (RFC 3339), those first that saved most."""
        ...


class Bounded(CacheTier, Protocol):
    """A tier with a size."""

    most_bytes: int
    most_entries: int
    bytes: int
    came: int
    given_up: int

    def __len__(self) -> int:
        """How many entries it has."""
        ...

    def resize(self, *, most_bytes: int, most_entries: int) -> None:
        """Hold more or less from now on."""
        ...


async def warm(cache: Cache, near: Bounded, source: Valuable, clock: Clock, now: str) -> int:
    """Fill the near tier; give how many entries were taken. Where that cannot be, it is filled by use. Never raises."""
    try:
        found = await source.most_valuable(now, int(near.most_entries * SHARE))
    except PrecedentError as error:
        logger.warning("the cache begins cold: %s", error)
        return 0
    left, taken = near.most_bytes * SHARE, []
    for held in found:
        left -= held.size
        if left < 0:
            break
        if refusal(held, held.tenant, held.key, clock.now(), cache.withdrawals) is None:
            taken.append(held)
    for held in reversed(taken):  # the most valuable one last: it is the last to give way
        await near.put(held)
    return len(taken)


class Sizing:
    """Looks at the near tier now and then, and gives it the room that it needs."""

    def __init__(self, near: Bounded, *, ceiling: int) -> None:
        """``ceiling``: entries that it may ever hold."""
        self._near = near
        self._ceiling = ceiling
        self._came = self._given_up = 0

    def look(self) -> tuple[int, int, str] | None:
        """Resize the tier where that is due; give the entries before and after, and why."""
        near, before = self._near, self._near.most_entries
        came, given_up = near.came - self._came, near.given_up - self._given_up
        self._came, self._given_up = near.came, near.given_up
        decided = room(len(near), before, came, given_up, floor=FLOOR, ceiling=self._ceiling)
        if decided is None:
            return None
        after, reason = decided
        near.resize(most_bytes=near.most_bytes * after // before, most_entries=after)
        return before, after, reason


async def keep_sized(services: Services, cache: Cache, tenant: str, sizing: Sizing) -> Never:
    """Give the tier the room that it needs, and say so in the log, for ever."""
    while True:
        await asyncio.sleep(SIZED_EVERY)
        if (sized := sizing.look()) is None:
            continue
        before, after, reason = sized
        tuned = CacheTuned(namespace="default", setting="size", kind=None, before=before, after=after, reason=reason)
        try:
            await say(services, cache, tenant, tuned)
        except PrecedentError as error:
            logger.warning("nobody is told that the cache was resized: %s", error)
