"""Several processes find of every run what one finds, in the same order; one that is lost is no run that is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from itertools import count
from typing import Any, cast

import pytest

from commands.ports import EventStore
from commands.replays.scanning import Replayed, Wanted, scan, verified
from commands.replays.spreading import ProcessLost, Spread, scan_spread
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.execution import NONE, Agents
from domain.runs.journal import ReplayDiverged
from infra.bootstrap.processes import Processes, processes
from tests.commands.test_scanning import run, runs_of_every_outcome
from tests.commands.world import TENANT, World
from tests.simulation.virtual_loop import simulate

WANTED = Wanted(tenant=TENANT)


def no_agents() -> Agents:
    return NONE


@pytest.fixture(scope="module")
def several() -> Iterator[Processes]:
    with processes(2, now=False) as started:
        yield started


def spread(several: Processes, chunk: int) -> Spread:
    return Spread(several.executor, 4, no_agents, several.fate, chunk)


class Log:
    """What a broker gives of these events."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.events = events

    async def read(self, *_: object, **__: object) -> AsyncIterator[Sequence[Recorded]]:
        for at in range(0, len(self.events), 7):
            yield self.events[at : at + 7]


class EndlessLog(Log):
    """The same run under ever other names."""

    async def read(self, *_: object, **__: object) -> AsyncIterator[Sequence[Recorded]]:
        for number in count():
            yield [replace(each, address=each.address.replace(".good.", f".n{number}.")) for each in self.events]


def made() -> list[Recorded]:
    """Runs of every outcome, as the log holds them."""
    found: list[Recorded] = []

    async def story() -> None:
        world = World()
        await runs_of_every_outcome(world)
        await run(world, "checked", "[1 2 3]", checks=["(= (count output) 3)"])
        for name in ("good", "failing", "waiting", "rejected", "forged", "forged-with-care", "cut", "checked"):
            found.extend((await world.store.load(StreamId(TENANT, "run", name))).events)

    simulate(story())
    strayed = replace(found[3], address=found[3].address.replace(".good.", ".stray."))
    unreadable = replace(found[0], address=found[0].address.replace(".good.", ".unreadable."), body=b"{")
    return [strayed, unreadable, *found]


@pytest.fixture(scope="module")
def events() -> list[Recorded]:
    return made()


def seen(each: Replayed) -> dict[str, Any]:
    error = each.error
    document = {"run": each.run, "outcome": each.outcome, "status": each.status, "effects": each.effects}
    document |= {"events": each.events, "error": None if error is None else (error.code, str(error))}
    if isinstance(error, ReplayDiverged):
        document |= {"effect": error.effect, "position": error.position, "differences": error.differences}
    return document


async def all_of(log: Log, wanted: Wanted, how: Spread | None) -> list[dict[str, Any]]:
    store = cast("EventStore", log)
    scanning = scan(store, wanted, verified) if how is None else scan_spread(store, wanted, how)
    async with aclosing(scanning) as found:
        return [seen(each) async for each in found]


@pytest.mark.parametrize("chunk", [1, 20_000, 10**9])
@pytest.mark.parametrize(
    "statuses",
    [None, frozenset({"completed"}), frozenset({"waiting", "failed"})],
    ids=["of any status", "completed", "waiting or failed"],
)
def test_several_processes_find_what_one_finds(
    several: Processes, events: list[Recorded], chunk: int, statuses: frozenset[str] | None
) -> None:
    wanted = replace(WANTED, statuses=statuses)
    alone = asyncio.run(all_of(Log(events), wanted, None))
    assert asyncio.run(all_of(Log(events), wanted, spread(several, chunk))) == alone
    assert len(alone) >= 3
    if statuses is None:
        assert {each["outcome"] for each in alone} == {"identical", "diverged", "open", "nothing", "refused"}
        assert sum(each["outcome"] == "diverged" for each in alone) == 2


def test_progress_tells_what_has_been_replayed(several: Processes, events: list[Recorded]) -> None:
    async def follow() -> list[tuple[int, int]]:
        told: list[tuple[int, int]] = []
        done = 0
        scanning = scan_spread(
            cast("EventStore", Log(events)),
            WANTED,
            spread(several, 1),
            lambda position: told.append((position.sequence, done)),
        )
        async with aclosing(scanning) as found:
            async for _ in found:
                done += 1
        return told

    told = asyncio.run(follow())
    assert told == sorted(told), "it goes forward"
    assert told[-1][0] == events[-1].position.sequence, "and to the end"


def test_an_empty_log_has_no_runs(several: Processes) -> None:
    assert asyncio.run(all_of(Log([]), WANTED, spread(several, 1))) == []


def test_a_killed_process_is_named_and_ends_the_replay(events: list[Recorded]) -> None:
    good = [each for each in events if ".good." in each.address]
    runs: list[str] = []
    killed: list[int] = []

    async def replay(started: Processes) -> None:
        async with aclosing(scan_spread(cast("EventStore", EndlessLog(good)), WANTED, spread(started, 1))) as found:
            async for each in found:
                runs.append(each.run)
                if len(runs) == 20:
                    killed.append(started.ids()[0])
                    os.kill(killed[0], signal.SIGKILL)

    with processes(2, now=False) as started, pytest.raises(ProcessLost) as lost:
        asyncio.run(replay(started))
    assert f"process {killed[0]} was ended by SIGKILL" in str(lost.value)
    assert runs == [f"n{number}" for number in range(len(runs))]
    assert f"run n{len(runs)} and those behind it" in str(lost.value), "all runs before it were told"


def test_a_pool_found_broken_is_told_with_the_first_run_under_way(events: list[Recorded]) -> None:
    good = [each for each in events if ".good." in each.address]
    runs: list[str] = []

    class Breaking(EndlessLog):
        """Ends a process while the first runs are under way, and goes on when the pool takes no more work."""

        async def read(self, *_: object, **__: object) -> AsyncIterator[Sequence[Recorded]]:
            number = 0
            async for each in super().read():
                yield each
                number += 1
                if number == 3:
                    os.kill(started.ids()[0], signal.SIGKILL)
                    with suppress(BrokenExecutor):
                        while True:
                            started.executor.submit(len, "lost").exception(timeout=60)

    async def replay() -> None:
        async with aclosing(scan_spread(cast("EventStore", Breaking(good)), WANTED, spread(started, 1))) as found:
            async for each in found:
                runs.append(each.run)  # noqa: PERF401  # those told before the error count

    with processes(2, now=False) as started, pytest.raises(ProcessLost) as lost:
        asyncio.run(replay())
    assert len(runs) < 3, "some are under way"
    assert f"run n{len(runs)} and those behind it" in str(lost.value)


def test_who_stops_listening_leaves_no_work_behind(events: list[Recorded]) -> None:
    good = [each for each in events if ".good." in each.address]

    async def interrupted(started: Processes) -> None:
        async with aclosing(scan_spread(cast("EventStore", EndlessLog(good)), WANTED, spread(started, 1))) as found:
            async for _ in found:
                raise asyncio.CancelledError

    with processes(2, now=False) as started:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(interrupted(started))
        assert started.executor.submit(len, "done").result(timeout=60) == 4
