"""The runner against the real PostgreSQL: every event once, whatever happens to the runner, the database, the event."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import psycopg
import pytest

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from domain.kernel.ids import StreamId
from projections import builds
from projections.applying import ProjectionStopped
from projections.builds import AnotherRunnerIsAhead
from projections.ledger import LEDGER
from projections.runner import Runner
from projections.runs import RUNS
from projections.timeline import TIMELINE
from projections.waiting import ProjectionBehind, wait_for
from tests.projections.harness import ALL, all_rows, build_states, catch_up, fill, forget, project, rows, running, tell
from tests.projections.stories import claimed, completed, submitted, whole_run


async def test_a_run_becomes_a_row_its_decisions_and_its_timeline(log, database):
    await tell(log, "r1", whole_run(calls=3))
    found = await project(log, database)
    assert [len(found[name]) for name in ("runs", "ledger", "timeline")] == [1, 8, len(whole_run(calls=3))]


async def test_rows_do_not_depend_on_how_events_are_batched(log, database_url):
    await fill(log, runs=7)
    seen = []
    for batch in (1, 7, 2000):
        async with PostgresDatabase.at(database_url) as database:
            seen.append(await project(log, database, batch))
            await forget(database)
    assert seen[0] == seen[1] == seen[2]


async def test_shards_are_kept_apart(database):
    log = MemoryEventStore(MemoryContentStore(), shards=3)
    await fill(log, runs=9)
    found = await project(log, database)
    assert len(found["runs"]) == 9
    states = await build_states(database)
    assert states["runs"][0].positions == await log.end()
    assert len((await log.end()).reached) == 3


async def test_it_goes_on_as_events_arrive(log, database):
    async with running(log, database):
        for n in range(20):
            await tell(log, f"r{n}", whole_run(calls=1))
            await catch_up(log, database)
    assert len(await rows(database, RUNS)) == 20


async def test_a_restarted_runner_goes_on_where_the_last_one_was(log, database):
    await tell(log, "r1", [submitted(), claimed()])
    await project(log, database)
    await tell(log, "r1", [completed("0")])
    await tell(log, "r2", [submitted()])
    found = await project(log, database)
    assert [row[:2] for row in found["runs"]] == [("acme", "r1"), ("acme", "r2")]
    assert [line[2] for line in found["timeline"]] == [1, 2, 3, 1]


async def test_two_runners_at_once_double_nothing(log, database_url):
    await fill(log, runs=20)
    async with PostgresDatabase.at(database_url) as one, PostgresDatabase.at(database_url) as other:
        await builds.prepare(one, ALL)
        runners = [asyncio.create_task(Runner(log, d, ALL, batch=10).run()) for d in (one, other)]
        done, left = await asyncio.wait(runners, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(AnotherRunnerIsAhead, match="stop one of them"):
            await done.pop()
        await catch_up(log, one)
        for runner in left:
            runner.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        found = await all_rows(one)
        await forget(one)
        assert found == await project(log, one)


async def test_a_poison_event_stops_its_projection_at_its_address_and_the_others_go_on(log, database, caplog):
    def burst(fact):
        raise RuntimeError(f"cannot apply version {fact.version}")

    poisoned = replace(TIMELINE, appliers={**TIMELINE.appliers, "precedent.run.RunClaimed.v1": burst})
    await tell(log, "r1", [submitted(), completed("0"), claimed(), completed("1")])
    await tell(log, "r2", [submitted()])
    with caplog.at_level(logging.CRITICAL):
        async with running(log, database, (RUNS, LEDGER, poisoned)) as runner:
            await catch_up(log, database, ("runs", "ledger"))
            with pytest.raises(ProjectionBehind, match=r"it stopped at 0\.0:3 evt\.0\.acme\.run\.r1\.3\.RunClaimed"):
                await wait_for(database, await log.end(), ("timeline",), timeout=20)
            await tell(log, "r3", [submitted(), completed("0")])
            await catch_up(log, database, ("runs", "ledger"))
            assert set(runner.stopped) == {"timeline"}
    assert "projection timeline stopped at event 0.0:3 evt.0.acme.run.r1.3.RunClaimed" in caplog.text
    assert [row[1] for row in await rows(database, RUNS)] == ["r1", "r2", "r3"]
    assert [line[1:3] for line in await rows(database, TIMELINE)] == [("r1", 1), ("r1", 2)]

    # Corrected code goes on at exactly that event, and the others at theirs.
    await tell(log, "r3", [completed("1")])
    async with running(log, database), asyncio.timeout(20):
        while (await build_states(database))["timeline"][0].stopped_at is not None:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
        await catch_up(log, database)
    found = await all_rows(database)
    assert len(found["timeline"]) == 8
    await forget(database)
    assert found == await project(log, database)


async def test_an_event_that_no_projection_can_read_stops_them_all(database):
    log = MemoryEventStore(MemoryContentStore())
    await tell(log, "r1", [submitted(), claimed()])
    await _tamper(log, StreamId("acme", "run", "r1"), b"not json")
    with pytest.raises(ProjectionStopped, match=r"0\.0:2 evt\.0\.acme\.run\.r1\.2\.RunClaimed.*is no JSON"):
        async with asyncio.timeout(20):
            await Runner(log, database, ALL).run()
    assert [row[1] for row in await rows(database, RUNS)] == ["r1"]


async def _tamper(log, stream, body):
    loaded = await log.load(stream)
    event = loaded.events[-1]
    for shard in log._logs:
        shard[shard.index(event)] = replace(event, body=body)


async def test_a_value_that_the_database_refuses_stops_only_that_projection(log, database):
    too_large = replace(
        TIMELINE, appliers={"precedent.run.RunClaimed.v1": lambda fact: ("acme", "r", 2**70, *[None] * 9)}
    )
    await tell(log, "r1", [submitted(), claimed()])
    async with running(log, database, (RUNS, too_large)) as runner:
        await catch_up(log, database, ("runs",))
        with pytest.raises(ProjectionBehind, match=r"stopped at 0\.0:2 .*DatabaseRefused"):
            await wait_for(database, await log.end(), ("timeline",), timeout=20)
        assert set(runner.stopped) == {"timeline"}


async def test_unknown_event_types_and_other_categories_are_passed_over(log, database):
    await tell(log, "r1", [submitted(), ("RunTeleported", {"to": "the moon"}), completed("0")])
    await tell(log, "r1", [("RunSubmitted", {})], category="rehearsal")
    found = await project(log, database)
    assert [line[2] for line in found["timeline"]] == [1, 3]
    assert (await build_states(database))["runs"][0].positions == await log.end()


HOSTILE = (
    "nul \0 inside", "\0", "'; DROP TABLE runs_v1_1; --", "tab\tnewline\nreturn\r\\N \\. backslash\\", '{"a": [1}',
    "\u202eright to left", "\N{PILE OF POO}" * 50, "a" * 60_000, "\ufffe\uffff", "%s %(name)s :bind",
)  # fmt: skip


@pytest.mark.parametrize("text_", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_stops_nothing(log, database, text_):
    call = completed("0", result={text_: [text_]}, arguments={text_: text_})
    call[1].update(tool=text_, effect=text_)
    decided = next(happening for happening in whole_run() if happening[0] == "RunRouted")
    decided[1]["decision"].update(reason=text_, chosen=text_, options=[text_, text_])
    failed = ("RunFailed", {"error": {"type": text_, "message": text_}, "effect": text_, "advice": text_})
    await tell(log, "r1", [submitted(goal=text_), claimed(), decided, call, failed])
    found = await project(log, database)
    shown = text_.replace("\0", "␀")
    assert found["runs"][0][2][:100] == " ".join(shown.split())[:100]
    assert found["ledger"][0][9] == [shown[:299] + "…" if len(shown) > 300 else shown] * 2
    assert len(found["timeline"]) == 5


async def test_huge_values_stop_nothing_and_rows_stay_small(log, database):
    huge = {"blob": "x" * 3_000_000, "nul": "\0" * 10}
    await tell(log, "r1", [submitted(goal="g" * 90_000), completed("0", result=huge, arguments=huge)])
    await tell(log, "r1", [("RunCompleted", {"output": [huge], "output_digest": "sha256:00"})])
    found = await project(log, database)
    assert max(len(cell) for line in found["timeline"] for cell in line if isinstance(cell, str)) <= 300
    assert len(found["runs"][0][2]) == 300


async def test_absurd_numbers_stop_nothing(log, database):
    answer = next(happening for happening in whole_run() if happening[0] == "ModelCallAnswered")
    answer[1].update(prompt_tokens=2**64 - 1, completion_tokens=-1e300, usd=1.7e308, duration=-0.0)
    await tell(log, "r1", [submitted(), answer, answer])
    found = await project(log, database)
    assert len(found["timeline"]) == 3


@pytest.mark.chaos
async def test_lost_connections_lose_and_double_nothing(log, database_url, stack):
    await fill(log, runs=40)
    name = database_url.partition("/projections_")[2].partition("?")[0]
    kills = 0
    async with (
        PostgresDatabase.at(database_url) as database,
        await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as operator,
    ):
        async with running(log, database, batch=10):
            end = await log.end()
            while kills < 8:
                cursor = await operator.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = %s AND state IN ('active', 'idle in transaction')",
                    [f"projections_{name}"],
                )
                kills += (await cursor.fetchone())[0]
            await catch_up(log, database)
        found = await all_rows(database)
        assert (await build_states(database))["runs"][0].positions == end
        await forget(database)
        assert found == await project(log, database)


async def test_it_waits_for_a_database_that_is_not_there_yet(log, database, database_url, caplog):
    await tell(log, "r1", [submitted()])
    gate = _Gated(database)
    task = asyncio.create_task(Runner(log, gate, ALL).run())
    async with asyncio.timeout(20):
        await gate.refused_thrice.wait()
    gate.open = True
    await builds.prepare(database, ALL)
    await catch_up(log, database)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "projections wait 0.05 s" in caplog.text
    assert "projections wait 0.20 s" in caplog.text


class _Gated:
    """The real database behind a door that is closed at first: a server elsewhere answers nobody."""

    def __init__(self, database):
        self._database = database
        self._elsewhere = PostgresDatabase.at("postgresql://nobody@/none?host=/nonexistent")
        self.open = False
        self.refused_thrice = asyncio.Event()
        self._refused = 0

    def transaction(self):
        if self.open:
            return self._database.transaction()
        self._refused += 1
        if self._refused == 3:
            self.refused_thrice.set()
        return self._elsewhere.transaction()

    async def append(self, *arguments):
        await self._database.append(*arguments)
