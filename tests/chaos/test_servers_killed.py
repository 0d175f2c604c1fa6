"""Servers and the projector killed under load: every run ends, every event stays, every row is there once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from adapters.postgres.database import PostgresDatabase
from commands.ports import Head
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import START, StreamId, event_id
from domain.kernel.values import format_time
from infra.bootstrap.connections import event_store
from projections import builds
from projections.catalog import PROJECTIONS
from projections.extent import count
from projections.runner import Runner
from projections.waiting import wait_for
from tests.chaos.harness import System, system, task, unknown_outcomes, until

PLAN = (
    "(let [a (call :chaos.append {:n 1}) b (call :chaos.put {:n a}) c (call :chaos.look {:n b})]"
    " (reduce + 0 (step-parallel (call :chaos.put {:n c}) (call :chaos.append {:n c}))))"
)
OUTPUT = 10
AT_ONCE = 12
"""Runs that the load keeps going."""
MOST = 5_000
"""Runs that one load submits at the most."""


@asynccontextmanager
async def load_on(world: System) -> AsyncIterator[list[str]]:
    """Submit runs over the bus as long as the block lasts; the list grows with those that were accepted."""
    runs: list[str] = []
    slots = asyncio.Semaphore(AT_ONCE)
    going: set[asyncio.Task[None]] = set()
    failed = asyncio.Event()

    async def one(name: str) -> None:
        try:
            answer = await world.send("SubmitRun", task(PLAN), name)
            assert answer.outcome == "accepted", answer
            runs.append(name)
            await until(lambda: ended(world, name))
        except BaseException:
            failed.set()
            raise
        finally:
            slots.release()

    async def submit() -> None:
        number = 0
        while not failed.is_set() and number < MOST:
            await slots.acquire()
            number += 1
            going.add(asyncio.create_task(one(f"run-{number}")))

    submitting = asyncio.create_task(submit())
    try:
        yield runs
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        await asyncio.gather(*going)
    finally:
        for task_ in (submitting, *going):
            task_.cancel()
        await asyncio.gather(submitting, *going, return_exceptions=True)


async def ended(world: System, name: str) -> bool:
    await asyncio.sleep(0.1)
    return (await world.state(name)).ended


async def check_completed(world: System, runs: list[str]) -> None:
    await world.until_ended(runs)
    await world.check(runs)
    for name in runs:
        run = await world.state(name)
        assert (run.phase, run.output) == ("completed", OUTPUT)
        assert unknown_outcomes(await world.events(name)) == [], "no worker died: nothing is in doubt"


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_the_projector_killed_under_load(data_directory: Path) -> None:
    async with system(data_directory, ["worker"]) as world:
        async with load_on(world) as runs:
            for _ in range(4):
                before = await reached(world)
                await until(lambda before=before: further(world, before + 150))
                await world.kill_and_see_it_again("projector")
        await check_completed(world, runs)
        await check_rows(world, runs)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_postgresql_killed_under_load(data_directory: Path) -> None:
    async with system(data_directory, ["worker"]) as world:
        async with load_on(world) as runs:
            for _ in range(3):
                before = await reached(world)
                await until(lambda before=before: further(world, before + 150))
                world.kill("postgres")
                known = len(runs)
                await until(lambda known=known: len(runs) > known)
                await until(lambda: world.pid("postgres"))
        await check_completed(world, runs)
        await check_rows(world, runs)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_the_broker_killed_under_load(data_directory: Path) -> None:
    async with system(data_directory, ["worker"]) as world:
        acknowledged: list[Recorded] = []
        async with load_on(world) as runs:
            writing = asyncio.create_task(write(world, acknowledged))
            for _ in range(4):
                runs_before, events_before = len(runs), len(acknowledged)
                await until(lambda r=runs_before, e=events_before: len(runs) > r + 4 and len(acknowledged) > e + 50)
                await world.kill_and_see_it_again("nats")
            runs_before = len(runs)
            await until(lambda: len(runs) > runs_before)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await check_completed(world, runs)
        await check_log(world, acknowledged)
        await check_rows(world, runs)


async def write(world: System, acknowledged: list[Recorded]) -> None:
    """Append to a stream of one's own, and remember what was acknowledged."""
    stream, head = StreamId("chaos", "diary", "d1"), Head()
    async with event_store(world.side.connection, world.endpoints) as store:
        while True:
            number = head.version + 1
            draft = Draft(
                id=event_id("diary", number),
                type="precedent.diary.Noted.v1",
                time=format_time(world.side.services.clock.now()),
                correlation="d1",
                causation="d1",
                actor="user:person",
                data={"number": number},
            )
            (stored,) = await store.append(stream, [draft], head)
            acknowledged.append(stored)
            head = Head(stored.version, stored.position.sequence)


async def check_log(world: System, acknowledged: list[Recorded]) -> None:
    """Every acknowledged event is where it was said to be, and every answer tells the truth."""
    log = {event.position: event async for batch in world.side.services.store.read(START) for event in batch}
    for event in acknowledged:
        assert log[event.position].body == event.body
    diary = [event.version for event in log.values() if event.stream.id == "d1"]
    assert diary == list(range(1, len(diary) + 1))
    assert len(diary) - len(acknowledged) in (0, 1), "the last acknowledgement may have been cut off"
    assert world.accepted
    for command, answer in world.accepted.items():
        (event,) = [event for event in log.values() if str(event.position) == answer.position]
        assert (event.stream.id, event.causation, event.short_name) == (command, command, "RunSubmitted")


async def reached(world: System) -> int:
    """How many events the timeline has, as soon as the database says so."""
    found: list[int] = []

    async def look() -> bool:
        try:
            async with world.database.transaction() as connection:
                known = await builds.states(connection)
        except ServiceUnreachable:
            return False
        found[:] = [count(state.positions) for state in known if state.projection == "timeline"]
        return bool(found)

    await until(look)
    return found[0]


async def further(world: System, wanted: int) -> bool:
    return await reached(world) >= wanted


async def check_rows(world: System, runs: list[str]) -> None:
    """The rows are those of a database that was filled from the whole log in one go."""
    end = await world.side.services.store.end()
    await wait_for(world.database, end, PROJECTIONS, 60)
    name = "fresh"
    async with await psycopg.AsyncConnection.connect(world.endpoints.database_url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    url = world.endpoints.database_url.replace("/precedent?", f"/{name}?")
    async with PostgresDatabase.at(url) as fresh:
        running = asyncio.create_task(Runner(world.side.services.store, fresh, tuple(PROJECTIONS.values())).run())
        await builds.prepare(fresh, PROJECTIONS.values())
        await wait_for(fresh, end, PROJECTIONS, 60)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for projection in PROJECTIONS.values():
            assert await rows(world.database, projection) == await rows(fresh, projection), projection.name
        assert len(await rows(fresh, PROJECTIONS["runs"])) == len(runs)


async def rows(database: PostgresDatabase, projection: Any) -> list[Any]:
    async with database.transaction() as connection:
        found = await connection.execute(select(projection.table).order_by(*projection.table.primary_key))
        return [tuple(row) for row in found]
