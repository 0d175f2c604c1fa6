"""What a process does when it hears of the cache: it fills its own tier, and notes what is not given any more."""

from __future__ import annotations

from dataclasses import dataclass

from commands.cache.cache import Cache
from commands.cache.log import CATALOG, dropped_by, held_of
from commands.indexes import CacheTier
from domain.cache.events import CacheEntryInvalidated, CacheEntryPublished, CacheInvalidated
from domain.cache.rules import Withdrawal
from domain.kernel.events import Recorded
from domain.kernel.values import parse_time


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries that this process has heard of."""

    cache: Cache

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``. Raises as the ports."""
        await self.cache.lasting.hear(recorded)
        event, tenant = CATALOG.decode(recorded), recorded.stream.tenant
        match event:
            case CacheEntryPublished(level="L2"):
                for tier in self._own:
                    await tier.put(held_of(recorded, event))
            case CacheEntryInvalidated():
                self.cache.withdrawals.add_entry(tenant, recorded.stream.id, _withdrawal(recorded, event.reason))
                await self._drop(recorded)
            case CacheInvalidated():
                self.cache.withdrawals.add(tenant, event, _withdrawal(recorded, event.reason))
                await self._drop(recorded)

    @property
    def _own(self) -> list[CacheTier]:
        # What all processes share is filled by whoever publishes, and cleared by whoever handles the command.
        return [tier for tier in self.cache.near if tier.name == "process"]

    async def _drop(self, recorded: Recorded) -> None:
        dropped = dropped_by(recorded)
        for tier in self._own:
            if dropped is not None:
                await tier.drop(dropped)


def _withdrawal(recorded: Recorded, reason: str) -> Withdrawal:
    return Withdrawal(recorded.position, parse_time(recorded.time), reason)
