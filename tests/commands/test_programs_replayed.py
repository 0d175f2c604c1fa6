"""Runs that were answered by programs, in every way that this can end: verified, executed again, viewed and forked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from commands.replays.executing import re_execute
from commands.runs.log import CATALOG
from domain.kernel.ids import StreamId
from domain.programs.events import ProgramPublished
from domain.programs.policy import Policy
from domain.runs.comparison import compare
from domain.runs.inheritance import history_digest
from domain.runs.parts import RunEvent
from domain.runs.replay import fold, verify
from domain.runs.state import Phase
from tests.commands.reusing import PLAN, TASK, ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

TWICE = "(let [a (call :t.read {:n (:n inputs)})] [a a])"
STOPS = "(let [a (call :t.read {:n (:n inputs)})] [(quot 100 (- a 3))])"
WRITES = "(let [a (call :t.add {:n (:n inputs)}) b (call :t.read {:n a})] [a b])"
READS = "(let [a (call :t.read {:n (:n inputs)}) b (call :t.read {:n a})] [a b])"

Way = Callable[[ReusingWorld], Awaitable[list[str]]]


async def succeeds(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    return await world.solve("second", None, inputs={"n": 3})


async def refuted(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    return await world.solve("second", TWICE, checks=["(= (first output) (second output))"])


async def refuted_after_a_change(world: ReusingWorld) -> list[str]:
    await world.solve("first", WRITES)
    return await world.solve("second", None, checks=["(= (first output) (second output))"])


async def stops(world: ReusingWorld) -> list[str]:
    await world.solve("first", STOPS)
    return await world.solve("second", PLAN, inputs={"n": 2})


async def revoked(world: ReusingWorld) -> list[str]:
    return await _revoked(world, READS)


async def revoked_after_a_change(world: ReusingWorld) -> list[str]:
    return await _revoked(world, WRITES)


async def _revoked(world: ReusingWorld, plan: str) -> list[str]:
    await world.solve("first", plan)
    (published,) = await world.program_events()
    assert isinstance(published, ProgramPublished)

    async def revoke(_: Any) -> None:
        world.tools.during = None
        await world.send("RevokeProgram", {"module": published.offer.module, "reason": "it leaks"}, "c1")
        await world.feed.catch_up()

    world.tools.during = revoke
    return await world.solve("second", PLAN)


async def refuted_then_unplannable(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    return await world.solve("second", "(nonsense", checks=["(= (first output) (second output))"])


async def refuted_then_over_its_limits(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    same = ["(= (first output) (second output))"]
    return await world.solve("second", TWICE, checks=same, limits={"tool_calls": 1})


async def shadowed(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    world.use(Policy(shadow=1.0))
    return await world.solve("second", TWICE)


async def cancelled(world: ReusingWorld) -> list[str]:
    await world.solve("first")
    await world.solve("second", None, approvals=["t.read"])
    await world.send("CancelRun", {"run": "second"}, "c1")
    return await world.kinds("second")


WAYS: dict[Way, tuple[Phase, list[str]]] = {
    succeeds: (Phase.COMPLETED, ["succeeded"]),
    refuted: (Phase.COMPLETED, ["refuted"]),
    refuted_after_a_change: (Phase.FAILED, ["refuted"]),
    stops: (Phase.COMPLETED, ["failed"]),
    revoked: (Phase.COMPLETED, ["revoked"]),
    revoked_after_a_change: (Phase.FAILED, ["revoked"]),
    refuted_then_unplannable: (Phase.FAILED, ["refuted"]),
    refuted_then_over_its_limits: (Phase.FAILED, ["refuted"]),
    shadowed: (Phase.COMPLETED, []),
    cancelled: (Phase.CANCELLED, []),
}


async def ended(way: Way) -> tuple[ReusingWorld, list[RunEvent]]:
    world = ReusingWorld()
    world.use(Policy(effects="write"))
    kinds = await way(world)
    phase, outcomes = WAYS[way]
    assert (await world.state("second")).phase is phase, kinds
    stored = (await world.store.load(StreamId(TENANT, "run", "second"))).events
    assert [event.data["outcome"] for event in stored if event.short_name == "ReuseSettled"] == outcomes
    return world, [event for each in stored if isinstance(event := CATALOG.decode_known(each), RunEvent)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_is_verified_at_every_event_and_executed_again(way: Way) -> None:
    async def story() -> None:
        world, events = await ended(way)
        whole = verify(events)
        assert whole.replayable
        for place in range(1, len(events) + 1):
            verify(events[:place])
            fold(events[:place])
        done = world.tools.done.total()
        again = await re_execute(world.tools, StreamId(TENANT, "run", "second"), events)
        assert again.others == ()
        assert world.tools.done.total() - done == again.executed
        assert compare(fold(events), fold(events)).changes == ()

    simulate(story())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_replay_asks_no_cache(way: Way) -> None:
    async def story() -> None:
        world, events = await ended(way)
        await world.reuse.vectors.clear()
        world.services.content._blobs.clear()  # type: ignore[attr-defined]
        world.services = None  # type: ignore[assignment]
        verify(events)

    simulate(story())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_is_forked_at_every_event(way: Way) -> None:
    async def story() -> None:
        world, events = await ended(way)
        stored = (await world.store.load(StreamId(TENANT, "run", "second"))).events
        task = (await world.state("second")).accepted_task
        file = TASK | {"inputs": task.inputs_by_name, "checks": list(task.checks), "goal": task.goal}
        for at in range(1, len(events) + 1):
            world.models.answers[:] = [TWICE] * 5
            point = {"run": "second", "at": at, "digest": history_digest(event.body for event in stored[:at])}
            answer = await world.send("SubmitRun", {"task": file, "fork": point}, f"fork-{at}")
            assert answer.outcome == "accepted", answer
            await world.drive(f"fork-{at}")
            await world.feed.catch_up()
            assert (await world.state(f"fork-{at}")).ended
            await world.verify(f"fork-{at}")

    simulate(story())
