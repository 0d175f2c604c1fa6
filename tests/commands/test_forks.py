"""A fork inherits what its parent was answered, up to the event and up to the first request that differs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from commands.catalog import COMMANDS, REACTIONS
from commands.handle import CommandHandler
from commands.replays import known_events
from commands.runs.driver import Rest
from domain.kernel.ids import StreamId
from domain.runs.comparison import compare
from domain.runs.inheritance import history_digest
from domain.tools import CallContext, ToolDeclaration
from tests.commands.world import DECLARATIONS, TENANT, Tools, World, forever
from tests.simulation.virtual_loop import simulate

PLAN = "(let [a (call :t.read {:n (:n inputs)}) b (call :t.add {:n a}) c (call :t.put {:n b})] [a b c])"
TASK: dict[str, Any] = {"inputs": {"n": 1}, "output": "[:vector :int]"}

Story = Callable[[World], Coroutine[Any, Any, None]]


def told(story: Story) -> Callable[[], None]:
    def test() -> None:
        async def tell() -> None:
            await story(World())

        simulate(tell())

    test.__name__ = story.__name__
    return test


async def sources(world: World, run: str) -> dict[str, str]:
    events = (await world.store.load(StreamId(TENANT, "run", run))).events
    return {
        event.data["effect"]: event.data.get("source", "executed")
        for event in events
        if event.short_name in ("ToolCallCompleted", "ToolCallFailed", "ToolCallDenied")
    }


async def parent(world: World, plan: str | None = PLAN, **task: Any) -> list[str]:
    await world.submit("parent", plan, **{**TASK, **task})
    assert await world.drive("parent") is Rest.ENDED
    world.tools.done.clear()
    return await world.kinds("parent")


async def fork(
    world: World, name: str, at: int, *, of: str = "parent", plan: str | None = PLAN, drive: bool = True, **task: Any
) -> None:
    events = (await world.store.load(StreamId(TENANT, "run", of))).events
    point = {"run": of, "at": at, "digest": history_digest(event.body for event in events[:at])}
    file = {"goal": "Test", "plan": plan, "tools": ["t.read", "t.add", "t.put"], **TASK, **task}
    answer = await world.send("SubmitRun", {"task": file, "fork": point}, name)
    assert answer.outcome == "accepted", answer
    if drive:
        await world.drive(name)


@told
async def test_a_fork_of_the_whole_calls_nothing_and_is_the_same(world: World) -> None:
    kinds = await parent(world)
    await fork(world, "fork", len(kinds))
    assert world.tools.done == {}
    assert await sources(world, "fork") == {"0": "inherited", "1": "inherited", "2": "inherited"}
    one, other = await world.state("parent"), await world.state("fork")
    assert compare(one, other).changes == ()
    assert (other.output, other.spent.tool_calls, other.live) == (one.output, one.spent.tool_calls, False)
    assert (await world.verify("fork")).effects == 3


@told
async def test_nothing_is_inherited_beyond_the_event(world: World) -> None:
    kinds = await parent(world)
    completions = [number for number, kind in enumerate(kinds, start=1) if kind == "ToolCallCompleted"]
    for at in range(1, len(kinds) + 1):
        await fork(world, f"fork-{at}", at)
        inherited = sum(source == "inherited" for source in (await sources(world, f"fork-{at}")).values())
        assert inherited == sum(number <= at for number in completions), at
        assert sum(world.tools.done.values()) == 3 - inherited
        world.tools.done.clear()
        assert compare(await world.state("parent"), await world.state(f"fork-{at}")).changes == ()
        await world.verify(f"fork-{at}")


@told
async def test_another_input_ends_inheritance_where_a_request_first_differs(world: World) -> None:
    kinds = await parent(world)
    await fork(world, "fork", len(kinds), inputs={"n": 2})
    assert await sources(world, "fork") == {"0": "executed", "1": "executed", "2": "executed"}
    plan = PLAN.replace("(call :t.add {:n a})", "(call :t.add {:n (+ a 0 (:m inputs))})")
    await fork(world, "other", len(kinds), plan=plan, inputs={"n": 1, "m": 1})
    assert await sources(world, "other") == {"0": "inherited", "1": "executed", "2": "executed"}
    found = compare(await world.state("parent"), await world.state("other"))
    assert [(each.kind, each.where) for each in found.changes if each.kind == "effect"] == [
        ("effect", "1"),
        ("effect", "2"),
    ]


@told
async def test_after_a_difference_even_the_same_request_is_made_anew(world: World) -> None:
    """What it would have read may have been changed by what was done otherwise."""
    plan = "(let [a (call :t.add {:n %d}) b (call :t.read {:n 7})] [a b])"
    kinds = await parent(world, plan % 1)
    await fork(world, "fork", len(kinds), plan=plan % 2)
    assert await sources(world, "fork") == {"0": "executed", "1": "executed"}


@told
async def test_a_fork_of_a_fork(world: World) -> None:
    kinds = await parent(world)
    await fork(world, "child", len(kinds))
    await fork(world, "grandchild", len(await world.kinds("child")), of="child")
    assert set((await sources(world, "grandchild")).values()) == {"inherited"}
    assert world.tools.done == {}
    assert compare(await world.state("parent"), await world.state("grandchild")).changes == ()


@told
async def test_lanes_are_inherited_side_by_side(world: World) -> None:
    plan = "(step-parallel (call :t.read {:n 1}) (call :t.read {:n (:n inputs)}) (call :t.read {:n 3}))"
    kinds = await parent(world, plan)
    await fork(world, "fork", len(kinds), plan=plan, inputs={"n": 9})
    assert sorted((await sources(world, "fork")).values()) == ["executed", "inherited", "inherited"]


@told
async def test_failures_and_denials_are_inherited_with_their_words(world: World) -> None:
    plan = "(try (call :t.read {:n 1}) (catch e (:message e)))"
    kinds = await parent(world, plan, limits={"tool_calls": 0}, output=":any")
    await fork(world, "fork", len(kinds), plan=plan, limits={"tool_calls": 0}, output=":any")
    assert compare(await world.state("parent"), await world.state("fork")).changes == ()
    assert await sources(world, "fork") == {"0": "inherited"}
    assert (await world.state("fork")).spent.tool_calls == 0


@told
async def test_a_persons_word_is_inherited(world: World) -> None:
    await world.submit("parent", "(call :t.add {:n 1})", approvals=["t.add"])
    await world.drive("parent")
    await world.send("GrantApproval", {"run": "parent", "effect": "0"}, "grant")
    await world.drive("parent")
    world.tools.done.clear()
    kinds = await world.kinds("parent")
    task = {"plan": "(call :t.add {:n 1})", "approvals": ["t.add"], "inputs": {}, "output": ":any"}
    await fork(world, "fork", len(kinds), **task)
    assert ((await world.state("fork")).output, world.tools.done) == (2, {})
    await fork(world, "before", kinds.index("ApprovalRequested") + 1, **task)
    assert (await world.state("before")).waiting == {"0"}


@told
async def test_a_sleep_is_inherited_without_sleeping(world: World) -> None:
    plan = "(do (call :timer.sleep {:seconds 100.0}) 7)"
    await world.submit("parent", plan, tools=["timer.sleep"])
    await world.drive("parent")
    await asyncio.sleep(101)
    assert await world.drive("parent") is Rest.ENDED
    began = world.clock.monotonic()
    await fork(
        world, "fork", len(await world.kinds("parent")), plan=plan, tools=["timer.sleep"], inputs={}, output=":any"
    )
    assert (await world.state("fork")).output == 7
    assert world.clock.monotonic() < began + 1
    assert (await world.state("fork")).spent.tool_calls == 0
    await world.verify("fork")


@told
async def test_a_models_plan_is_inherited_and_not_paid_for_again(world: World) -> None:
    world.models.answers = [f"```rtfs\n{PLAN}\n```"]
    kinds = await parent(world, None)
    assert len(world.models.asked) == 1
    await fork(world, "fork", len(kinds), plan=None)
    assert len(world.models.asked) == 1
    state = await world.state("fork")
    assert (state.spent.usd, state.spent.tokens) == (0, 0)
    assert compare(await world.state("parent"), state).changes == ()
    await fork(world, "grandchild", len(await world.kinds("fork")), of="fork", plan=None)
    assert len(world.models.asked) == 1
    world.models.answers = [f"```rtfs\n{PLAN}\n```"]
    await fork(world, "asked-anew", kinds.index("ModelCallRequested") + 1, plan=None)
    assert len(world.models.asked) == 2
    assert set((await sources(world, "asked-anew")).values()) == {"executed"}


@told
async def test_a_worker_that_vanishes_in_a_fork_is_followed_by_one_that_goes_on(world: World) -> None:
    async def stand_still(_: Any) -> None:
        await forever()

    kinds = await parent(world)
    last = max(number for number, kind in enumerate(kinds, start=1) if kind == "ToolCallCompleted")
    await fork(world, "fork", last - 1, drive=False)
    world.tools.during = stand_still
    first = asyncio.ensure_future(world.drive("fork", "left/1"))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await sources(world, "fork") == {"0": "inherited", "1": "inherited"}
    world.tools.during = None
    assert await world.drive("fork", "left/2") is Rest.ENDED
    assert await sources(world, "fork") == {"0": "inherited", "1": "inherited", "2": "executed"}
    await world.verify("fork")


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({"run": "parent", "at": 9, "digest": "sha256:" + "0" * 64}, "was forked after 9 events with digest"),
        ({"run": "nobody", "at": 1, "digest": "sha256:" + "0" * 64}, "now there are 0 of them"),
        ({"run": "parent", "at": 10_000, "digest": "sha256:" + "0" * 64}, "was forked after 10000 events"),
    ],
    ids=["digest", "no-run", "too-far"],
)
def test_a_parent_that_is_not_what_it_was_fails_the_fork(point: dict[str, Any], said: str) -> None:
    async def story() -> None:
        world = World()
        await parent(world)
        task = {"goal": "Test", "plan": PLAN, "tools": ["t.read", "t.add", "t.put"], **TASK}
        await world.send("SubmitRun", {"task": task, "fork": point}, "fork")
        assert await world.drive("fork") is Rest.ENDED
        state = await world.state("fork")
        assert state.error is not None
        assert state.error.error.type == "stored.fork-parent-differs"
        assert said in state.error.error.message
        assert world.tools.done == {}

    simulate(story())


@pytest.mark.parametrize(
    "point",
    [
        {"run": "a.>", "at": 1, "digest": "sha256:" + "0" * 64},
        {"run": "r", "at": 0, "digest": "sha256:" + "0" * 64},
        {"run": "r", "at": 1, "digest": "md5:0"},
        {"run": "r", "at": 1},
        {"run": "r", "at": 1, "digest": "sha256:" + "0" * 64, "more": 1},
        [],
        7,
    ],
    ids=repr,
)
def test_a_malformed_fork_is_refused(point: Any) -> None:
    async def story() -> None:
        world = World()
        answer = await world.send("SubmitRun", {"task": {"goal": "Test", "plan": "7"}, "fork": point}, "fork")
        assert (answer.outcome, await world.kinds("fork")) == ("invalid", [])

    simulate(story())


@told
async def test_the_stream_tells_where_it_comes_from(world: World) -> None:
    kinds = await parent(world)
    await fork(world, "fork", len(kinds))
    (first, *_) = (await world.store.load(StreamId(TENANT, "run", "fork"))).events
    stored: Sequence[Any] = (await world.store.load(StreamId(TENANT, "run", "parent"))).events
    assert first.data["forked_from"] == {
        "run": "parent",
        "at": len(kinds),
        "digest": history_digest(event.body for event in stored),
    }
    assert "forked_from" not in stored[0].data
    assert known_events(stored)[0].as_json() == stored[0].data


@told
async def test_what_another_version_of_a_tool_answered_is_not_inherited(world: World) -> None:
    kinds = await parent(world)

    class Newer(Tools):
        def declarations(self) -> Mapping[str, ToolDeclaration]:
            now = replace(DECLARATIONS["t.add"].capability, version="2")
            return {**DECLARATIONS, "t.add": replace(DECLARATIONS["t.add"], capability=now)}

    tools = Newer(done=world.tools.done)
    world.services = replace(world.services, tools=tools)
    world.handler = CommandHandler(world.services, COMMANDS, REACTIONS)
    await fork(world, "fork", len(kinds))
    assert await sources(world, "fork") == {"0": "inherited", "1": "executed", "2": "executed"}
    assert (await world.verify("fork")).effects == 3


@told
async def test_a_fork_of_a_run_that_goes_on_inherits_what_there_was_when_it_was_forked(world: World) -> None:
    async def stand_still(call: CallContext) -> None:
        if call.effect == "1":
            await forever()

    world.tools.during = stand_still
    await world.submit("parent", PLAN, **TASK)
    driven = asyncio.ensure_future(world.drive("parent"))
    await asyncio.sleep(1)
    at = len(await world.kinds("parent"))
    world.tools.during = None
    await fork(world, "fork", at)
    driven.cancel()
    await asyncio.gather(driven, return_exceptions=True)
    assert await sources(world, "fork") == {"0": "inherited", "1": "executed", "2": "executed"}
    assert (await world.state("fork")).phase == "completed"
