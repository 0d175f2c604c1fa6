"""Projections: events per second through the runner into PostgreSQL, beside a bare insert of the same rows.

    python -m benchmarks.projections [--events 60000] [--profile]

The ratio says what the runner adds: reading, decoding, folding, the fence, and the commit of every batch.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from psycopg.types.json import Jsonb
from sqlalchemy import select

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from commands.ports import NEW_STREAM
from domain.kernel.events import Recorded, address
from domain.kernel.ids import START, Position, Positions, StreamId, ulid
from infra.settings import Settings
from infra.stack.stack import embedded
from projections.applying import BATCH
from projections.builds import prepare
from projections.catalog import PROJECTIONS
from projections.rebuild import rebuild
from projections.runner import Runner
from projections.waiting import wait_for
from tests.projections.stories import drafts, whole_run

CONCURRENT = 64
"""Runs whose events alternate in the log."""


class Tape:
    """A log as it comes off the wire: bytes that nobody has decoded yet."""

    def __init__(self, events: int) -> None:
        story = whole_run(calls=15)
        self._events: list[tuple[Position, str, bytes]] = []
        while len(self._events) < events:
            runs = [StreamId("acme", "run", ulid(len(self._events), bytes([n] * 10))) for n in range(CONCURRENT)]
            written = {run: drafts(run, story) for run in runs}
            for n in range(len(story)):
                for run in runs:
                    draft, version = written[run][n], n + 1
                    place = address(run, 1, version, draft.short_name)
                    position = Position(0, 0, len(self._events) + 1)
                    self._events.append((position, place, draft.body(run, version)))

    def __len__(self) -> int:
        return len(self._events)

    async def end(self) -> Positions:
        return START.advanced(self._events[-1][0])

    async def read(self, after: Positions, *, batch: int = BATCH) -> AsyncIterator[Sequence[Recorded]]:
        for first in range(after.sequence(0, 0), len(self._events), batch):
            yield [Recorded(*event) for event in self._events[first : first + batch]]
            await asyncio.sleep(0)

    async def follow(self, after: Positions, *, batch: int = BATCH) -> AsyncIterator[Sequence[Recorded]]:
        async for events in self.read(after, batch=batch):
            yield events
        await asyncio.Event().wait()


@asynccontextmanager
async def fresh_database(server: str) -> AsyncIterator[tuple[str, PostgresDatabase]]:
    """A database of its own, dropped afterwards."""
    async with await psycopg.AsyncConnection.connect(server, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE benchmark")
        url = server.replace("/precedent?", "/benchmark?")
        async with PostgresDatabase.at(url) as database:
            yield url, database
        await connection.execute("DROP DATABASE benchmark WITH (FORCE)")


async def through_runner(log: Tape, database: PostgresDatabase, batch: int) -> None:
    """All projections, from the first event to the last."""
    projections = tuple(PROJECTIONS.values())
    await prepare(database, projections)
    runner = asyncio.create_task(Runner(log, database, projections, batch=batch).run())
    await wait_for(database, await log.end(), tuple(PROJECTIONS), timeout=600)
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


async def bare_insert(url: str, database: PostgresDatabase) -> tuple[int, float]:
    """The same rows again, by plain executemany in batches of 1,000; rows and seconds."""
    rows = 0
    seconds = 0.0
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("SET synchronous_commit = off")
        for projection in PROJECTIONS.values():
            async with database.transaction() as reading:
                found = await reading.execute(select(projection.table))
                cells: Sequence[Any] = [tuple(psycopg_cell(cell) for cell in row) for row in found]
            build = f"{projection.name}_v{projection.version}_1"
            await connection.execute(f"CREATE TABLE bare_{build} (LIKE {build} INCLUDING ALL)".encode())
            marks = ", ".join(["%s"] * len(projection.table.columns))
            statement = f"INSERT INTO bare_{build} VALUES ({marks})".encode()
            begun = time.perf_counter()
            async with connection.cursor() as cursor:
                for first in range(0, len(cells), 1000):
                    await cursor.executemany(statement, cells[first : first + 1000])
                    await connection.commit()
            seconds += time.perf_counter() - begun
            rows += len(cells)
    return rows, seconds


def psycopg_cell(cell: Any) -> Any:
    """JSON columns as the driver wants them; text arrays as they are."""
    return Jsonb(cell) if isinstance(cell, dict) or cell == [] else cell


async def own_writes(database: PostgresDatabase, events: int) -> list[float]:
    """Seconds from an appended event until a reader who waits for it may read, one event at a time, sorted."""
    log = MemoryEventStore(MemoryContentStore())
    projections = tuple(PROJECTIONS.values())
    await prepare(database, projections)
    runner = asyncio.create_task(Runner(log, database, projections).run())
    waits = []
    for n in range(events):
        run = StreamId("acme", "run", f"run-{n}")
        (stored,) = await log.append(run, drafts(run, whole_run()[:1]), NEW_STREAM)
        begun = time.perf_counter()
        await wait_for(database, START.advanced(stored.position), tuple(PROJECTIONS), timeout=10)
        waits.append(time.perf_counter() - begun)
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)
    return sorted(waits)


async def measure(data: Path, events: int, batch: int, profile: bool) -> None:
    """Fill a log, project it, insert the same rows barely, rebuild; print the figures."""
    async with embedded(Settings.model_validate({"data": data})) as endpoints:
        log = Tape(events)
        written = len(log)
        gc.collect()
        gc.freeze()  # the tape stands for the broker, whose memory is not ours to walk
        async with fresh_database(endpoints.database_url) as (url, database):
            profiler = cProfile.Profile() if profile else None
            if profiler is not None:
                profiler.enable()
            begun, used = time.perf_counter(), time.process_time()
            await through_runner(log, database, batch)
            seconds, cpu = time.perf_counter() - begun, time.process_time() - used
            if profiler is not None:
                profiler.disable()
                pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
            rows, bare = await bare_insert(url, database)
            begun = time.perf_counter()
            await rebuild(log, database, PROJECTIONS["timeline"], lambda _: None)
            again = time.perf_counter() - begun
        async with fresh_database(endpoints.database_url) as (_, database):
            waits = await own_writes(database, 500)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"live, all projections   {written / seconds:>9,.0f} events/s  {rows:,} rows; {cpu / seconds:.0%} of a core")
    print(f"  per second of CPU     {written / cpu:>9,.0f} events     of the runner; the server's is beside it")
    print(f"bare executemany        {rows / bare:>9,.0f} rows/s    the same rows in {bare:.2f} s, not {seconds:.2f} s")
    print(f"ratio                   {bare / seconds:>9.2f}           (1: as fast as only inserting the rows)")
    print(f"rebuild of the timeline {written / again:>9,.0f} events/s")
    print(f"reading one's own write {waits[250] * 1000:>7.1f} ms p50   {waits[495] * 1000:.1f} ms p99, polled")
    print(f"peak memory             {peak:>9,.0f} MB        the tape included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as parent:
        Path(parent).chmod(0o755)  # PostgreSQL's account must get through
        uvloop.run(measure(Path(parent) / "data", options.events, options.batch, options.profile))


if __name__ == "__main__":
    main()
