"""Whatever is wrong with a tier, a run goes on, and the record says what was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from commands.cache.terms import TIER_RESTS
from commands.cache.warming import SIZED_EVERY, Sizing, keep_sized, warm
from commands.indexes import Dropped
from commands.runs.driver import Driver
from domain.cache.events import CacheTuned
from domain.cache.keys import CacheKey
from domain.cache.rules import DEFAULT_SECONDS, Held
from domain.cache.tuning import ENOUGH
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId
from domain.kernel.values import format_time
from domain.tools import ToolNotDeclarable
from tests.commands.caching import DECLARED, L2, CachingWorld, declared
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

DOUBLE = "(call :m.double {:n 21})"
GET = "(call :crm.get {:n 1})"
SET = "(call :crm.set {:n 7})"


class Bad:
    """The ``CacheTier`` port with a fault."""

    def __init__(self, name: Literal["process", "shared", "database"] = "database") -> None:
        self.name = name
        self.asked = 0
        self.fault: Callable[[Held | None], Any] = lambda held: held
        self.held: Held | None = None

    async def get(self, tenant: str, key: CacheKey) -> Held | None:
        del tenant, key
        self.asked += 1
        found = self.fault(self.held)
        if isinstance(found, Exception):
            raise found
        if asyncio.iscoroutine(found):
            found = await found
        return found  # type: ignore[no-any-return]

    async def put(self, held: Held) -> None:
        found = self.fault(held)
        if isinstance(found, Exception):
            raise found

    async def drop(self, dropped: Dropped) -> None:
        found = self.fault(None)
        if isinstance(found, Exception):
            raise found


@pytest.fixture
def world() -> CachingWorld:
    return CachingWorld()


def changed(**fields: Any) -> Callable[[Held | None], Held]:
    def change(held: Held | None) -> Held:
        assert held is not None
        return replace(held, published=held.published.model_copy(update=fields))

    return change


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda _: ServiceUnreachable("nobody is there"), "database: service.unreachable: nobody is there"),
        (lambda _: StoredDataInvalid("it is no entry"), "database: stored.invalid: it is no entry"),
        (lambda _: RuntimeError("a fault of ours"), "database: RuntimeError: a fault of ours"),
        (lambda _: asyncio.sleep(3_600), "database: no answer within 1 s"),
        (lambda held: replace(held, tenant="other"), "database: the entry is another tenant's"),
        (changed(version="m.double@2"), "database: the entry answers another key"),
        (changed(namespace="other"), "database: the entry answers another key"),
        (changed(digest="short"), "database: the entry cannot be read"),
        (changed(volatility="never"), "database: the entry says that it must never be kept"),
        (changed(expires="2020-01-01T00:00:00Z"), "database: it expired at 2020"),
        (changed(expires="whenever"), "database: the entry cannot be read"),
        (changed(value=None), "database: the entry cannot be read"),
        (changed(value=[1]), "database: the entry cannot be read"),
        (changed(value={"result": "no number"}), "database: the entry cannot be read: its result is not of the"),
        (changed(value={"result": {"$int": "x"}}), "database: the entry cannot be read"),
        (changed(value={"result": 1, "error": 2}), "database: the entry cannot be read"),
        (changed(value={"error": {"type": 1, "message": "m"}}), "database: the entry cannot be read"),
        (changed(value={"result": "x" * 1_000_000}), "database: the entry cannot be read"),
    ],
    ids=range(18),
)
def test_a_bad_tier_is_a_miss_with_its_reason(world: CachingWorld, fault: Any, reason: str) -> None:
    async def story() -> None:
        bad = Bad()
        async with world.listening():
            await world.call("a", DOUBLE)
            bad.held = await world.shared.get(TENANT, await world.published_key())
        bad.fault = fault
        world.far = [bad]
        two = world.process("two", near=())
        async with world.listening(two):
            assert await world.call("b", DOUBLE, two) == 42
        missed = (await world.lookups("b"))[0]
        assert missed.outcome == "miss"
        assert missed.reason.startswith(reason), missed.reason
        assert await world.sources("b") == ["executed"]
        assert (await world.verify("b")).effects == 1

    simulate(story())


def test_a_model_is_asked_where_its_entry_is_no_answer(world: CachingWorld) -> None:
    async def story() -> None:
        bad = Bad()
        world.models.answers[:] = ["(+ 1 2)", "(+ 1 2)"]
        async with world.listening():
            await world.submit("a", None, tools=["m.double"], cache=L2)
            await world.one.drive("a")
            bad.held = await world.shared.get(TENANT, await world.published_key())
        bad.fault = changed(value={"text": 7, "served_model": "m"})
        world.far = [bad]
        two = world.process("two", near=())
        async with world.listening(two):
            await world.submit("b", None, tools=["m.double"], cache=L2)
            await two.drive("b")
        assert (await world.state("b")).output == 3
        assert len(world.models.asked) == 2

    simulate(story())


def test_a_tier_that_failed_is_left_alone_for_a_while(world: CachingWorld) -> None:
    async def story() -> None:
        bad = Bad("shared")
        bad.fault = lambda _: ServiceUnreachable("nobody is there")
        two = world.process("two", near=(bad,))
        async with world.listening(two):
            await world.call("a", DOUBLE, two)
            await world.call("b", DOUBLE, two)
            assert bad.asked == 1, "a run waits for it once"
            assert "left alone" in (await world.lookups("b"))[0].reason
            await asyncio.sleep(TIER_RESTS)
            bad.fault = lambda held: held
            await world.call("c", DOUBLE, two)
            assert bad.asked > 1
        assert world.counted.calls["m.double"] == 3

    simulate(story())


def test_flights_that_cannot_be_reached_cost_a_call_and_no_more(world: CachingWorld) -> None:
    class Grounded:
        async def begin(self, tenant: str, entry: str) -> None:
            raise ServiceUnreachable(f"{tenant}/{entry}")

        async def ended(self, tenant: str, entry: str) -> None:
            raise ServiceUnreachable(f"{tenant}/{entry}")

    async def story() -> None:
        world.flights = Grounded()
        two = world.process("two")
        async with world.listening(two):
            outputs = await asyncio.gather(*(world.call(f"r{n}", DOUBLE, two) for n in range(4)))
        assert outputs == [42] * 4
        assert world.counted.calls["m.double"] == 1, "within a process there is one call all the same"

    simulate(story())


def test_a_holder_that_dies_is_followed_by_another(world: CachingWorld) -> None:
    async def story() -> None:
        two = world.process("two")

        async def hang(_: str) -> None:
            if world.counted.calls["m.double"] == 1:
                await asyncio.Event().wait()

        world.counted.during = hang
        async with world.listening(world.one, two):
            await world.submit("a", DOUBLE, tools=list(DECLARED), cache=L2)
            dying = asyncio.create_task(world.one.drive("a"))
            await asyncio.sleep(0.5)
            waiting = asyncio.create_task(world.call("b", DOUBLE, two))
            await asyncio.sleep(5)
            assert not waiting.done()
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
            assert await waiting == 42
        assert world.counted.calls["m.double"] == 2

    simulate(story())


def test_a_log_that_cannot_be_written_leaves_the_wake_to_be_delivered_again(world: CachingWorld) -> None:
    async def story() -> None:
        world.slow.lost = True
        async with world.listening():
            with pytest.raises(ServiceUnreachable):
                await world.call("a", DOUBLE)
            world.slow.lost = False
            await world.one.drive("a")
        assert len(await world.published()) == 1

    simulate(story())


def test_a_write_by_a_tool_that_is_not_here_moves_everything(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", GET)
            await record(world, "elsewhere", "ToolCallRequested", tool="erp.push", version="1")
            await asyncio.sleep(0.1)
            await world.call("b", GET)
            assert (await world.lookups("b"))[0].reason == "run elsewhere is writing crm"
            await record(world, "elsewhere", "ToolCallCompleted", tool="erp.push", version="1")
            await asyncio.sleep(0.1)
            await world.call("c", GET)
            await world.call("d", GET)
        assert world.counted.calls["crm.get"] == 3

    simulate(story())


def test_a_write_whose_run_ended_may_still_be_under_way(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await record(world, "w", "ToolCallRequested", tool="crm.set", version="1")
            await record(world, "w", "RunCancelled")
            await asyncio.sleep(0.1)
            await world.call("a", GET)
            assert (await world.lookups("a"))[0].reason == "run w ended while it wrote crm"
            await asyncio.sleep(89)  # its timeout is 60 s, and a worker has 30 s more
            await world.call("b", GET)
            assert await world.published() == []
            await asyncio.sleep(2)
            await world.call("c", GET)
            await world.call("d", GET)
            assert await world.sources("d") == ["cache"]

    simulate(story())


def test_a_process_that_starts_late_knows_what_was_written(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", SET)
            await world.call("b", GET)
            await record(world, "open", "ToolCallRequested", tool="crm.set", version="1")
        late = world.process("late")
        assert late.cache.data is not None
        late.feed.heard["run"] = await late.cache.data.catch_up(world.store)
        async with world.listening(late):
            await world.call("c", GET, late)
            assert (await world.lookups("c"))[0].reason == "run open is writing crm"
            await record(world, "open", "ToolCallFailed", tool="crm.set", version="1")
            await asyncio.sleep(0.1)
            await world.call("d", GET, late)
            await world.call("e", GET, late)
            assert await world.sources("e") == ["cache"]
        again = world.process("again")
        assert again.cache.data is not None
        again.feed.heard["run"] = await again.cache.data.catch_up(world.store)
        async with world.listening(again):
            await world.call("f", GET, again)
            assert await world.sources("f") == ["cache"], "both know the data by the same name"

    simulate(story())


async def record(world: CachingWorld, run: str, kind: str, **data: Any) -> None:
    stream = StreamId(TENANT, "run", run)
    head = (await world.store.load(stream)).head
    draft = Draft(
        id=f"{run}-{head.version}", type=f"precedent.run.{kind}.v1", time=format_time(world.clock.now()),
        correlation=run, causation=run, actor="agent:executor", data={"effect": "0", **data},
    )  # fmt: skip
    await world.store.append(stream, [draft], head)


def test_answers_that_stay_the_same_last_longer_in_every_process(world: CachingWorld) -> None:
    async def story() -> None:
        two = world.process("two")
        async with world.listening(world.one, two):
            for number in range(ENOUGH + 1):
                await world.call(f"r{number}", GET)
                world.clock.jump(86_401)
            (tuned,) = [event for event in await world.cache_events() if isinstance(event, CacheTuned)]
            assert (tuned.before, tuned.after, tuned.kind, tuned.volatility) == (86_400, 172_800, "tool", "slow")
            for process in (world.one, two):
                assert process.cache.lasting.of(TENANT, "default", "tool", "slow") == 172_800
                assert process.cache.lasting.of(TENANT, "default", "model", "slow") == 86_400
                assert process.cache.lasting.of("other", "default", "tool", "slow") == 86_400

    simulate(story())


def test_a_process_begins_with_what_has_saved_most(world: CachingWorld) -> None:
    class Source:
        async def most_valuable(self, now: str, limit: int) -> list[Held]:
            del now
            return held[:limit]

    async def story() -> None:
        async with world.listening():
            for number in range(6):
                await world.call(f"r{number}", f"(call :m.double {{:n {number}}})")
        held.extend(world.one.cache.near[0]._entries.values())  # type: ignore[attr-defined]
        held[1] = replace(held[1], published=held[1].published.model_copy(update={"expires": "2020-01-01T00:00:00Z"}))
        two = world.process("two")
        near: Any = two.cache.near[0]
        near.resize(most_bytes=near.most_bytes, most_entries=8)
        assert await warm(two.cache, near, Source(), world.clock, "now") == 3, "half of 8, but for what has expired"
        near.resize(most_bytes=near.most_bytes, most_entries=1)
        assert await near.get(TENANT, held[0].key) is not None, "the most valuable one stays longest"

    held: list[Held] = []
    simulate(story())


def test_a_process_begins_cold_where_nobody_knows_what_is_valuable(world: CachingWorld) -> None:
    class Gone:
        async def most_valuable(self, now: str, limit: int) -> list[Held]:
            raise ServiceUnreachable(f"{now} {limit}")

    async def story() -> None:
        near: Any = world.one.cache.near[0]
        assert await warm(world.one.cache, near, Gone(), world.clock, "now") == 0

    simulate(story())


def test_the_near_tier_grows_where_entries_had_to_go(world: CachingWorld) -> None:
    async def story() -> None:
        near: Any = world.one.cache.near[0]
        near.resize(most_bytes=near.most_bytes, most_entries=2)
        sizing = Sizing(near, ceiling=5)
        async with world.listening():
            for number in range(6):
                await world.call(f"r{number}", f"(call :m.double {{:n {number}}})")
        assert sizing.look() == (2, 4, "of 6 entries that came, 4 others had to go for them")
        assert near.most_entries == 4
        assert sizing.look() is None, "nothing has come since"

    simulate(story())


def test_a_tier_is_resized_for_ever_and_each_time_the_log_is_told(world: CachingWorld) -> None:
    """Also while the log is away: then nobody is told, and the tier has its room all the same."""

    async def call_six(beginning: int) -> None:
        for number in range(beginning, beginning + 6):
            await world.call(f"r{number}", f"(call :m.double {{:n {number}}})")

    async def said() -> list[tuple[str, float, float]]:
        tuned = [event for event in await world.cache_events() if isinstance(event, CacheTuned)]
        assert {(each.namespace, each.kind, each.volatility) for each in tuned} <= {("default", None, None)}
        return [(each.setting, each.before, each.after) for each in tuned]

    async def story() -> None:
        near: Any = world.one.cache.near[0]
        near.resize(most_bytes=near.most_bytes, most_entries=2)
        services, gone = world.one.services, _away(world.one.services)
        async with world.listening():
            sizing = Sizing(near, ceiling=9)
            keeping = asyncio.create_task(keep_sized(services, world.one.cache, TENANT, sizing))
            await call_six(0)
            assert await said() == []
            await asyncio.sleep(SIZED_EVERY + 1)
            assert (near.most_entries, await said()) == (4, [("size", 2, 4)])
            await asyncio.sleep(SIZED_EVERY)
            assert await said() == [("size", 2, 4)], "nothing came since"
            keeping.cancel()
            keeping = asyncio.create_task(keep_sized(gone, world.one.cache, TENANT, sizing))
            await call_six(6)
            await asyncio.sleep(SIZED_EVERY + 1)
            assert (near.most_entries, len(await said())) == (8, 1)
            assert not keeping.done()
            keeping.cancel()
        two = world.process("two")
        async with world.listening(two):
            for volatility in ("slow", "fast"):
                assert two.cache.lasting.of(TENANT, "default", "tool", volatility) == DEFAULT_SECONDS[volatility], (
                    "the size of one process's tier is nobody else's"
                )

    simulate(story())


def _away(services: Any) -> Any:
    class Away:
        async def load(self, *_: Any) -> Any:
            raise ServiceUnreachable("the log does not answer")

    return replace(services, store=Away())


@pytest.mark.parametrize(
    "terms",
    [
        {"effects": "write", "volatility": "static"},
        {"effects": "read", "volatility": "fast"},
        {"effects": "pure", "stateful": True, "volatility": "slow"},
        {"effects": "read", "data": "a b"},
        {"effects": "read", "data": ""},
    ],
    ids=repr,
)
def test_a_tool_that_says_what_cannot_be_is_not_declared(terms: dict[str, Any]) -> None:
    with pytest.raises(ToolNotDeclarable):
        declared("t.x", **terms)


@pytest.mark.parametrize(
    ("terms", "lasting"),
    [
        ({"effects": "pure"}, "static"),
        ({"effects": "pure", "volatility": "fast"}, "fast"),
        ({"effects": "pure", "volatility": "never"}, "never"),
        ({"effects": "pure", "momentary": True}, "never"),
        ({"effects": "pure", "stateful": True}, "never"),
        ({"effects": "read"}, "never"),
        ({"effects": "read", "data": "crm"}, "slow"),
        ({"effects": "read", "data": "crm", "momentary": True, "volatility": "fast"}, "fast"),
        ({"effects": "write", "data": "crm"}, "never"),
        ({"effects": "external"}, "never"),
    ],
    ids=repr,
)
def test_how_long_answers_last_follows_from_the_declaration(terms: dict[str, Any], lasting: str) -> None:
    assert declared("t.x", **terms).lasting == lasting


def test_a_process_that_has_much_to_hear_gives_nothing_before_it_has(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE)
        world.clock.jump(10)
        two = world.process("two")
        told = asyncio.Event()

        async def slowly(_: object) -> None:
            await told.wait()

        two.feed.listeners["cache"].append(slowly)  # type: ignore[index]
        following = asyncio.create_task(two.feed.follow())
        await asyncio.sleep(0.1)
        assert two.feed.silent_for("cache") == float("inf")
        told.set()
        await asyncio.sleep(0.1)
        assert 9 < two.feed.silent_for("cache") < 11, "what came was old, and there may be more"
        await asyncio.sleep(0.3)
        assert two.feed.silent_for("cache") < 1, "the log said that this was all"
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    simulate(story())


def test_a_run_that_is_stopped_before_it_asks_keeps_nobody_waiting(world: CachingWorld) -> None:
    tier = Bad()
    world.far.append(tier)
    world.one = world.process("one")

    async def main() -> None:
        async with world.listening():
            looking = asyncio.Event()

            def slow(_: Held | None) -> Any:
                if tier.asked % 2:
                    return None
                looking.set()  # once more, now that the others wait for this run
                return asyncio.sleep(0.5)

            tier.fault = slow
            assert (await world.submit("r1", DOUBLE, tools=list(DECLARED), cache=L2)).outcome == "accepted"
            stopped = asyncio.create_task(world.one.drive("r1"))
            await looking.wait()
            stopped.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
            tier.fault = lambda _: None
            async with asyncio.timeout(30):
                assert await world.call("r2", DOUBLE) == 42
                assert await world.call("r3", DOUBLE, by=world.process("two")) == 42

    simulate(main())


def test_a_run_that_is_stopped_before_it_publishes_keeps_nobody_waiting(world: CachingWorld) -> None:
    async def main() -> None:
        async with world.listening():
            await world.submit("r1", DOUBLE, tools=list(DECLARED), cache=L2)
            driver = Driver(world.one.services, StreamId(TENANT, "run", "r1"), "one/1")
            stopped = asyncio.create_task(driver.drive())
            exact = driver._executor.caller.exact
            publish = exact._begin_publishing

            def stop_at_once(waiting: Any) -> None:
                publish(waiting)
                stopped.cancel()

            exact._begin_publishing = stop_at_once  # type: ignore[method-assign]
            assert await asyncio.gather(stopped, return_exceptions=True) != [None]
            async with asyncio.timeout(30):
                assert await world.call("r2", DOUBLE) == 42

    simulate(main())
