"""A runner that dies at any point of a transaction: the next one adds what is missing and doubles nothing."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from tests.projections.crashing import POINTS, RUNS
from tests.projections.harness import build_states, fill, forget, project


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
