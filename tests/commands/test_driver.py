"""Driving a run: what is on record is never done again, what may be in doubt is asked, limits hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from commands.ports import Wake
from commands.runs.calling import LEASE
from commands.runs.driver import Driver, Rest
from commands.runs.pool import DriverPool
from domain.kernel.ids import StreamId
from tests.commands.world import TENANT, World, forever
from tests.simulation.virtual_loop import simulate

RUN = StreamId(TENANT, "run", "r1")
SIDE_BY_SIDE = "(reduce + 0 (step-parallel {calls}))"

Story = Callable[[World], Coroutine[Any, Any, None]]


def told(story: Story) -> Callable[[], None]:
    """A test in virtual time, where waiting costs nothing."""

    def test() -> None:
        async def tell() -> None:
            await story(World())

        simulate(tell())

    test.__name__ = story.__name__
    return test


@told
async def test_a_plan_is_run_to_its_end(world: World) -> None:
    await world.submit("r1", "(let [a (call :t.read {:n 1}) b (call :t.add {:n a})] (+ a b))", output=":int")
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).output == 5
    assert await world.kinds("r1") == [
        "RunSubmitted",
        "RunClaimed",
        "RunRouted",
        "PlanDrafted",
        "ProgramCompiled",
        "ToolCallCompleted",
        "ToolCallRequested",
        "ToolCallCompleted",
        "VerdictReached",
        "RunCompleted",
    ]
    assert (await world.verify("r1")).effects == 2


@told
async def test_driving_an_ended_run_does_nothing(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})")
    await world.drive("r1")
    before = await world.kinds("r1")
    for author in ("worker/1", "worker/2", "other/1"):
        assert await world.drive("r1", author) is Rest.ENDED
    assert await world.kinds("r1") == before
    assert world.tools.done == {"0": 1}


@told
async def test_a_run_that_does_not_exist_is_nothing_to_drive(world: World) -> None:
    assert await world.drive("nobody") is Rest.ENDED
    assert await world.kinds("nobody") == []


@told
async def test_calls_side_by_side_keep_the_limit(world: World) -> None:
    for tool, run in (("t.read", "r1"), ("t.add", "r2")):
        calls = " ".join(f"(call :{tool} {{:n {n}}})" for n in range(5))
        await world.submit(run, SIDE_BY_SIDE.format(calls=calls), limits={"tool_calls": 3})
        await world.drive(run)
        state = await world.state(run)
        assert state.error is not None
        assert (state.error.error.type, state.error.effect) == ("guard.denied", "0/3/0")
        assert (state.spent.tool_calls, sum(world.tools.done.values())) == (3, 3)
        world.tools.done.clear()
        await world.verify(run)


@told
async def test_another_worker_leaves_a_claimed_run_alone_until_the_claim_ends(world: World) -> None:
    async def stand_still(_: Any) -> None:
        await forever()

    await world.submit("r1", "(call :t.put {:n 1})")
    world.tools.during = stand_still
    first = asyncio.ensure_future(world.drive("r1", "left/1"))
    await asyncio.sleep(1)
    assert await world.drive("r1", "right/1") is Rest.ELSEWHERE
    await asyncio.sleep(100)
    assert await world.drive("r1", "right/1") is Rest.ELSEWHERE, "it is renewed while work goes on"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    world.tools.during = None
    await asyncio.sleep(LEASE.total_seconds())
    assert await world.drive("r1", "right/1") is Rest.ENDED
    assert world.tools.done == {"0": 2}, "what may be repeated was repeated"


@told
async def test_a_later_life_of_the_same_worker_takes_over_at_once(world: World) -> None:
    async def stand_still(_: Any) -> None:
        await forever()

    await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.during = stand_still
    first = asyncio.ensure_future(world.drive("r1", "left/1"))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await world.drive("r1", "left/2") is Rest.WAITING
    assert (await world.state("r1")).waiting == {"0"}, "nobody knows whether it happened"
    assert (await world.kinds("r1"))[-2:] == ["ToolCallOutcomeUnknown", "RunClaimed"]
    assert world.tools.done == {"0": 1}


class Stalling:
    """The log of a process that stands still, once, right after a request was acknowledged."""

    def __init__(self, world: World, seconds: float) -> None:
        self._store = world.store
        self._seconds = seconds
        self.stalled = False

    async def append(self, stream: StreamId, drafts: Any, expected: Any) -> Any:
        stored = await self._store.append(stream, drafts, expected)
        if not self.stalled and any(draft.short_name == "ToolCallRequested" for draft in drafts):
            self.stalled = True
            await asyncio.sleep(self._seconds)
        return stored

    async def load(self, stream: StreamId, after: int = 0) -> Any:
        return await self._store.load(stream, after)


def stalling(world: World, seconds: float) -> Driver:
    services = replace(world.services, store=Stalling(world, seconds))  # type: ignore[arg-type]
    return Driver(services, RUN, "left/1")


@told
async def test_who_stood_still_beyond_the_claim_does_nothing_when_another_took_over(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})")
    first = asyncio.ensure_future(stalling(world, 100).drive())
    await asyncio.sleep(LEASE.total_seconds() + 1)
    assert await world.drive("r1", "right/1") is Rest.WAITING
    await world.send("ResolveOutcome", {"run": "r1", "effect": "0", "outcome": "repeat"}, "c1")
    assert await world.drive("r1", "right/1") is Rest.ENDED
    assert await first is Rest.ENDED
    assert world.tools.done == {"0": 1}


@told
async def test_who_stood_still_goes_on_when_nobody_took_over(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})")
    assert await stalling(world, 100).drive() is Rest.ENDED
    assert (await world.state("r1")).phase == "completed"
    assert world.tools.done == {"0": 1}
    assert (await world.kinds("r1")).count("RunClaimed") == 2


@told
async def test_a_cancelled_run_stops_what_it_does(world: World) -> None:
    stopped = []

    async def stand_still(call: Any) -> None:
        try:
            await forever()
        finally:
            stopped.append(call.effect)

    await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.during = stand_still
    driver = Driver(world.services, RUN, "left/1")
    driving = asyncio.ensure_future(driver.drive())
    await asyncio.sleep(1)
    await world.send("CancelRun", {"run": "r1"}, "c1")
    driver.poke()
    assert await driving is Rest.ENDED
    assert (stopped, (await world.kinds("r1"))[-1]) == (["0"], "RunCancelled")


@told
async def test_what_happened_while_a_run_was_paused_is_recorded(world: World) -> None:
    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(5)

    await world.submit("r1", "(+ (call :t.add {:n 1}) (call :t.add {:n 2}))")
    world.tools.during = take_a_while
    driving = asyncio.ensure_future(world.drive("r1"))
    await asyncio.sleep(1)
    await world.send("PauseRun", {"run": "r1"}, "c1")
    assert await driving is Rest.WAITING
    assert (await world.kinds("r1"))[-3:] == ["RunPaused", "ToolCallCompleted", "RunClaimed"]
    await world.send("ResumeRun", {"run": "r1"}, "c2")
    assert await world.drive("r1") is Rest.ENDED
    assert world.tools.done == {"0": 1, "1": 1}


@told
async def test_active_time_ends_a_call(world: World) -> None:
    async def stand_still(_: Any) -> None:
        await forever()

    world.tools.during = stand_still
    await world.submit("r1", "(call :t.put {:n 1})", limits={"seconds": 12})
    assert await world.drive("r1") is Rest.ENDED
    error = (await world.state("r1")).error
    assert error is not None
    assert error.error.type == "limits.seconds"
    assert world.clock.monotonic() == pytest.approx(12, abs=1)


@told
async def test_a_worker_without_the_tools_leaves_the_run_to_others(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})")
    known = world.tools.declarations
    world.tools.declarations = dict  # type: ignore[method-assign, assignment]
    assert await world.drive("r1") is Rest.INCOMPATIBLE
    assert await world.kinds("r1") == ["RunSubmitted"]
    world.tools.declarations = known  # type: ignore[method-assign]
    assert await world.drive("r1") is Rest.ENDED


@told
async def test_a_model_plans_and_learns_from_the_compiler(world: World) -> None:
    world.models.answers = ["no plan at all", "```rtfs\n(+ 1\n```", "```rtfs\n(call :t.read {:n 6})\n```"]
    await world.submit("r1", None, output=":int")
    assert await world.drive("r1") is Rest.ENDED
    state = await world.state("r1")
    assert (state.output, len(state.drafts), state.spent.tokens) == (7, 3, 45)
    assert [len(request.messages) for request in world.models.asked] == [2, 4, 6]
    assert (await world.kinds("r1")).count("PlanRejected") == 2
    await world.verify("r1")


@told
async def test_a_models_budget_ends_the_run(world: World) -> None:
    world.models.answers = ["```rtfs\n(+ 1\n```"] * 9
    await world.submit("r1", None, model={"max_attempts": 9}, limits={"usd": 0.5})
    await world.drive("r1")
    error = (await world.state("r1")).error
    assert error is not None
    assert (error.error.type, len(world.models.asked)) == ("limits.usd", 2)


@told
async def test_a_model_that_does_not_answer_fails_the_run_with_the_way_out(world: World) -> None:
    await world.submit("r1", None)
    assert await world.drive("r1") is Rest.ENDED
    error = (await world.state("r1")).error
    assert error is not None
    assert (error.error.type, error.effect) == ("model.unavailable", "plan/1")
    assert "precedent.yaml" in error.advice


@told
async def test_a_fault_of_ours_fails_its_run_and_no_other(world: World) -> None:
    async def broken(call: Any) -> None:
        if call.run == "r1":
            raise ZeroDivisionError("a bug")

    world.tools.during = broken
    for run in ("r1", "r2"):
        await world.submit(run, "(call :t.read {:n 1})")
    working = asyncio.ensure_future(DriverPool(world.services, "worker/1", 4).work())
    async with asyncio.timeout(60):
        while not ((await world.state("r1")).ended and (await world.state("r2")).ended):  # noqa: ASYNC110  # virtual
            await asyncio.sleep(0.5)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    error = (await world.state("r1")).error
    assert error is not None
    assert (error.error.type, "ZeroDivisionError: a bug" in error.error.message) == ("driver.failed", True)
    assert (await world.state("r2")).output == 2
    await world.verify("r1")


@told
async def test_the_sweeper_finds_a_run_whose_wake_was_lost(world: World) -> None:
    await world.submit("r1", "(call :t.read {:n 1})")
    (held,) = await world.services.wakes.receive(5, 1.0)
    await held.settle()
    await DriverPool(world.services, "worker/1", 4).sweep()
    (held,) = await world.services.wakes.receive(5, 1.0)
    assert held.wake == Wake(RUN, "swept")
