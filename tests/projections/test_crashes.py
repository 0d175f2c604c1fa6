"""Runners and servers that are killed at any point: what is missing is added, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from domain.kernel.errors import ServiceUnreachable
from infra.settings import Settings
from infra.stack.stack import embedded
from projections.extent import count
from tests.projections.crashing import POINTS, RUNS
from tests.projections.harness import all_rows, build_states, fill, forget, project, running


@pytest.mark.chaos
@pytest.mark.parametrize("point", POINTS)
async def test_killed_in_the_middle(database, database_url, point):
    log = MemoryEventStore(MemoryContentStore())
    end = await fill(log, RUNS)
    reached = []
    for transactions in (1, 6):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.projections.crashing", database_url, point, str(transactions)
        )
        assert await process.wait() == -signal.SIGKILL
        reached.append((await build_states(database))["timeline"][0].positions)
    assert reached[0] != reached[1]
    assert not any(positions.covers(end) for positions in reached)

    found = await project(log, database)
    await forget(database)
    assert found == await project(log, database)


@pytest.mark.chaos
async def test_postgresql_killed_under_load(data_directory, log):
    total = count(await fill(log, runs=60))
    async with (
        embedded(Settings.model_validate({"data": data_directory})) as endpoints,
        PostgresDatabase.at(endpoints.database_url) as database,
    ):
        async with running(log, database, batch=5), asyncio.timeout(90):
            for share in (0.2, 0.5, 0.8):
                async for reached in _positions(database):
                    if reached >= share * total:
                        break
                await _kill_server(database)
            async for reached in _positions(database):
                if reached == total:
                    break
        found = await all_rows(database)
        await forget(database)
        assert found == await project(log, database)


async def _positions(database):
    """How far the timeline is, asked again and again, a dead server notwithstanding."""
    while True:
        try:
            yield count((await build_states(database))["timeline"][0].positions)
        except ServiceUnreachable:
            await asyncio.sleep(0.01)


async def _kill_server(database):
    async with database.transaction() as connection:
        directory = await connection.scalar(text("SHOW data_directory"))
    os.kill(int(Path(directory, "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
