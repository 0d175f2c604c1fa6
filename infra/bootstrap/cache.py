"""Exact answers that are given again: the three tiers, the flights, and what keeps them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.memory.cache_tier import MemoryCacheTier
from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.nats.connection import Connection
from adapters.nats.flights import JetStreamFlights
from adapters.postgres.cache_tier import PostgresCacheTier
from adapters.postgres.database import PostgresDatabase
from commands.cache.cache import Cache
from commands.cache.data import DataVersions
from commands.cache.flying import SingleFlight
from commands.cache.hearing import Entries
from commands.cache.tuning import Lasting
from commands.cache.warming import Sizing, keep_sized, warm
from commands.feed import Feed
from commands.ports import Clock, EventStore, ToolRunner
from commands.services import Services
from domain.kernel.errors import PrecedentError
from domain.kernel.values import format_time
from domain.tools import ToolDeclaration
from infra.settings.cache import CacheSettings

logger = logging.getLogger(__name__)

CEILING: Final = 1_000_000
"""Entries that a process ever keeps near."""

AGAIN: Final = 1.0
"""Seconds before the log is asked anew for what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCache:
    """The cache of a process, and what keeps it."""

    cache: Cache
    near: MemoryCacheTier
    far: PostgresCacheTier
    runs: Feed | None
    """Of writes; None where no tool here reads data that has versions."""

    async def keep(self, services: Services, tenant: str) -> None:
        """Warm it, hear of writes, and give it the room that it needs, for ever."""
        await asyncio.gather(self._hear(services.store), self._size(services, tenant))

    async def _hear(self, store: EventStore) -> None:
        if self.runs is None or self.cache.data is None:
            return
        while not self.runs.heard:
            try:
                self.runs.heard["run"] = await self.cache.data.catch_up(store)
            except PrecedentError as error:
                logger.warning("no data is known yet: %s", error)
                await asyncio.sleep(AGAIN)
        await self.runs.follow()

    async def _size(self, services: Services, tenant: str) -> None:
        taken = await warm(self.cache, self.near, self.far, services.clock, format_time(services.clock.now()))
        logger.info("the cache begins with %d entries", taken)
        await keep_sized(services, self.cache, tenant, Sizing(self.near, ceiling=CEILING))


def kept_cache(  # what it is made of
    settings: CacheSettings,
    connection: Connection,
    database: PostgresDatabase,
    store: EventStore,
    clock: Clock,
    tools: ToolRunner,
    feed: Feed,
) -> KeptCache:
    """The cache of this process, told of what happens by ``feed``."""
    near = MemoryCacheTier(most_bytes=settings.memory_mb * 1024 * 1024)
    far = PostgresCacheTier(database, store)
    data, runs = None, None
    if _reads_data(tools.declarations()):
        runs = Feed(store, clock, {})
        data = DataVersions(tools.declarations, clock, runs.silent_for)
        runs.listeners = {"run": (data.hear,)}
    cache = Cache(
        near=(near, JetStreamCacheTier(connection, clock)),
        far=(far,),
        flight=SingleFlight(JetStreamFlights(connection)),
        silent_for=feed.silent_for,
        models=settings.models,
        lasting=Lasting(dict(settings.seconds)),
        data=data,
    )
    feed.listeners = {**feed.listeners, "cache": (*feed.listeners.get("cache", ()), Entries(cache).hear)}
    return KeptCache(cache=cache, near=near, far=far, runs=runs)


def _reads_data(declarations: Mapping[str, ToolDeclaration]) -> bool:
    return any(each.data is not None and each.lasting != "never" for each in declarations.values())
