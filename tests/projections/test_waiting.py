"""Reading what one has written."""

from __future__ import annotations

import asyncio

import pytest

from domain.kernel.errors import NotFound
from domain.kernel.ids import Positions
from projections import builds
from projections.waiting import ProjectionBehind, wait_for
from tests.projections.harness import ALL, catch_up, running, tell
from tests.projections.stories import submitted


async def test_a_reader_waits_until_its_event_is_in_the_rows(log, database):
    await builds.prepare(database, ALL)
    await tell(log, "r1", [submitted()])
    waiting = asyncio.create_task(wait_for(database, await log.end(), ("runs", "timeline"), timeout=20))
    await asyncio.sleep(0)
    assert not waiting.done()
    async with running(log, database):
        await waiting


async def test_what_is_there_already_is_not_waited_for(log, database):
    async with running(log, database):
        await tell(log, "r1", [submitted()])
        await catch_up(log, database)
    await wait_for(database, await log.end(), ("runs",), timeout=0)
    await wait_for(database, Positions({}), ("runs",), timeout=0)


async def test_who_waits_in_vain_is_told_how_far_it_is(log, database):
    async with running(log, database):
        await tell(log, "r1", [submitted()])
        await catch_up(log, database)
    await tell(log, "r2", [submitted()])
    await tell(log, "r3", [submitted()])
    with pytest.raises(ProjectionBehind, match=r"projection runs is at 0\.0:1, 2 events before 0\.0:3"):
        await wait_for(database, await log.end(), ("runs",), timeout=0.05)


async def test_an_unknown_projection_is_named(database):
    await builds.prepare(database, ALL)
    with pytest.raises(NotFound, match=r"there is no projection ruins; there are: cache_entries, .*, timeline"):
        await wait_for(database, Positions({}), ("ruins",), timeout=1)
