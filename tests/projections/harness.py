"""A log filled with stories, a runner at work on it, and the rows that come out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import select, text

from adapters.memory.event_store import MemoryEventStore
from commands.ports import Head
from domain.kernel.ids import Positions, StreamId
from projections import builds
from projections.catalog import PROJECTIONS
from projections.ports import Database, EventLog
from projections.projection import Projection
from projections.runner import Runner
from projections.waiting import wait_for
from tests.projections.stories import Happening, drafts, whole_run

ALL = tuple(PROJECTIONS.values())
PATIENCE = 60.0


async def tell(
    log: MemoryEventStore, run: str, happenings: Sequence[Happening], *, tenant: str = "acme", category: str = "run"
) -> None:
    """Append the happenings to a run."""
    stream = StreamId(tenant, category, run)
    head = (await log.load(stream)).head
    await log.append(stream, drafts(stream, list(happenings), head.version + 1, category), head)


async def fill(log: MemoryEventStore, runs: int, calls: int = 10) -> Positions:
    """Whole runs whose events alternate in the log; the log's end."""
    story = whole_run(calls)
    streams = [StreamId("acme", "run", f"run-{n:04}") for n in range(runs)]
    heads = dict.fromkeys(streams, Head())
    for version, happening in enumerate(story, start=1):
        for stream in streams:
            (stored,) = await log.append(stream, drafts(stream, [happening], version), heads[stream])
            heads[stream] = Head(stored.version, stored.position.sequence)
    return await log.end()


@asynccontextmanager
async def running(
    log: EventLog, database: Database, projections: Sequence[Projection] = ALL, batch: int = 100
) -> AsyncIterator[Runner]:
    """A runner at work for the block; what it raises on its own is raised here."""
    await builds.prepare(database, projections)
    runner = Runner(log, database, projections, batch=batch)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def catch_up(log: EventLog, database: Database, projections: Sequence[str] = tuple(PROJECTIONS)) -> None:
    """Wait until these projections have every event of the log."""
    await wait_for(database, await log.end(), projections, PATIENCE)


async def project(log: EventLog, database: Database, batch: int = 100) -> dict[str, list[Any]]:
    """Every row that the log leads to."""
    async with running(log, database, batch=batch):
        await catch_up(log, database)
    return await all_rows(database)


async def all_rows(database: Database) -> dict[str, list[Any]]:
    """Every row of every projection, in the order of the keys."""
    return {name: await rows(database, projection) for name, projection in PROJECTIONS.items()}


async def rows(database: Database, projection: Projection) -> list[Any]:
    """Every row that readers of a projection see."""
    async with database.transaction() as connection:
        found = await connection.execute(select(projection.table).order_by(*projection.table.primary_key))
        return [tuple(row) for row in found]


async def build_states(database: Database) -> Mapping[str, list[builds.BuildState]]:
    """The builds of each projection."""
    async with database.transaction() as connection:
        known = await builds.states(connection)
    return {name: [state for state in known if state.projection == name] for name in PROJECTIONS}


async def forget(database: Database) -> None:
    """Leave the database as empty as a new one."""
    async with database.transaction() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
