"""An answer that was given before is given again, on the record, and everything else is a miss with its reason."""

from __future__ import annotations

import asyncio

import pytest

from commands.indexes import Dropped
from commands.replays.executing import re_execute
from domain.cache.events import CacheEntryDisputed
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost
from domain.runs.events import ModelCallAnswered, ToolCallFailed
from domain.runs.state import Phase
from tests.commands.caching import L2, CachingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

DOUBLE = "(call :m.double {:n 21})"
GET = "(call :crm.get {:n 1})"
SET = "(call :crm.set {:n 7})"


@pytest.fixture
def world() -> CachingWorld:
    return CachingWorld()


def test_a_pure_tool_is_called_once(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            assert await world.call("a", DOUBLE) == 42
            assert await world.call("b", DOUBLE) == 42
        assert world.counted.calls["m.double"] == 1
        assert (await world.sources("a"), await world.sources("b")) == (["executed"], ["cache"])
        (missed,), (hit,) = await world.lookups("a"), await world.lookups("b")
        assert (missed.outcome, missed.reason, missed.tier) == ("miss", "no entry has this key", None)
        assert missed.code == "absent"
        assert (hit.outcome, hit.tier, hit.entry) == ("hit", "process", missed.entry)
        (published,) = await world.published()
        assert (published.run, published.volatility, published.expires) == ("a", "static", None)
        assert published.depends == ("tool:m.double@1",)
        assert (await world.state("b")).spent.tool_calls == 1, "limits count what is given again, too"

    simulate(story())


def test_what_an_answer_or_a_failure_of_a_tool_had_cost_is_told_where_it_is_given_again(world: CachingWorld) -> None:
    async def story() -> None:
        world.counted.took = 0.25
        async with world.listening():
            for run in ("a", "b"):
                await world.call(run, DOUBLE)
                await world.call(f"{run}-fails", "(try (call :m.fails {:n 1}) (catch :m.overflow e 0))")
            for name in ("a", "a-fails"):
                (first,), (again,) = await world.tool_events(name), await world.tool_events(name.replace("a", "b", 1))
                assert (first.source, first.saved) == ("executed", Cost())
                assert (again.source, again.saved) == ("cache", Cost(seconds=first.duration))
                assert first.duration == 0.25
                assert "saved" not in first.as_json()

    simulate(story())


def test_another_process_finds_it_in_what_they_share(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE)
        late = world.process("late")
        async with world.listening(late):
            await late.cache.near[0].drop(Dropped(TENANT, namespace="default"))
            assert await world.call("b", DOUBLE, late) == 42
            assert (await world.lookups("b"))[0].tier == "shared"
            await world.call("c", DOUBLE, late)
            assert (await world.lookups("c"))[0].tier == "process", "what is found lower is promoted"
        assert world.counted.calls["m.double"] == 1

    simulate(story())


@pytest.mark.parametrize("tool", ["m.dice", "m.count", "web.get", "crm.set", "mail.send"])
def test_what_may_differ_is_never_given_again(world: CachingWorld, tool: str) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", f"(call :{tool} {{:n 1}})")
            await world.call("b", f"(call :{tool} {{:n 1}})")
        assert world.counted.calls[tool] == 2
        assert await world.published() == []
        assert await world.lookups("b") == []

    simulate(story())


def test_nothing_is_looked_up_unless_the_task_asks_for_it(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE, cache={"levels": ["L4"]})
            await world.call("b", DOUBLE, cache=L2)
            await world.call("c", DOUBLE, cache={**L2, "namespace": "other"})
        assert world.counted.calls["m.double"] == 3, "and namespaces are apart"
        assert len(await world.published()) == 2

    simulate(story())


def test_a_model_is_asked_once(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            world.models.answers[:] = ["(+ 1 2)"]
            for run in ("a", "b"):
                await world.submit(run, None, tools=["m.double"], cache=L2)
                await world.one.drive(run)
                assert (await world.state(run)).output == 3
        assert len(world.models.asked) == 1
        (answer,) = [event for event in await world.events("b") if isinstance(event, ModelCallAnswered)]
        assert (answer.source, answer.prompt_tokens, answer.completion_tokens, answer.usd) == ("cache", 0, 0, 0.0)
        assert (answer.saved.tokens, answer.saved.usd) == (15, 0.25)
        assert (await world.state("b")).spent.tokens == 0
        (hit,) = await world.lookups("b")
        assert hit.outcome == "hit"

    simulate(story())


def test_another_question_is_another_key(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            world.models.answers[:] = ["(+ 1 2)", "(+ 1 2)", "(+ 1 2)"]
            for number, more in enumerate([{}, {"goal": "Another"}, {"tools": ["m.double", "m.dice"]}]):
                await world.submit(f"r{number}", None, **({"tools": ["m.double"], "cache": L2} | more))
                await world.one.drive(f"r{number}")
        assert len(world.models.asked) == 3

    simulate(story())


def test_a_replay_asks_no_cache(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE)
            await world.call("b", DOUBLE)
        events = await world.events("b")
        world.one.cache.near[0].__dict__.clear()  # whoever asks it now, breaks
        assert (await world.verify("b")).effects == 1
        again = await re_execute(world.counted, StreamId(TENANT, "run", "b"), events)
        assert (again.executed, again.others) == (1, ())
        assert world.counted.calls["m.double"] == 2, "a re-execution really calls what had been given again"

    simulate(story())


def test_what_a_pure_tool_refuses_it_refuses_again(world: CachingWorld) -> None:
    async def story() -> None:
        plan = "(try (call :m.fails {:n 1}) (catch :m.overflow e 0))"
        async with world.listening():
            assert await world.call("a", plan) == 0
            assert await world.call("b", plan) == 0
        assert world.counted.calls["m.fails"] == 1
        (failed,) = [event for event in await world.events("b") if isinstance(event, ToolCallFailed)]
        assert (failed.source, failed.error.type) == ("cache", "m.overflow")
        assert (await world.verify("b")).effects == 1

    simulate(story())


@pytest.mark.parametrize("kind", ["tool.timeout", "tool.raised", "tool.sandbox-unavailable", "tool.unheard-of"])
def test_a_failure_that_may_pass_is_not_kept(world: CachingWorld, kind: str) -> None:
    async def story() -> None:
        world.counted.failure = kind
        async with world.listening():
            await world.call("a", "(call :m.fails {:n 1})")
            await world.call("b", "(call :m.fails {:n 1})")
        assert world.counted.calls["m.fails"] == 2
        assert (await world.state("b")).phase is Phase.FAILED

    simulate(story())


def test_of_those_who_ask_at_once_one_calls(world: CachingWorld) -> None:
    async def story() -> None:
        two = world.process("two")

        async def take_a_while(_: str) -> None:
            await asyncio.sleep(3)

        world.counted.during = take_a_while
        async with world.listening(world.one, two):
            runs = [(f"r{number}", (world.one, two)[number % 2]) for number in range(10)]
            outputs = await asyncio.gather(*(world.call(run, DOUBLE, process) for run, process in runs))
        assert outputs == [42] * 10
        assert world.counted.calls["m.double"] == 1
        assert len(await world.published()) == 1
        sources = [source for run, _ in runs for source in await world.sources(run)]
        assert sorted(sources) == ["cache"] * 9 + ["executed"]

    simulate(story())


def test_where_the_one_who_calls_fails_the_others_call(world: CachingWorld) -> None:
    async def story() -> None:
        world.counted.failure = "tool.timeout"

        async def take_a_while(_: str) -> None:
            await asyncio.sleep(1)

        world.counted.during = take_a_while
        async with world.listening():
            await asyncio.gather(*(world.call(f"r{number}", "(call :m.fails {:n 1})") for number in range(4)))
        assert world.counted.calls["m.fails"] == 4

    simulate(story())


def test_another_answer_of_a_static_tool_is_noted_and_the_first_is_kept(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE)
            # A process that cannot look asks anew, and is told otherwise.
            blind = world.process("blind", silent_for=lambda _: 60.0)
            world.counted.factor = 3
            assert await world.call("b", DOUBLE, blind) == 63
            (missed,) = await world.lookups("b")
            assert "has not been heard for 60.0 s" in missed.reason
            assert await world.call("c", DOUBLE) == 42
        assert isinstance((await world.cache_events())[-1], CacheEntryDisputed)

    simulate(story())


def test_a_write_moves_the_version_of_its_data(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            assert await world.call("a", GET) == 100
            assert await world.call("b", GET) == 100
            assert world.counted.calls["crm.get"] == 1
            await world.call("c", SET)
            assert await world.call("d", GET) == 7
            assert await world.call("e", GET) == 7
            assert world.counted.calls["crm.get"] == 2
            await world.call("f", "(call :mail.send {:n 1})")
            assert await world.call("g", GET) == 7
            assert world.counted.calls["crm.get"] == 2, "mail is no write of crm"
        (entry, *_) = await world.published()
        assert entry.version == "crm.get@1+crm:unwritten"
        assert entry.depends == ("tool:crm.get@1", "data:crm")

    simulate(story())


def test_no_read_is_given_again_within_the_run_that_wrote(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", GET)
            plan = "(let [a (call :crm.get {:n 1}) b (call :crm.set {:n 9}) c (call :crm.get {:n 1})] [a b c])"
            assert await world.call("b", plan, output=":any") == [100, 9, 9]

    simulate(story())


def test_while_a_write_is_under_way_nothing_is_given_again_or_kept(world: CachingWorld) -> None:
    async def story() -> None:
        two = world.process("two")

        async def slowly(name: str) -> None:
            if name == "crm.set":
                await asyncio.sleep(5)

        world.counted.during = slowly
        async with world.listening(world.one, two):
            await world.call("a", GET)
            writing = asyncio.create_task(world.call("w", SET))
            await asyncio.sleep(1)
            assert await world.call("b", GET, two) == 100
            (missed,) = await world.lookups("b")
            assert missed.reason == "run w is writing crm"
            await writing
            assert await world.call("c", GET, two) == 7
        assert world.counted.calls["crm.get"] == 3

    simulate(story())


def test_a_process_that_hears_nothing_gives_nothing_again(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", GET)
            await world.call("a2", DOUBLE)
        await asyncio.sleep(2)
        assert await world.call("b", GET) == 100
        assert await world.call("c", DOUBLE) == 42
        assert world.counted.calls["crm.get"] == 2
        assert world.counted.calls["m.double"] == 2
        reasons = [(await world.lookups(run))[0].reason for run in ("b", "c")]
        assert all("has not been heard for 2.0 s" in reason for reason in reasons), reasons

    simulate(story())


def test_an_answer_lives_as_long_as_its_volatility_says(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", GET)
            world.clock.jump(86_399)
            await world.call("b", GET)
            assert world.counted.calls["crm.get"] == 1
            world.clock.jump(2)
            await world.call("c", GET)
            assert world.counted.calls["crm.get"] == 2
            (missed,) = await world.lookups("c")
            assert "it expired at" in missed.reason
            world.clock.jump(-200_000)
            await world.call("d", GET)
            assert world.counted.calls["crm.get"] == 2, "a clock set back finds what has not expired then"
        assert len(await world.published()) == 2

    simulate(story())


def test_a_worker_that_vanished_before_publishing_is_made_up_for(world: CachingWorld) -> None:
    async def story() -> None:
        async def hang(name: str) -> None:
            if name == "mail.send":
                await asyncio.Event().wait()

        two = world.process("two")
        world.slow.seconds, world.counted.during = 1_000.0, hang
        async with world.listening(world.one, two):
            plan = f"(do {DOUBLE} (call :crm.get {{:n 1}}) (call :mail.send {{:n 1}}))"
            dying = asyncio.create_task(world.call("a", plan))
            await asyncio.sleep(1)
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
            assert await world.published() == [], "it vanished just in time"
            world.slow.seconds, world.counted.during = 0.0, None
            await asyncio.sleep(31)
            await two.drive("a")
        assert (await world.state("a")).phase is Phase.COMPLETED
        assert [entry.depends[0] for entry in await world.published()] == ["tool:m.double@1", "tool:crm.get@1"]

    simulate(story())


@pytest.mark.parametrize(
    ("command", "data", "given_again"),
    [
        ("InvalidateCache", {"namespace": "default"}, False),
        ("InvalidateCache", {"namespace": "default", "level": "L2", "tag": "m"}, False),
        ("InvalidateCache", {"namespace": "default", "depends": "tool:m.double@1"}, False),
        ("InvalidateCache", {"namespace": "default", "depends": "tool:m.double@2"}, True),
        ("InvalidateCache", {"namespace": "other"}, True),
        ("InvalidateEntry", {}, False),
    ],
    ids=repr,
)
def test_an_invalidation_reaches_every_process_within_a_second(
    world: CachingWorld, command: str, data: dict[str, str], given_again: bool
) -> None:
    async def story() -> None:
        two = world.process("two")
        async with world.listening(world.one, two):
            await world.call("a", DOUBLE)
            await world.call("b", DOUBLE, two)
            assert world.counted.calls["m.double"] == 1
            if command == "InvalidateEntry":
                data["entry"] = (await world.lookups("a"))[0].entry or ""
            answer = await world.send(command, {**data, "reason": "it was wrong"}, "c1")
            assert answer.outcome == "accepted", answer
            await asyncio.sleep(0.99)
            for run, process in (("c", two), ("d", world.one)):
                await world.call(run, DOUBLE, process)
            assert world.counted.calls["m.double"] == (1 if given_again else 2), "once, and shared again"
            assert await world.sources("d") == ["cache"]
        late = world.process("late")
        async with world.listening(late):
            await world.call("e", DOUBLE, late)
            assert await world.sources("e") == ["cache"], "what was published since is given to whoever comes later"

    simulate(story())


def test_what_a_tier_keeps_in_spite_of_an_invalidation_is_refused(world: CachingWorld) -> None:
    async def story() -> None:
        async with world.listening():
            await world.call("a", DOUBLE)
            kept = await world.shared.get(TENANT, (await world.published_key()))
            assert kept is not None
            await world.send("InvalidateCache", {"namespace": "default", "reason": "it was wrong"}, "c1")
            await asyncio.sleep(0.5)
            await world.shared.put(kept)
            await world.call("b", DOUBLE)
        (missed,) = await world.lookups("b")
        assert missed.reason == "shared: it was invalidated: it was wrong"
        assert world.counted.calls["m.double"] == 2

    simulate(story())


def test_an_answer_that_was_asked_for_before_an_invalidation_is_not_given_after_it(world: CachingWorld) -> None:
    async def story() -> None:
        async def take_a_while(_: str) -> None:
            await asyncio.sleep(5)

        world.counted.during = take_a_while
        async with world.listening():
            calling = asyncio.create_task(world.call("a", DOUBLE))
            await asyncio.sleep(1)
            await world.send("InvalidateCache", {"namespace": "default"}, "c1")
            await calling
            await world.call("b", DOUBLE)
        assert await world.sources("b") == ["executed"]

    simulate(story())


@pytest.mark.parametrize(
    ("command", "data", "outcome"),
    [
        ("InvalidateEntry", {"entry": "0" * 64}, "rejected"),
        ("InvalidateEntry", {"entry": "../etc"}, "invalid"),
        ("InvalidateCache", {"namespace": "a.b"}, "invalid"),
        ("InvalidateCache", {"namespace": "default", "level": "L7"}, "invalid"),
        ("JudgeReuse", {"namespace": "default", "run": "r", "level": "L3", "entry": "0" * 64, "score": 2.0}, "invalid"),
        (
            "JudgeReuse",
            {"namespace": "default", "run": "r", "level": "L3", "entry": "0" * 64, "score": 0.9, "correct": False},
            "accepted",
        ),
    ],
    ids=repr,
)
def test_commands_on_the_cache_are_checked(
    world: CachingWorld, command: str, data: dict[str, str], outcome: str
) -> None:
    async def story() -> None:
        assert (await world.send(command, data, "c1")).outcome == outcome

    simulate(story())


@pytest.mark.parametrize("plan", ["(+ 1", "(+ 1 2)"], ids=["does not compile", "fails its check"])
def test_an_answer_that_led_to_nothing_is_not_given_again(world: CachingWorld, plan: str) -> None:
    async def story() -> None:
        task = {"tools": ["m.double"], "cache": L2, "checks": ["(= output 4)"], "model": {"max_attempts": 1}}
        async with world.listening():
            world.models.answers[:] = [plan, "(+ 2 2)"]
            for run in ("a", "b", "c"):
                await world.submit(run, None, **task)
                await world.one.drive(run)
                await asyncio.sleep(0.1)
        assert (await world.state("a")).phase is Phase.FAILED
        assert (await world.state("b")).output == 4
        assert await world.sources("c") == ["cache"], "the good one is"
        assert len(world.models.asked) == 2

    simulate(story())
