"""Rebuilding beside the serving tables: the same rows, no gap for readers, interruptible, one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from domain.kernel.ids import START
from projections import builds
from projections.applying import ProjectionStopped
from projections.builds import ProjectionIsNewer
from projections.catalog import PROJECTIONS
from projections.extent import count
from projections.ledger import LEDGER
from projections.rebuild import Progress, RebuildInProgress, rebuild
from projections.runner import LogIsShorter, Runner
from projections.runs import RUNS
from projections.timeline import TIMELINE
from tests.projections.harness import ALL, all_rows, build_states, catch_up, fill, project, rows, running, tell
from tests.projections.stories import submitted, whole_run


def ignored(progress: Progress) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize("projection", ALL, ids=list(PROJECTIONS))
async def test_a_rebuild_makes_the_same_rows(log, database, projection):
    await fill(log, runs=20)
    before = await project(log, database)
    await rebuild(log, database, projection, ignored, batch=33)
    assert await all_rows(database) == before
    assert [(state.build, state.state) for state in (await build_states(database))[projection.name]] == [(2, "serving")]


async def test_only_the_serving_tables_stay(log, database):
    await tell(log, "r1", whole_run())
    await project(log, database)
    for _ in range(3):
        await rebuild(log, database, RUNS, ignored)
    async with database.transaction() as connection:
        tables = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        )
        assert list(tables) == [
            "cache_entries_v1_1", "cache_withdrawals_v1_1", "ledger_v1_1", "programs_v1_1", "projection_builds", "reuse_v2_1", "runs_v2_4", "timeline_v2_1",
        ]  # fmt: skip


async def test_progress_counts_events_up_to_the_log_end(log, database):
    end = await fill(log, runs=10)
    await project(log, database)
    seen = []
    await rebuild(log, database, TIMELINE, seen.append, batch=50)
    total = count(end)
    assert seen[0] == Progress(0, total)
    assert [progress.done for progress in seen] == [*range(0, total, 50), total]


async def test_readers_see_all_rows_all_the_time(log, database):
    await fill(log, runs=10)
    expected = await project(log, database)
    done = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            assert await rows(database, TIMELINE) == expected["timeline"]
            reads += 1
        return reads

    reader = asyncio.create_task(read())
    for _ in range(4):
        await rebuild(log, database, TIMELINE, ignored, batch=40)
    done.set()
    assert await reader > 3


async def test_the_live_runner_goes_on_with_the_new_build(log, database):
    async with running(log, database, batch=10):
        await fill(log, runs=5)
        await catch_up(log, database)
        await rebuild(log, database, TIMELINE, ignored)
        await tell(log, "late", whole_run())
        await catch_up(log, database)
        await rebuild(log, database, RUNS, ignored)
        await tell(log, "later", whole_run())
        await catch_up(log, database)
    assert len(await rows(database, RUNS)) == 7
    assert len(await rows(database, TIMELINE)) == count(await log.end())


async def test_it_catches_up_with_a_log_that_keeps_growing(log, database):
    await fill(log, runs=10)
    written = 0
    async with running(log, database):
        await catch_up(log, database)
        rebuilding = asyncio.create_task(rebuild(log, database, TIMELINE, ignored, batch=20))
        while not rebuilding.done():
            await tell(log, f"during-{written}", whole_run())
            written += 1
            await catch_up(log, database)
        await rebuilding
        await catch_up(log, database)
    assert written >= 2
    assert len(await rows(database, TIMELINE)) == count(await log.end())


async def test_an_interrupted_rebuild_goes_on_where_it_was(log, database):
    await fill(log, runs=10)
    before = await project(log, database)

    class Interrupted(Exception): ...

    def interrupt(progress: Progress) -> None:
        if progress.done >= 100:
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(log, database, TIMELINE, interrupt, batch=50)
    assert await all_rows(database) == before
    states = (await build_states(database))["timeline"]
    assert [(state.state, count(state.positions)) for state in states][1] == ("building", 100)

    seen = []
    await rebuild(log, database, TIMELINE, seen.append, batch=50)
    assert seen[0].done == 100
    assert await all_rows(database) == before


async def test_two_rebuilds_of_one_projection_are_refused(log, database):
    await fill(log, runs=3)
    await project(log, database)
    entered, leave = asyncio.Event(), asyncio.Event()

    class SlowLog:
        end = staticmethod(log.end)

        async def read(self, after, *, batch):
            entered.set()
            await leave.wait()
            async for events in log.read(after, batch=batch):
                yield events

    first = asyncio.create_task(rebuild(SlowLog(), database, TIMELINE, ignored))
    await entered.wait()
    with pytest.raises(RebuildInProgress, match="projection timeline is being rebuilt by somebody else"):
        await rebuild(log, database, TIMELINE, ignored)
    await rebuild(log, database, LEDGER, ignored)
    leave.set()
    await first
    await rebuild(log, database, TIMELINE, ignored)


async def test_a_poison_event_ends_the_rebuild_and_leaves_the_serving_rows(log, database):
    def burst(fact):
        raise RuntimeError("no")

    await tell(log, "r1", whole_run())
    before = await project(log, database)
    poisoned = replace(TIMELINE, version=2, appliers={**TIMELINE.appliers, "precedent.run.RunRouted.v1": burst})
    with pytest.raises(
        ProjectionStopped, match=r"projection timeline stopped at event 0\.0:3 evt\.0\.acme\.run\.r1\.3"
    ):
        await rebuild(log, database, poisoned, ignored)
    assert await all_rows(database) == before
    # A corrected version 3 does not go on with the rows of version 2.
    await rebuild(log, database, replace(TIMELINE, version=3), ignored)
    assert await all_rows(database) == before
    assert [state.version for state in (await build_states(database))["timeline"]] == [3]


async def test_a_new_version_is_built_beside_and_then_served_by_the_runner(log, database):
    await fill(log, runs=5)
    before = await project(log, database)
    shouting = replace(
        TIMELINE,
        version=TIMELINE.version + 1,
        appliers={
            kind: (lambda fact, applier=applier: applier(fact)._replace(title=applier(fact).title.upper()))
            for kind, applier in TIMELINE.appliers.items()
        },
    )
    async with running(log, database, (RUNS, LEDGER, shouting)):
        await tell(log, "late", [submitted()])
        await catch_up(log, database, ("runs", "ledger"))
        await catch_up(log, database, ("timeline",))
        await tell(log, "later", [submitted()])
        await catch_up(log, database, ("runs", "ledger", "timeline"))
    titles = [line[6] for line in await rows(database, TIMELINE)]
    assert len(titles) == len(before["timeline"]) + 2
    assert all(title == title.upper() for title in titles)


async def test_an_older_release_refuses_rows_of_a_newer_one(log, database):
    await builds.prepare(database, (replace(RUNS, version=RUNS.version + 1),))
    with pytest.raises(ProjectionIsNewer, match="projection runs was built by version 3, this release has 2"):
        await Runner(log, database, (RUNS,)).run()


async def test_a_long_query_delays_the_swap_and_nothing_else(log, database):
    await fill(log, runs=3)
    before = await project(log, database)
    async with database.transaction() as reader:
        await reader.execute(text("SELECT count(*) FROM timeline"))
        rebuilding = asyncio.create_task(rebuild(log, database, TIMELINE, ignored))
        async with asyncio.timeout(20):
            while (await build_states(database))["timeline"][-1].positions == START:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)
            assert await rows(database, TIMELINE) == before["timeline"]
        assert not rebuilding.done()
    await rebuilding
    assert await rows(database, TIMELINE) == before["timeline"]


async def test_rows_of_a_longer_log_are_refused_and_can_be_made_anew(log, database):
    await fill(log, runs=3)
    await project(log, database)
    shorter = MemoryEventStore(MemoryContentStore())
    await tell(shorter, "r1", whole_run())
    with pytest.raises(LogIsShorter, match=r"the log ends at 0\.0:25; restore the log, or .*`precedent rebuild runs`"):
        await Runner(shorter, database, ALL).run()
    for projection in ALL:
        await rebuild(shorter, database, projection, ignored)
    assert [row[1] for row in (await project(shorter, database))["runs"]] == ["r1"]
