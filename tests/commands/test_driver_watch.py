"""A driver that is busy for long keeps its run, sees what others decide meanwhile, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from commands.ports import ModelAnswer, ModelRequest, Wake
from commands.replays import recorded_events
from commands.runs.calling import SKEW
from commands.runs.driver import Driver, Rest
from commands.runs.pool import DriverPool
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import StreamId
from domain.kernel.values import parse_time
from domain.models import ModelOffer
from domain.runs.events import ModelCallAnswered, RunClaimed
from tests.commands.test_driver import RUN, told
from tests.commands.world import DECLARATIONS, TENANT, World, forever

PLAN = "```rtfs\n(call :t.read {:n 6})\n```"


class SlowModels:
    """The ``ModelClient`` port with a model that takes its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.asked = 0

    def names(self) -> tuple[str, ...]:
        return ("default",)

    def offers(self) -> dict[str, ModelOffer]:
        return {name: ModelOffer() for name in self.names()}

    def identity(self, name: str) -> str:
        return f"{name}:m"

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        del request
        self.asked += 1
        await asyncio.sleep(self._seconds)
        return ModelAnswer(text=PLAN, served_model="m", prompt_tokens=1, completion_tokens=1, usd=0.0)


def planned_by(world: World, models: SlowModels) -> World:
    world.services = replace(world.services, models=models)
    return world


async def wait_for_end(world: World, *workers: str) -> None:
    pools = [DriverPool(world.services, worker, 4) for worker in workers]
    working = [asyncio.ensure_future(pool.work()) for pool in pools]
    try:
        async with asyncio.timeout(1_000):
            while not (await world.state("r1")).ended:  # noqa: ASYNC110  # virtual time
                await asyncio.sleep(0.5)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


@told
async def test_a_pause_seen_while_a_call_is_under_way_holds_after_it(world: World) -> None:
    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(5)

    await world.submit("r1", "(+ (call :t.add {:n 1}) (call :t.add {:n 2}))")
    world.tools.during = take_a_while
    driver = Driver(world.services, RUN, "worker/1")
    driving = asyncio.ensure_future(driver.drive())
    await asyncio.sleep(1)
    await world.send("PauseRun", {"run": "r1"}, "c1")
    driver.poke()
    assert await driving is Rest.WAITING
    assert (await world.kinds("r1"))[-3:] == ["RunPaused", "ToolCallCompleted", "RunClaimed"]
    await world.send("ResumeRun", {"run": "r1"}, "c2")
    assert await world.drive("r1") is Rest.ENDED
    assert world.tools.done == {"0": 1, "1": 1}
    await world.verify("r1")


@told
async def test_a_run_paused_when_its_time_is_just_over_stays_paused(world: World) -> None:
    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(5)

    await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.during = take_a_while
    driver = Driver(world.services, RUN, "worker/1")
    driving = asyncio.ensure_future(driver.drive())
    await asyncio.sleep(1)
    world.clock.jump(400)
    await world.send("PauseRun", {"run": "r1"}, "c1")
    driver.poke()
    assert await driving is Rest.WAITING
    assert (await world.kinds("r1"))[-2:] == ["ToolCallCompleted", "RunClaimed"]
    assert not (await world.state("r1")).ended


@told
async def test_a_run_paused_during_its_last_call_does_not_end(world: World) -> None:
    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(25)

    await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.during = take_a_while
    driving = asyncio.ensure_future(world.drive("r1"))
    await asyncio.sleep(1)
    await world.send("PauseRun", {"run": "r1"}, "c1")
    assert await driving is Rest.WAITING
    state = await world.state("r1")
    assert (state.paused, state.ended) == (True, False)


@told
async def test_an_approval_granted_while_another_lane_works_is_acted_on(world: World) -> None:
    async def take_a_while(call: Any) -> None:
        if call.effect == "0/1/0":
            await asyncio.sleep(25)

    plan = "(reduce + 0 (step-parallel (call :t.add {:n 1}) (call :t.put {:n 2})))"
    await world.submit("r1", plan, approvals=["t.add"])
    world.tools.during = take_a_while
    driving = asyncio.ensure_future(world.drive("r1"))
    await asyncio.sleep(1)
    await world.send("GrantApproval", {"run": "r1", "effect": "0/0/0"}, "c1")
    assert await driving is Rest.ENDED
    assert (await world.state("r1")).output == 5


@told
async def test_a_slow_model_is_asked_once_however_many_workers_sweep(world: World) -> None:
    models = SlowModels(100)
    planned_by(world, models)
    await world.submit("r1", None, output=":int")
    await wait_for_end(world, "left/1", "right/1")
    assert (await world.state("r1")).output == 7
    assert models.asked == 1


@told
async def test_a_cancelled_run_does_not_wait_for_its_model(world: World) -> None:
    planned_by(world, SlowModels(200))
    await world.submit("r1", None, output=":int")
    driver = Driver(world.services, RUN, "worker/1")
    driving = asyncio.ensure_future(driver.drive())
    await asyncio.sleep(1)
    await world.send("CancelRun", {"run": "r1"}, "c1")
    driver.poke()
    assert await driving is Rest.ENDED
    assert world.clock.monotonic() < 10


@told
async def test_active_time_ends_a_call_of_a_model(world: World) -> None:
    planned_by(world, SlowModels(200))
    await world.submit("r1", None, output=":int", limits={"seconds": 12})
    assert await world.drive("r1") is Rest.ENDED
    error = (await world.state("r1")).error
    assert error is not None
    assert error.error.type == "limits.seconds"
    assert world.clock.monotonic() < 14


@told
async def test_the_record_has_the_request_that_was_answered(world: World) -> None:
    """A later release, whose tools are described otherwise, repeats the call of a worker that vanished."""
    asked: list[ModelRequest] = []

    class Asked(SlowModels):
        async def ask(self, request: ModelRequest) -> ModelAnswer:
            asked.append(request)
            return await super().ask(request)

    planned_by(world, Asked(5))
    await world.submit("r1", None, output=":int")
    first = asyncio.ensure_future(world.drive("r1", "worker/1"))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    read = DECLARATIONS["t.read"]
    described = replace(read, capability=replace(read.capability, doc="Reads the number after it"))
    world.tools.declarations = lambda: {**DECLARATIONS, "t.read": described}  # type: ignore[method-assign]
    assert await world.drive("r1", "worker/2") is Rest.ENDED
    events = (await world.store.load(RUN)).events
    *_, request = (event.data["request"] for event in events if event.short_name == "ModelCallRequested")
    assert len(asked) == 2
    assert request["messages"] == list(asked[-1].messages)


@told
async def test_a_call_of_a_model_that_was_lost_is_charged_as_its_repetition(world: World) -> None:
    class Priced(SlowModels):
        async def ask(self, request: ModelRequest) -> ModelAnswer:
            answer = await super().ask(request)
            return replace(answer, prompt_tokens=100, completion_tokens=20, usd=0.25)

    planned_by(world, Priced(5))
    await world.submit("r1", None, output=":int")
    for life in (1, 2):
        lost = asyncio.ensure_future(world.drive("r1", f"worker/{life}"))
        await asyncio.sleep(1)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
    assert await world.drive("r1", "worker/3") is Rest.ENDED
    assert (await world.kinds("r1")).count("ModelCallRequested") == 3
    answered = next(e for e in await recorded_events(world.store, RUN) if isinstance(e, ModelCallAnswered))
    assert answered.lost == 2
    spent = (await world.state("r1")).spent
    assert (spent.tokens, spent.usd) == (360, 0.75)
    await world.verify("r1")


@told
async def test_a_call_that_was_not_lost_is_written_as_before(world: World) -> None:
    planned_by(world, SlowModels(1))
    await world.submit("r1", None, output=":int")
    await world.drive("r1")
    answered = next(e for e in await recorded_events(world.store, RUN) if isinstance(e, ModelCallAnswered))
    assert "lost" not in answered.as_json()


@told
async def test_the_renewal_of_a_claim_survives_what_others_append(world: World) -> None:
    """A person speaks just when the claim is renewed: the claim must not run out for that."""

    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(60)

    class Contended:
        """The log of a run to which someone else appends at the very moment of each renewal."""

        turn = 0

        async def append(self, stream: StreamId, drafts: Any, expected: Any) -> Any:
            if all(draft.short_name == "RunClaimed" for draft in drafts):
                self.turn += 1
                if self.turn % 2:
                    kind = "PauseRun" if self.turn % 4 == 1 else "ResumeRun"
                    await world.send(kind, {"run": "r1"}, f"c{self.turn}")
            return await world.store.append(stream, drafts, expected)

        async def load(self, stream: StreamId, after: int = 0) -> Any:
            return await world.store.load(stream, after)

    await world.submit("r1", "(call :t.put {:n 1})")
    world.tools.during = take_a_while
    services = replace(world.services, store=Contended())  # type: ignore[arg-type]
    driving = asyncio.ensure_future(Driver(services, RUN, "left/1").drive())
    for _ in range(55):
        await asyncio.sleep(1)
        claim = (await world.state("r1")).claim
        assert claim is not None
        assert (parse_time(claim.deadline) - world.clock.now()).total_seconds() > 5
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)


@told
async def test_a_claim_outlasts_the_first_look_up_from_each_call(world: World) -> None:
    async def take_a_while(call: Any) -> None:
        await asyncio.sleep(19 if call.effect == "0" else 60)

    await world.submit("r1", "(+ (call :t.add {:n 1}) (call :t.add {:n 2}))")
    world.tools.during = take_a_while
    driving = asyncio.ensure_future(world.drive("r1"))
    await asyncio.sleep(0.5)
    while not driving.done():
        claim = (await world.state("r1")).claim
        assert claim is not None
        assert (parse_time(claim.deadline) - world.clock.now()).total_seconds() > SKEW
        await asyncio.sleep(0.5)


@told
async def test_a_run_that_no_worker_can_drive_ends_with_its_time(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})", limits={"seconds": 60})
    world.tools.declarations = dict  # type: ignore[method-assign]
    assert await world.drive("r1") is Rest.INCOMPATIBLE
    await asyncio.sleep(60)
    assert await world.drive("r1") is Rest.ENDED
    error = (await world.state("r1")).error
    assert error is not None
    assert error.error.type == "limits.seconds"


@told
async def test_an_earlier_life_never_takes_its_run_back(world: World) -> None:
    """A worker was started again while its earlier life only stood still."""
    await world.submit(
        "r1",
        "(do (call :t.put {:n 1}) (call :timer.sleep {:seconds 5.0}) (call :t.put {:n 2}))",
        tools=["t.put", "timer.sleep"],
    )
    assert await world.drive("r1", "worker/1") is Rest.WAITING
    await asyncio.sleep(6)

    async def take_over(call: Any) -> None:
        if call.effect == "2":
            later.append(asyncio.ensure_future(world.drive("r1", "worker/2")))
            world.tools.during = take_a_while
            await asyncio.sleep(40)

    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(60)

    later: list[Any] = []
    world.tools.during = take_over
    assert await world.drive("r1", "worker/1") is Rest.ELSEWHERE
    assert await later[0] is Rest.ENDED
    assert (await world.state("r1")).output == 3


@told
async def test_wakes_of_a_run_that_no_worker_can_drive_do_not_pile_up(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})", limits={"seconds": 100_000})
    world.tools.declarations = dict  # type: ignore[method-assign]
    working = [asyncio.ensure_future(DriverPool(world.services, f"{name}/1", 4).work()) for name in ("a", "b", "c")]
    await asyncio.sleep(1_800)
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await asyncio.sleep(10)
    held = await world.services.wakes.receive(100, 1.0)
    assert len(held) <= 1 + len(working)


@told
async def test_runs_that_stay_unfinished_do_not_hide_others_from_the_sweeper(world: World) -> None:
    class Stuck:
        """A run index with more stuck runs than are swept at once, and one more behind them."""

        async def unfinished(self, claim_ended_before: object, limit: int) -> list[StreamId]:
            del claim_ended_before
            return [*(StreamId(TENANT, "run", f"stuck-{n}") for n in range(200)), RUN][:limit]

    pool = DriverPool(replace(world.services, runs=Stuck()), "worker/1", 4)
    await pool.sweep()
    await pool.sweep()
    held = await world.services.wakes.receive(1_000, 1.0)
    assert Wake(RUN, "swept") in [each.wake for each in held]


@told
async def test_the_sweeper_outlives_a_fault(world: World) -> None:
    class Broken:
        """A run index that fails once, in a way that nobody thought of."""

        calls = 0

        async def unfinished(self, claim_ended_before: object, limit: int) -> list[StreamId]:
            del claim_ended_before, limit
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError("a bug")
            return []

    runs = Broken()
    working = asyncio.ensure_future(DriverPool(replace(world.services, runs=runs), "worker/1", 4).work())
    await asyncio.sleep(20)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert runs.calls > 1


@told
async def test_a_late_append_of_ones_own_is_never_taken_for_the_next_decision(world: World) -> None:
    """An append given up as unreachable arrives after all, just before the same process decides anew."""

    class Late:
        """The log behind a connection that keeps the first outcome back until the next one comes."""

        kept: Any = None
        gave_up = False

        async def append(self, stream: StreamId, drafts: Any, expected: Any) -> Any:
            if not self.gave_up and any(draft.short_name == "ToolCallCompleted" for draft in drafts):
                self.gave_up, self.kept = True, (stream, drafts[:1], expected)
                raise ServiceUnreachable("the connection broke")
            if self.kept is not None:
                kept, self.kept = self.kept, None
                await world.store.append(*kept)
            return await world.store.append(stream, drafts, expected)

        async def load(self, stream: StreamId, after: int = 0) -> Any:
            return await world.store.load(stream, after)

    readings = iter((10, 20))
    run_tool = world.tools.run

    async def read(name: str, arguments: Any, call: Any) -> Any:
        return await run_tool(name, {"n": next(readings)}, call)

    world.tools.run = read  # type: ignore[method-assign]
    await world.submit("r1", "(call :t.read {:n 1})")
    services = replace(world.services, store=Late())  # type: ignore[arg-type]
    for _ in range(2):
        driver = Driver(services, RUN, "worker/1")
        try:
            assert await driver.drive() is Rest.ENDED
        except ServiceUnreachable:
            continue
    assert (await world.state("r1")).ended
    await world.verify("r1")


@told
async def test_a_run_whose_wake_could_not_be_sent_is_swept_again_at_once(world: World) -> None:
    class Lost:
        """A run index with one run that nobody drives."""

        async def unfinished(self, claim_ended_before: object, limit: int) -> list[StreamId]:
            del claim_ended_before, limit
            return [RUN]

    class AwayAtFirst:
        """The work queue of a broker that is not there at first."""

        sent: list[Wake] = []  # noqa: RUF012  # of one instance
        calls = 0

        async def send(self, wake: Wake, due: object = None) -> None:
            del due
            self.calls += 1
            if self.calls == 1:
                raise ServiceUnreachable("the queue is away")
            self.sent.append(wake)

    wakes = AwayAtFirst()
    pool = DriverPool(replace(world.services, runs=Lost(), wakes=wakes), "worker/1", 4)  # type: ignore[arg-type]
    try:
        await pool.sweep()
    except ServiceUnreachable:
        await pool.sweep()
    assert [wake.run for wake in wakes.sent] == [RUN]


@told
async def test_a_full_pool_hears_at_once_that_a_run_is_stopped(world: World) -> None:
    async def stand_still(_: Any) -> None:
        await forever()

    for run in ("r1", "r2", "r3"):
        await world.submit(run, "(call :t.add {:n 1})")
    world.tools.during = stand_still
    pool = DriverPool(world.services, "worker/1", 2)
    working = [asyncio.ensure_future(pool.work()), asyncio.ensure_future(pool.listen())]
    await asyncio.sleep(1)
    await world.send("CancelRun", {"run": "r1"}, "c1")
    await asyncio.sleep(0.5)
    assert (await world.kinds("r3"))[-1] == "ToolCallRequested", "its place is free"
    await world.send("PauseRun", {"run": "r2"}, "c2")
    await asyncio.sleep(0.5)
    world.tools.during = None
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    assert (await world.kinds("r1"))[-1] == "RunCancelled"


@pytest.mark.parametrize(
    ("plan", "more", "command"),
    [
        ("(call :t.read {:n 1})", {"approvals": ["t.read"]}, ("GrantApproval", {"run": "r1", "effect": "0"})),
        ("(call :timer.sleep {:seconds 5.0})", {"tools": ["timer.sleep"]}, None),
    ],
    ids=["approved", "slept"],
)
def test_a_run_that_rests_is_taken_up_at_once_by_whoever_is_woken(
    plan: str, more: dict[str, Any], command: tuple[str, dict[str, Any]] | None
) -> None:
    @told
    async def story(world: World) -> None:
        await world.submit("r1", plan, **more)
        assert await world.drive("r1", "left/1") is Rest.WAITING
        if command is None:
            await asyncio.sleep(6)
        else:
            assert (await world.send(*command, "c1")).outcome == "accepted"
        assert await world.drive("r1", "right/1") is Rest.ENDED
        claims = [event for event in await recorded_events(world.store, RUN) if isinstance(event, RunClaimed)]
        assert [(claim.worker, claim.epoch) for claim in claims] == [("left/1", 1), ("left/1", 1), ("right/1", 2)]
        await world.verify("r1")

    story()


@told
async def test_a_paused_run_is_taken_up_at_once_by_whoever_is_woken(world: World) -> None:
    async def take_a_while(_: Any) -> None:
        await asyncio.sleep(2)

    await world.submit("r1", "(+ (call :t.add {:n 1}) (call :t.add {:n 2}))")
    world.tools.during = take_a_while
    driving = asyncio.ensure_future(world.drive("r1", "left/1"))
    await asyncio.sleep(1)
    await world.send("PauseRun", {"run": "r1"}, "c1")
    assert await driving is Rest.WAITING
    await world.send("ResumeRun", {"run": "r1"}, "c2")
    assert await world.drive("r1", "right/1") is Rest.ENDED
    assert world.tools.done == {"0": 1, "1": 1}
