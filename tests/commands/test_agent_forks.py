"""Forks of agents' runs: the prefix is inherited whatever its shape, and what comes after it is done anew."""

from __future__ import annotations

from collections import Counter
from typing import Any

from commands.runs.driver import Rest
from domain.agents.context import Context
from domain.agents.declaration import Agent
from domain.kernel.ids import StreamId
from domain.runs.comparison import compare
from domain.runs.inheritance import history_digest
from tests.commands.test_agents import TOOLS, declared, events, now_has, submit, world_of
from tests.commands.world import TENANT, World

SETTLING = ("ToolCallCompleted", "ToolCallFailed", "ValueRecorded")


async def crowd(ctx: Context, inputs: Any) -> Any:
    """Asks in lanes within lanes, and of ctx itself."""

    async def one(n: int) -> Any:
        first = await ctx.call("t.read", n=n)
        return await ctx.parallel(ctx.call("t.add", n=first), ctx.random(), ctx.call("t.put", n=n))

    at = await ctx.now()
    found = await ctx.parallel(*(one(n) for n in range(inputs["n"])))
    await ctx.log(f"{len(found)} found")
    return {"found": found, "at": at, "id": await ctx.uuid(), "last": await ctx.call("t.add", n=inputs.get("m", 7))}


async def fork(world: World, name: str, of: str, at: int | None = None, **task: Any) -> Counter[str]:
    """Fork and drive; give how its answers came."""
    stored = (await world.store.load(StreamId(TENANT, "run", of))).events
    at = len(stored) if at is None else at
    point = {"run": of, "at": at, "digest": history_digest(each.body for each in stored[:at])}
    wanted = {"goal": "Test", "agent": "t.agent", "tools": TOOLS} | task
    assert (await world.send("SubmitRun", {"task": wanted, "fork": point}, name)).outcome == "accepted"
    assert await world.drive(name) in (Rest.ENDED, Rest.WAITING)
    return await sources(world, name)


async def sources(world: World, name: str) -> Counter[str]:
    return Counter(
        getattr(event, "source", "executed") for event in await events(world, name) if event.short_name() in SETTLING
    )


async def test_what_the_first_events_settled_is_inherited_at_every_event() -> None:
    world = world_of(crowd)
    await submit(world, inputs={"n": 3})
    await world.drive("r1")
    kinds = await world.kinds("r1")
    whole = await sources(world, "r1")
    for at in range(1, len(kinds) + 1):
        world.tools.done.clear()
        found = await fork(world, f"fork-{at}", "r1", at, inputs={"n": 3})
        assert found["inherited"] == sum(kind in SETTLING for kind in kinds[:at]), at
        assert found.total() == whole.total()
        live = {
            event.effect
            for event in await events(world, f"fork-{at}")
            if event.short_name() == "ToolCallCompleted" and event.source == "executed"
        }
        assert set(world.tools.done) == live, "a tool is called for just what is not inherited"
        assert (await world.verify(f"fork-{at}")).effects == whole.total()
    assert compare(await world.state("r1"), await world.state(f"fork-{len(kinds)}")).changes == ()


async def test_a_fork_of_a_fork_of_a_fork() -> None:
    world = world_of(crowd)
    await submit(world, inputs={"n": 2})
    await world.drive("r1")
    count = (await sources(world, "r1")).total()
    for parent, child in (("r1", "a"), ("a", "b"), ("b", "c")):
        assert await fork(world, child, parent, inputs={"n": 2}) == {"inherited": count}
    assert await fork(world, "d", "c", inputs={"n": 2, "m": 8}) == {"inherited": count - 1, "executed": 1}
    assert await fork(world, "e", "d", inputs={"n": 2, "m": 8}) == {"inherited": count}
    assert (await world.state("e")).output == (await world.state("d")).output


async def test_another_agent_inherits_as_long_as_it_asks_the_same() -> None:
    async def other(ctx: Context, _: Any) -> Any:
        """Asks as the crowd does, and then otherwise."""
        at = await ctx.now()
        first = await ctx.call("t.read", n=0)
        return [at, first]

    async def alike(ctx: Context, _: Any) -> Any:
        """Asks the time too."""
        return await ctx.now()

    world = world_of(crowd)
    world.agents._agents |= {"t.other": renamed(other), "t.alike": renamed(alike)}  # type: ignore[attr-defined]
    await submit(world, inputs={"n": 2})
    await world.drive("r1")
    assert await fork(world, "f1", "r1", agent="t.other", inputs={}) == {"inherited": 1, "executed": 1}
    assert await fork(world, "f2", "r1", agent="t.alike", inputs={}) == {"inherited": 1}
    assert (await world.state("f2")).output == (await world.state("r1")).output["at"]


def renamed(function: Any) -> Agent:
    return declared(function, name=f"t.{function.__name__}")


async def old(ctx: Context, _: Any) -> Any:
    """Without a patch."""
    return [await ctx.call("t.read", n=1), await ctx.call("t.add", n=2)]


async def patched(ctx: Context, _: Any) -> Any:
    """With a patch at the beginning and one at the end."""
    first = await ctx.call("t.read", n=100 if await ctx.patched("more") else 1)
    second = await ctx.call("t.add", n=2)
    return [first, second, *([await ctx.call("t.read", n=3)] if await ctx.patched("last") else [])]


async def test_a_fork_goes_past_the_patches_that_its_parent_went_past() -> None:
    world = world_of(old)
    await submit(world)
    await world.drive("r1")
    now_has(world, patched, digest="sha256:other")
    found = await fork(world, "whole", "r1")
    assert found == {"inherited": 3, "executed": 2}, "two answers, that it is not patched; patched, one read"
    assert (await world.state("whole")).output == [2, 3, 4]
    assert (await world.verify("whole")).effects == 5
    assert await fork(world, "again", "whole") == {"inherited": 5}
    kinds = await world.kinds("r1")
    before = kinds.index("ToolCallCompleted")
    assert await fork(world, "before", "r1", before) == {"executed": 5}
    assert (await world.state("before")).output == [101, 3, 4], "nothing of the parent lies behind the first patch"


async def test_an_approval_is_inherited_where_it_was_given_and_asked_for_where_it_was_not() -> None:
    world = world_of(old)
    await submit(world, approvals=["t.add"])
    assert await world.drive("r1") is Rest.WAITING
    assert await fork(world, "waiting", "r1", approvals=["t.add"]) == {"inherited": 1}
    assert (await world.state("waiting")).waiting == {"1"}
    await world.send("GrantApproval", {"run": "r1", "effect": "1", "note": ""}, "c1")
    granted = len(await world.kinds("r1"))
    assert await fork(world, "granted", "r1", granted, approvals=["t.add"]) == {"inherited": 1}
    assert (await world.state("granted")).waiting == {"1"}, "a word given for one call is not given for another"
    assert await world.drive("r1") is Rest.ENDED
    assert await fork(world, "done", "r1", approvals=["t.add"]) == {"inherited": 2}
