"""``python -m infra.bench.reuse.projector``: fills the cache's tier in the database, and no other table.

The benchmark reads the log itself; tables of runs would take a third of a core beside what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import uvloop

from commands.ports import EventStore, Selection
from domain.kernel.events import Recorded
from domain.kernel.ids import Positions
from infra.bootstrap.connections import connected, database, event_store
from infra.settings import load
from infra.stack.endpoints import Endpoints, endpoints_of
from infra.stack.service import announce_ready
from projections.builds import prepare
from projections.catalog import PROJECTIONS
from projections.runner import Runner

TABLES: Final = ("cache_entries",)
CATEGORY: Final = "cache"
"""Of all events that these tables are made of."""


@dataclass(frozen=True, slots=True)
class CacheLog:
    """``projections.ports.EventLog`` of the cache's events alone.

    Four in five transactions did no more than note that events of runs had been passed over.
    """

    store: EventStore

    def read(self, after: Positions, *, batch: int = 1000) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        return self.store.read(after, Selection(category=CATEGORY), batch)

    def follow(self, after: Positions, *, batch: int = 1000) -> AsyncIterator[Sequence[Recorded]]:
        """As the port says."""
        return self.store.follow(after, Selection(category=CATEGORY), batch)

    async def end(self) -> Positions:
        """As the port says."""
        return await self.store.end()


async def serve() -> None:
    """Work until SIGTERM."""
    endpoints = endpoints_of(load())
    assert endpoints is not None, "the supervisor of the benchmark starts this beside its servers"
    working = asyncio.ensure_future(_work(endpoints))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def _work(endpoints: Endpoints) -> None:
    chosen = tuple(PROJECTIONS[name] for name in TABLES)
    async with (
        connected(endpoints, "precedent-bench-projector") as connection,
        event_store(connection, endpoints) as store,
        database(endpoints) as sql,
    ):
        await prepare(sql, chosen)
        announce_ready()
        await Runner(CacheLog(store), sql, chosen).run()


if __name__ == "__main__":
    uvloop.run(serve())
