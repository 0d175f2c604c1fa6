"""Driving agents: what is on record is not asked again, what differs is told with advice, and none holds up a worker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from adapters.agents.declare import agent, declared_agent
from adapters.agents.threads import ThreadedAgents
from commands.agents import AgentStuck
from commands.replays import recorded_events
from commands.replays.executing import re_execute
from commands.replays.watching import verify_watched
from commands.runs.driver import Rest
from domain.agents.context import Context, EffectFailed
from domain.agents.declaration import Agent
from domain.kernel.ids import StreamId
from domain.runs.events import RunFailed, ValueRecorded
from domain.runs.execution import AgentUnavailable
from domain.runs.inheritance import history_digest
from domain.runs.journal import ReplayDiverged
from domain.runs.replay import verify
from domain.tools import CallContext
from tests.commands.world import DECLARATIONS, TENANT, World

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*stubborn:pytest.PytestUnraisableExceptionWarning")
TOOLS = [*DECLARATIONS, "timer.sleep"]


def declared(function: Any, **changes: Any) -> Agent:
    found = declared_agent(agent("t.agent")(function))
    assert found is not None
    return replace(found, **changes)


def world_of(function: Any, **changes: Any) -> World:
    return World(agents=ThreadedAgents({"t.agent": declared(function, **changes)}))


def now_has(world: World, function: Any, **changes: Any) -> None:
    """The same log and tools, under a worker with another agent of this name."""
    world.agents._agents = {"t.agent": declared(function, **changes)}  # type: ignore[attr-defined]


async def submit(world: World, run: str = "r1", **task: Any) -> Any:
    return await world.submit(run, None, agent="t.agent", **({"tools": TOOLS} | task))


async def events(world: World, run: str = "r1") -> list[Any]:
    return await recorded_events(world.store, StreamId(TENANT, "run", run))


async def failure(world: World, run: str = "r1") -> RunFailed:
    state = await world.state(run)
    assert state.error is not None, state
    return state.error


async def adder(ctx: Context, inputs: Any) -> Any:
    """Adds twice, side by side with reading."""
    first = await ctx.call("t.add", n=inputs["n"])
    both = await ctx.parallel(ctx.call("t.read", n=first), ctx.call("t.add", n=10 * first))
    return {"sum": sum(both), "at": await ctx.now(), "by": await ctx.uuid(), "luck": await ctx.random()}


async def test_an_agent_is_run_to_its_end_and_replays() -> None:
    world = world_of(adder)
    await submit(world, inputs={"n": 1}, output="[:map [:sum :int] [:at :timestamp] [:by :uuid] [:luck :float]]")
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.kinds("r1"))[:5] == [
        "RunSubmitted",
        "RunClaimed",
        "RunRouted",
        "AgentPinned",
        "ToolCallRequested",
    ]
    state = await world.state("r1")
    assert state.phase == "completed", state.error
    assert list(state.journal) == ["0", "1/1/0", "1/0/0", "2", "3", "4"] or set(state.journal) == {
        "0", "1/0/0", "1/1/0", "2", "3", "4",
    }  # fmt: skip
    assert state.spent.tool_calls == 3, "what ctx gives itself is not counted"
    replay = await world.verify("r1")
    assert (replay.effects, replay.ended) == (6, "completed")
    done = await re_execute(world.tools, StreamId(TENANT, "run", "r1"), await events(world), world.agents.agents())
    assert (done.executed, done.answered, done.others) == (1, {"momentary": 3, "write": 2}, ())


async def branches(ctx: Context, inputs: Any) -> Any:
    """Side by side, with what each found put into one list."""
    found: list[int] = []

    async def branch(n: int) -> None:
        for step in range(3):
            answer = await ctx.call("t.read", n=10 * n + step)
            found.append(answer)

    await ctx.parallel(*(branch(n) for n in range(inputs["n"])))
    return found


async def test_whichever_call_is_faster_the_run_is_the_same() -> None:
    outputs = Counter[str]()
    for seed in range(5):
        chance = random.Random(seed)

        async def during(_: CallContext, chance: random.Random = chance) -> None:
            await asyncio.sleep(chance.random() / 100)

        world = world_of(branches)
        world.tools.during = during
        await submit(world, inputs={"n": 4})
        await world.drive("r1")
        outputs[str((await world.state("r1")).output)] += 1
        assert (await world.verify("r1")).effects == 12
    assert len(outputs) == 1


@pytest.mark.parametrize("killed_at", range(6))
async def test_a_worker_that_vanished_is_followed_by_one_that_repeats_nothing(killed_at: int) -> None:
    async def steps(ctx: Context, _: Any) -> Any:
        """Step by step."""
        return [await ctx.call("t.put", n=n) for n in range(6)] + [str(await ctx.uuid())]

    world = world_of(steps)
    reached = asyncio.Event()

    async def during(call: CallContext) -> None:
        if call.effect == str(killed_at) and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()

    world.tools.during = during
    await submit(world)
    driving = asyncio.create_task(world.drive("r1", "worker/1"))
    await reached.wait()
    driving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await driving
    assert await world.drive("r1", "worker/2") is Rest.ENDED
    assert world.tools.done == Counter({str(n): 1 + (n == killed_at) for n in range(6)})
    assert (await world.verify("r1")).ended == "completed"


async def asks(ctx: Context, first: Any) -> Any:
    """Writes what it is told, with approval."""
    return await ctx.call("t.add", n=first)


COUNTED = iter(range(1_000_000))


async def clock(ctx: Context, _: Any) -> Any:
    """Takes the time."""
    return await asks(ctx, time.time_ns())


async def chance(ctx: Context, _: Any) -> Any:
    """Takes its chance."""
    return await asks(ctx, random.getrandbits(60))


async def identity(ctx: Context, _: Any) -> Any:
    """Takes a name."""
    return await asks(ctx, uuid.uuid4().int >> 70)


async def entropy(ctx: Context, _: Any) -> Any:
    """Takes bytes."""
    return await asks(ctx, int.from_bytes(os.urandom(7), "big"))


async def counting(ctx: Context, _: Any) -> Any:
    """Counts in the process."""
    return await asks(ctx, next(COUNTED))


CAUGHT = {
    clock: ("import time\ntime.time_ns()", "line 2 uses time.time_ns: use await ctx.now() instead"),
    chance: ("import random\nrandom.getrandbits(60)", "use await ctx.random() instead"),
    identity: ("import uuid\nuuid.uuid4()", "use await ctx.uuid() instead"),
    entropy: ("import os\nos.urandom(7)", "use await ctx.random() instead"),
    counting: ("next(COUNTED)", "an agent takes time, chance and the world only from ctx"),
}


@pytest.mark.parametrize("wrong", CAUGHT, ids=lambda each: each.__name__)
async def test_what_is_not_of_ctx_is_caught_with_advice(wrong: Any) -> None:
    source, advice = CAUGHT[wrong]
    world = world_of(wrong, source=source)
    await submit(world)
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).phase == "completed", "nothing tells it while it is kept in memory"
    with pytest.raises(ReplayDiverged) as caught:
        await world.verify("r1")
    assert caught.value.effect == "0"
    assert caught.value.differences[0].path == "n"
    assert advice in str(caught.value)

    await submit(world, "r2", approvals=["t.add"])
    assert await world.drive("r2") is Rest.WAITING
    await world.send("GrantApproval", {"run": "r2", "effect": "0", "note": ""}, "c1")
    assert await world.drive("r2") is Rest.ENDED
    error = await failure(world, "r2")
    assert error.error.type == "replay.diverged", "its re-execution after the rest asks otherwise"
    assert advice in error.error.message
    assert world.tools.done == {"0": 1}, "nothing was done on another request than the approved one"


async def test_outputs_that_differ_are_caught() -> None:
    async def late(ctx: Context, _: Any) -> Any:
        """Tells the time at the end."""
        await ctx.call("t.read", n=1)
        return time.time_ns()

    world = world_of(late)
    await submit(world)
    await world.drive("r1")
    with pytest.raises(ReplayDiverged, match=r"the output: the record has sha256:.*use await ctx.now\(\) instead"):
        await world.verify("r1")


async def old(ctx: Context, _: Any) -> Any:
    """Reads, waits for approval, reads."""
    first = await ctx.call("t.read", n=1)
    return [first, await ctx.call("t.add", n=2), await ctx.call("t.read", n=3)]


async def patched(ctx: Context, _: Any) -> Any:
    """As the old one, and reads more where it was not too late."""
    first = await ctx.call("t.read", n=100 if await ctx.patched("more") else 1)
    second = await ctx.call("t.add", n=2)
    return [first, second, await ctx.call("t.read", n=30 if await ctx.patched("later") else 3)]


async def careless(ctx: Context, _: Any) -> Any:
    """Changed under open runs."""
    return [await ctx.call("t.read", n=100)]


async def test_patches_let_code_change_under_open_runs() -> None:
    world = world_of(old)
    await submit(world, approvals=["t.add"])
    assert await world.drive("r1") is Rest.WAITING
    now_has(world, patched, digest="sha256:other")
    await world.send("GrantApproval", {"run": "r1", "effect": "1", "note": ""}, "c1")
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).output == [2, 3, 31], "the first place was passed before, the second was not"
    assert (await world.verify("r1")).effects == 4
    await submit(world, "r2")
    await world.drive("r2")
    assert (await world.state("r2")).output == [101, 3, 31]
    await world.verify("r2")


async def test_code_that_changed_without_a_patch_is_caught_with_advice() -> None:
    world = world_of(old)
    await submit(world)
    await world.drive("r1")
    now_has(world, careless, digest="sha256:other")
    with pytest.raises(ReplayDiverged, match=r"wrap what changed in `if await ctx.patched\(name\):`, or raise"):
        await world.verify("r1")
    now_has(world, patched, digest="sha256:other")
    assert (await world.verify("r1")).ended == "completed", "a run that has ended never had the patch"


async def test_tasks_name_agents_that_are_here() -> None:
    world = world_of(old)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"agent": "t.agnet"}, "did you mean t.agent?"),
        ({"agent": "x" * 200}, "agent"),
        ({"agent": "t.agent", "plan": "7"}, "not both"),
    ]
    for number, (task, message) in enumerate(wrong):
        answer = await world.send("SubmitRun", {"task": {"goal": "Test", **task}}, f"c{number}")
        assert answer.outcome == "invalid"
        assert message in str(answer)


async def test_a_run_stays_with_its_version() -> None:
    world = world_of(old)
    await submit(world, approvals=["t.add"])
    assert await world.drive("r1") is Rest.WAITING
    await world.send("GrantApproval", {"run": "r1", "effect": "1", "note": ""}, "c1")
    now_has(world, old, version="2")
    assert await world.drive("r1", "worker/2") is Rest.INCOMPATIBLE
    with pytest.raises(AgentUnavailable, match=r"pinned to version 1 of agent t\.agent, and version 2 is here"):
        await world.verify("r1")
    with pytest.raises(AgentUnavailable, match="it is not here"):
        verify(await events(world))
    now_has(world, old)
    assert await world.drive("r1", "worker/3") is Rest.ENDED
    assert (await world.state("r1")).phase == "completed"


async def endless(ctx: Context, _: Any) -> Any:
    """Never comes back."""
    await ctx.call("t.read", n=1)
    while True:
        with contextlib.suppress(Exception):
            sum(range(1000))


async def test_an_agent_that_never_comes_back_holds_up_nobody() -> None:
    world = world_of(endless)
    await submit(world, limits={"seconds": 0.5})
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(heart())
    assert await world.drive("r1") is Rest.ENDED
    beating.cancel()
    assert beats >= 3, "the worker's other runs went on"
    error = await failure(world)
    assert error.error.type == "limits.stuck"
    assert "came to no effect and no end" in error.error.message
    assert (await world.verify("r1")).ended == "failed", "and its replay does not hang"


async def test_one_that_never_came_to_anything_is_not_started_by_a_replay() -> None:
    async def still(_: Context, __: Any) -> Any:
        """Does not even begin."""
        while True:
            pass

    world = world_of(still)
    await submit(world, limits={"seconds": 0.3})
    assert await world.drive("r1") is Rest.ENDED
    assert (await failure(world)).error.type == "limits.stuck"
    assert (await world.verify("r1")).effects == 0


async def test_an_agent_that_only_asks_is_ended_by_its_time() -> None:
    async def busy(ctx: Context, _: Any) -> Any:
        """Asks without an end."""
        while True:
            await ctx.now()

    world = world_of(busy)
    await submit(world, limits={"seconds": 0.5})
    assert await world.drive("r1") is Rest.ENDED
    assert (await failure(world)).error.type in ("limits.seconds", "limits.effects")
    assert (await world.verify("r1")).ended == "failed"


async def test_rights_and_limits_hold_as_for_programs() -> None:
    async def greedy(ctx: Context, _: Any) -> Any:
        """Asks for more than it may."""
        refused = []
        for tool in ("shell.run", "t.read", "t.read", "t.read"):
            try:
                await ctx.call(tool, n=1)
            except EffectFailed as error:
                refused.append([error.type, str(error)])
        return refused

    world = world_of(greedy)
    await submit(world, tools=["t.read"], limits={"tool_calls": 2})
    await world.drive("r1")
    output = (await world.state("r1")).output
    assert [kind for kind, _ in output] == ["guard.denied", "guard.denied"]
    assert "not among the task's tools" in output[0][1]
    assert "limits.tool_calls (2) is reached" in output[1][1]
    await world.verify("r1")


async def test_what_an_agent_raises_is_told_with_its_line() -> None:
    async def broken(_: Context, inputs: Any) -> Any:
        """Does not look."""
        return inputs["nothing"]

    world = world_of(broken)
    await submit(world)
    await world.drive("r1")
    error = await failure(world)
    line = broken.__code__.co_firstlineno + 2
    assert error.error.message == f"KeyError: 'nothing' (line {line} of agent t.agent 1)"
    assert (await world.verify("r1")).ended == "failed"


async def test_the_critic_judges_agents_too() -> None:
    async def wrong(_: Context, __: Any) -> Any:
        """Gives something else."""
        return {"n": "seven"}

    world = world_of(wrong)
    await submit(world, output="[:map [:n :int]]")
    await world.drive("r1")
    assert (await failure(world)).error.type == "critic.rejected"
    assert (await world.verify("r1")).ended == "failed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it refuses to the end
async def test_a_cancelled_agent_cannot_refuse() -> None:
    async def stubborn(ctx: Context, _: Any) -> Any:
        """Goes on whatever happens."""
        while True:
            with contextlib.suppress(BaseException):
                await ctx.call("t.add", n=1)

    world = world_of(stubborn)

    async def during(call: CallContext) -> None:
        if call.effect == "3":
            await world.send("CancelRun", {"run": "r1", "reason": ""}, "c1")

    world.tools.during = during
    await submit(world)
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).phase == "cancelled"
    assert world.tools.done["4"] == 0
    assert (await world.verify("r1")).ended == "cancelled"
    await asyncio.gather(*world.agents._tasks)  # type: ignore[attr-defined]
    world.tools.during = None
    gc.collect()  # its last refusal is told here, not in another test


async def test_it_sleeps_over_restarts() -> None:
    async def sleeper(ctx: Context, _: Any) -> Any:
        """Rests."""
        await ctx.log("good night")
        await ctx.sleep(0.3)
        return await ctx.call("t.read", n=1)

    world = world_of(sleeper)
    await submit(world)
    assert await world.drive("r1") is Rest.WAITING
    assert await world.drive("r1", "worker/2") is Rest.WAITING
    while await world.drive("r1", "worker/3") is Rest.WAITING:  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # the timer is due at a time of the clock, not at an event
    assert (await world.state("r1")).output == 2
    assert (await world.verify("r1")).effects == 3


async def test_a_fork_inherits_what_ctx_gave() -> None:
    world = world_of(adder)
    await submit(world, inputs={"n": 1})
    await world.drive("r1")
    stored = (await world.store.load(StreamId(TENANT, "run", "r1"))).events
    point = {"run": "r1", "at": len(stored), "digest": history_digest(each.body for each in stored)}
    task = {"goal": "Test", "agent": "t.agent", "tools": TOOLS, "inputs": {"n": 1}}
    await world.send("SubmitRun", {"task": task, "fork": point}, "r2")
    await world.drive("r2")
    assert (await world.state("r2")).output == (await world.state("r1")).output
    given = [event for event in await events(world, "r2") if isinstance(event, ValueRecorded)]
    assert {event.source for event in given} == {"inherited"}
    assert (await world.verify("r2")).effects == 6


async def test_a_replay_of_changed_code_that_never_comes_back_ends() -> None:
    async def once(ctx: Context, _: Any) -> Any:
        """Asks, and is done."""
        return await ctx.call("t.read", n=1)

    release = threading.Event()

    async def changed(ctx: Context, _: Any) -> Any:
        """Asks, and never comes back."""
        await ctx.call("t.read", n=1)
        while not release.is_set():
            pass
        return 1

    world = world_of(once)
    await submit(world)
    assert await world.drive("r1") is Rest.ENDED
    now_has(world, changed)
    try:
        with pytest.raises(
            AgentStuck, match=r"agent t\.agent came to no effect and no end within 0\.3 s behind effect 0"
        ):
            await verify_watched(await events(world), world.agents.agents(), within=0.3)
    finally:
        release.set()
    now_has(world, once)
    assert (await verify_watched(await events(world), world.agents.agents())).effects == 1
