"""Many runs replayed in one pass: every run once, each in its place, and none held longer than needed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.memory.content import MemoryContentStore
from commands.ports import Head
from commands.replays.scanning import Replayed, Wanted, scan, verified
from domain.kernel.errors import NotFound
from domain.kernel.events import Draft
from domain.kernel.ids import Position, StreamId, event_id
from domain.kernel.values import digest_json
from tests.commands.world import TENANT, World
from tests.simulation.virtual_loop import simulate

Story = Callable[[World], Coroutine[Any, Any, None]]


def told(story: Story) -> Callable[[], None]:
    def test() -> None:
        async def tell() -> None:
            await story(World())

        simulate(tell())

    test.__name__ = story.__name__
    return test


async def scanned(world: World, *, largest_held: int = 10**9, **wanted: Any) -> dict[str, Replayed]:
    found: dict[str, Replayed] = {}
    async with aclosing(
        scan(world.store, Wanted(tenant=TENANT, **wanted), verified, largest_held=largest_held)
    ) as replays:
        async for each in replays:
            assert each.run not in found
            found[each.run] = each
    return found


async def run(world: World, name: str, plan: str = "(call :t.read {:n 1})", **task: Any) -> None:
    await world.submit(name, plan, **task)
    await world.drive(name)


async def copied(world: World, name: str, to: str, *, count: int | None = None, **changes: Any) -> None:
    """Write a run anew under another name, ``changes`` made to each of its tool results."""
    stream = StreamId(TENANT, "run", to)
    events = (await world.store.load(StreamId(TENANT, "run", name))).events[:count]
    drafts = [
        Draft(
            id=event_id(to, event.version),
            type=event.type,
            time=event.time,
            correlation=to,
            causation=event.causation,
            actor=event.actor,
            data={**event.data, **changes} if event.short_name == "ToolCallCompleted" else event.data,
        )
        for event in events
    ]
    await world.store.append(stream, drafts, Head())


async def runs_of_every_outcome(world: World) -> None:
    await run(world, "good")
    await run(world, "failing", "(call :t.read {:n 1 })", limits={"tool_calls": 0})
    await run(world, "waiting", "(call :t.add {:n 1})", approvals=["t.add"])
    await run(world, "rejected", "(nothing-here)")
    await copied(world, "good", "forged", result=7)
    await copied(world, "good", "forged-with-care", result=7, result_digest=digest_json(7))
    await copied(world, "good", "cut", count=3)


def outcomes(found: dict[str, Replayed]) -> dict[str, tuple[str, str]]:
    return {name: (each.outcome, each.status) for name, each in found.items()}


@told
async def test_every_run_has_its_outcome(world: World) -> None:
    await runs_of_every_outcome(world)
    found = await scanned(world)
    assert outcomes(found) == {
        "good": ("identical", "completed"),
        "failing": ("identical", "failed"),
        "rejected": ("nothing", "failed"),
        "forged": ("diverged", "completed"),
        "forged-with-care": ("diverged", "completed"),
        "waiting": ("open", "waiting"),
        "cut": ("open", "routed"),
    }
    assert (found["good"].effects, found["good"].events) == (1, len(await world.kinds("good")))


@told
async def test_runs_that_alternate_in_the_log_are_told_apart(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.submit(name, "(call :t.add {:n 1})", approvals=["t.add"])
    for name in ("c", "a", "b"):
        await world.drive(name)
    for name in ("b", "c", "a"):
        await world.send("GrantApproval", {"run": name, "effect": "0"}, f"grant-{name}")
    for name in ("a", "b", "c"):
        await world.drive(name)
    assert {each.outcome for each in (await scanned(world)).values()} == {"identical"}


@told
async def test_runs_are_chosen_by_status_and_by_time(world: World) -> None:
    await run(world, "good")
    await run(world, "failing", limits={"tool_calls": 0})
    await run(world, "waiting", "(call :t.add {:n 1})", approvals=["t.add"])
    for statuses, names in (
        ({"failed"}, ["failing"]),
        ({"waiting", "completed"}, ["good", "waiting"]),
        ({"paused"}, []),
        ({"executing"}, ["waiting"]),
    ):
        assert list(await scanned(world, statuses=frozenset(statuses))) == names
    at = world.clock.now()
    assert await scanned(world, since=at + timedelta(seconds=1)) == {}
    assert len(await scanned(world, since=datetime(2000, 1, 1, tzinfo=UTC))) == 3


@pytest.mark.parametrize("largest", [0, 2_000, 10**9])
def test_what_is_too_much_to_hold_is_loaded_again(largest: int) -> None:
    async def story() -> None:
        world = World()
        await run(world, "good")
        await run(world, "waiting", "(call :t.add {:n 1})", approvals=["t.add"])
        await copied(world, "good", "forged", result=7)
        assert outcomes(await scanned(world, largest_held=largest)) == {
            "good": ("identical", "completed"),
            "forged": ("diverged", "completed"),
            "waiting": ("open", "waiting"),
        }

    simulate(story())


@told
async def test_what_this_release_cannot_read_is_refused_and_the_rest_goes_on(world: World) -> None:
    await run(world, "before")
    stream = StreamId(TENANT, "run", "later")
    data = {"task": {}, "deadline": ""}
    for version, (kind, given) in enumerate(
        (("precedent.run.RunSubmitted.v9", data), ("precedent.run.RunCompleted.v1", {"output": 1})), start=1
    ):
        draft = Draft(
            id=f"later-{version}",
            type=kind,
            time="2026-01-01T00:00:00.000000Z",
            correlation="later",
            causation="c",
            actor="agent:x",
            data=given,
        )
        head = (await world.store.load(stream)).head
        await world.store.append(stream, [draft], head)
    await run(world, "after")
    found = await scanned(world)
    assert outcomes(found) == {
        "before": ("identical", "completed"),
        "later": ("refused", "unknown"),
        "after": ("identical", "completed"),
    }
    assert found["later"].error is not None
    assert found["later"].error.code == "event.unknown-type"


@told
async def test_a_run_whose_content_is_gone_is_refused_and_the_rest_goes_on(world: World) -> None:
    long = f'(call :t.read {{:n (count "{"x" * 70_000}")}})'
    await run(world, "before", long)
    await run(world, "gone", long.replace("x", "y"))
    await run(world, "after")
    assert {each.outcome for each in (await scanned(world)).values()} == {"identical"}
    first = (await world.store.load(StreamId(TENANT, "run", "gone"))).events[0]
    content = world.services.content
    assert isinstance(content, MemoryContentStore)
    del content._blobs[TENANT, first.document["data"]["task"]["$content"]]
    found = await scanned(world)
    assert outcomes(found) == {
        "before": ("identical", "completed"),
        "gone": ("refused", "unknown"),
        "after": ("identical", "completed"),
    }
    assert isinstance(found["gone"].error, NotFound)
    assert found["gone"].error.code == "stored.content-gone"
    assert "event 1 (RunSubmitted) of /acme/run/gone needs what is gone" in str(found["gone"].error)


@told
async def test_events_behind_the_end_or_without_a_beginning_are_found(world: World) -> None:
    await run(world, "good")
    slice_ = await world.store.load(StreamId(TENANT, "run", "good"))
    again = slice_.events[5]
    draft = Draft(
        id="more",
        type=again.type,
        time=again.time,
        correlation="good",
        causation="c",
        actor="agent:x",
        data=again.data,
    )
    await world.store.append(StreamId(TENANT, "run", "good"), [draft], slice_.head)
    await world.store.append(StreamId(TENANT, "run", "headless"), [draft], Head())
    found = [(each.run, each.outcome) async for each in scan(world.store, Wanted(tenant=TENANT), verified)]
    assert found == [("good", "identical"), ("good", "refused"), ("headless", "refused")]


@told
async def test_progress_follows_the_log(world: World) -> None:
    for name in ("a", "b"):
        await run(world, name)
    seen: list[Position] = []
    async for _ in scan(world.store, Wanted(tenant=TENANT), verified, seen.append):
        pass
    end = await world.store.end()
    assert seen[-1].sequence == end.sequence(0, 0)
    assert seen == sorted(seen)
