"""A run that was accepted here is driven from what was written; where it has gone on meanwhile, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.memory.event_store import MemoryEventStore
from commands.ports import StreamSlice
from commands.runs.driver import Driver, Rest
from commands.runs.fresh import LARGEST, MOST, FreshRuns
from domain.kernel.events import Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.runs.state import Phase
from tests.commands.world import TENANT, World

PLAN = "(call :t.read {:n (call :t.put {:n (call :t.add {:n 1})})})"


class CountingStore(MemoryEventStore):
    """The store in memory; counts what is read of streams."""

    loads = 0

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        self.loads += 1
        return await super().load(stream, after)


def counting() -> tuple[World, CountingStore]:
    world = World()
    store = CountingStore(world.services.content)
    world.store = store
    world.services = replace(world.services, store=store)
    world.handler = replace(world.handler, services=world.services)
    return world, store


async def elsewhere(world: World, run: str) -> Rest:
    """Drive in another process, which has not accepted the run."""
    services = replace(world.services, fresh=FreshRuns())
    return await Driver(services, StreamId(TENANT, "run", run), "other/1").drive()


async def test_a_run_that_was_accepted_here_is_driven_without_reading_it() -> None:
    world, store = counting()
    await world.submit("r1", PLAN)
    assert await world.drive("r1") is Rest.ENDED
    assert store.loads == 0
    assert (await world.state("r1")).output == 4


async def test_a_run_that_was_accepted_elsewhere_is_read() -> None:
    world, store = counting()
    await world.submit("r1", PLAN)
    assert await elsewhere(world, "r1") is Rest.ENDED
    assert store.loads == 1


async def test_a_run_that_ended_elsewhere_meanwhile_is_not_driven_again() -> None:
    world, store = counting()
    await world.submit("r1", PLAN)
    assert await elsewhere(world, "r1") is Rest.ENDED
    done, version = dict(world.tools.done), len((await store.load(StreamId(TENANT, "run", "r1"))).events)
    assert await world.drive("r1") is Rest.ENDED
    assert world.tools.done == done
    assert len((await store.load(StreamId(TENANT, "run", "r1"))).events) == version


async def test_a_run_that_waits_elsewhere_meanwhile_goes_on_from_where_it_is() -> None:
    world, _ = counting()
    await world.submit("r1", PLAN, approvals=["t.put"])
    assert await elsewhere(world, "r1") is Rest.WAITING
    (effect,) = (await world.state("r1")).waiting
    await world.send("GrantApproval", {"run": "r1", "effect": effect}, "c2")
    assert await world.drive("r1", "other/2") is Rest.ENDED
    assert set(world.tools.done.values()) == {1}
    assert (await world.state("r1")).output == 4


@pytest.mark.parametrize(("command", "phase"), [("CancelRun", Phase.CANCELLED), ("PauseRun", Phase.SUBMITTED)])
async def test_a_run_that_was_stopped_meanwhile_does_nothing(command: str, phase: Phase) -> None:
    world, _ = counting()
    await world.submit("r1", PLAN)
    await world.send(command, {"run": "r1"}, "c2")
    assert await world.drive("r1") is not Rest.ELSEWHERE
    assert not world.tools.done
    assert (await world.state("r1")).phase is phase


def event(run: str, version: int = 1, size: int = 10, resolved: dict[str, str] | None = None) -> Recorded:
    stream = StreamId(TENANT, "run", run)
    return Recorded(Position(0, 0, 7), address(stream, 1, version, "RunSubmitted"), b"x" * size, resolved)


def test_each_is_given_once() -> None:
    fresh = FreshRuns()
    fresh.keep(event("r1"))
    slice_ = fresh.take(StreamId(TENANT, "run", "r1"))
    assert slice_ is not None
    assert (slice_.head.version, slice_.head.sequence) == (1, 7)
    assert fresh.take(StreamId(TENANT, "run", "r1")) is None
    assert fresh.take(StreamId("other", "run", "r1")) is None


@pytest.mark.parametrize("other", [event("r1", version=2), event("r1", size=LARGEST + 1), event("r1", resolved={})])
def test_others_than_small_first_events_are_not_kept(other: Recorded) -> None:
    fresh = FreshRuns()
    fresh.keep(other)
    assert fresh.take(other.stream) is None


def test_the_oldest_is_forgotten() -> None:
    fresh = FreshRuns()
    for number in range(MOST + 1):
        fresh.keep(event(f"r{number}"))
    assert fresh.take(StreamId(TENANT, "run", "r0")) is None
    assert fresh.take(StreamId(TENANT, "run", "r1")) is not None
    assert fresh.take(StreamId(TENANT, "run", f"r{MOST}")) is not None
