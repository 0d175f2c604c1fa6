"""Executing an agent: what it asks in which lane and round, and that whatever it does is a step."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.agents.context import Context, ContextMisused, EffectFailed
from domain.agents.execution import LARGEST, LONGEST_MESSAGE, MOST_LANES, Waiting
from domain.kernel.values import MAX_DEPTH, Keyword
from domain.rtfs.vm import EffectRequest, Finished, Raised, Returned, Trapped
from tests.domain.agents.given import keys, pursued, started, value


def trapped(function: Any, **more: Any) -> Any:
    step, _ = pursued(function, **more)
    assert isinstance(step, Trapped), step
    return step.error


def test_effects_are_keyed_by_their_place() -> None:
    async def agent(ctx: Context, inputs: Any) -> Any:
        first = await ctx.call("a.b", path=inputs["folder"], with_items=True, class_=1)
        return [first, await ctx.now()]

    step, rounds = pursued(agent, {Keyword("folder"): "docs"})
    assert value(step) == ["0", "1"]
    assert keys(rounds) == [["0"], ["1"]]
    assert rounds[0][0].capability == "a.b"
    assert rounds[0][0].arguments == {"path": "docs", "with-items": True, "class": 1}
    line = agent.__code__.co_firstlineno
    assert [each[0].site for each in rounds] == [line + 1, line + 2]


def test_branches_have_lanes_and_advance_in_rounds() -> None:
    async def branch(ctx: Context, count: int) -> list[str]:
        return [await ctx.call("t", n=n) for n in range(count)]

    async def agent(ctx: Context, _: Any) -> Any:
        before = await ctx.call("t")
        both = await ctx.parallel(branch(ctx, 3), ctx.parallel(branch(ctx, 1), ctx.call("u")), branch(ctx, 0))
        return [before, both, await ctx.call("t")]

    step, rounds = pursued(agent)
    assert keys(rounds) == [["0"], ["1/0/0", "1/1/0/0/0", "1/1/0/1/0"], ["1/0/1"], ["1/0/2"], ["2"]]
    assert value(step) == ["0", [["1/0/0", "1/0/1", "1/0/2"], [["1/1/0/0/0"], "1/1/0/1/0"], []], "2"]


def test_what_lanes_do_to_shared_data_is_the_same_every_time() -> None:
    async def branch(ctx: Context, name: str, seen: list[str]) -> None:
        for _ in range(3):
            await ctx.call("t")
            seen.append(name)

    async def agent(ctx: Context, _: Any) -> Any:
        seen: list[str] = []
        await ctx.parallel(*(branch(ctx, name, seen) for name in "abc"))
        return "".join(seen)

    assert {value(pursued(agent)[0]) for _ in range(20)} == {"abcabcabc"}


def test_all_branches_settle_and_the_lowest_error_wins() -> None:
    settled: list[str] = []

    async def branch(ctx: Context, name: str, calls: int) -> None:
        try:
            for _ in range(calls):
                await ctx.call("t")
        finally:
            settled.append(name)
        raise ValueError(name)

    async def agent(ctx: Context, _: Any) -> Any:
        await ctx.parallel(branch(ctx, "slow", 3), branch(ctx, "fast", 1), ctx.call("t"))

    error = trapped(agent)
    assert (error.type, error.message) == ("agent.raised", "ValueError: slow")
    assert settled == ["fast", "slow"]


def test_nothing_side_by_side_and_too_much() -> None:
    async def nothing(ctx: Context, _: Any) -> Any:
        return [await ctx.parallel(), await ctx.call("t")]

    assert value(pursued(nothing)[0]) == [[], "1"]

    async def much(ctx: Context, _: Any) -> Any:
        await ctx.parallel(*[ctx.call("t") for _ in range(MOST_LANES + 1)])

    assert f"at most {MOST_LANES} at once" in trapped(much).message

    async def endless_groups(ctx: Context, _: Any) -> int:
        for _round in range(20_000):  # far deeper than the stack, were each a call within the other
            await ctx.parallel()
        return 1

    assert value(pursued(endless_groups)[0]) == 1


def test_a_failed_effect_can_be_caught_or_ends_the_run_with_its_type() -> None:
    def refuse(request: EffectRequest) -> Raised:
        return Raised("fs.not-found", f"{request.arguments['path']} is not there")

    async def catches(ctx: Context, _: Any) -> Any:
        try:
            await ctx.call("fs.read", path="x")
        except EffectFailed as error:
            return [error.type, str(error), error.effect]

    assert value(pursued(catches, answer=refuse)[0]) == ["fs.not-found", "x is not there", "0"]

    async def lets_go(ctx: Context, _: Any) -> Any:
        await ctx.parallel(ctx.call("fs.read", path="x"))

    error = trapped(lets_go, answer=refuse)
    assert (error.type, error.effect, error.site) == ("fs.not-found", "0/0/0", lets_go.__code__.co_firstlineno + 1)


def test_a_patch_is_asked_once_and_takes_no_place() -> None:
    async def agent(ctx: Context, _: Any) -> Any:
        return [await ctx.patched("v2"), await ctx.patched("v2"), await ctx.call("t")]

    step, rounds = pursued(agent, answer=lambda request: Returned(request.capability == "ctx.patched"))
    assert keys(rounds) == [["ctx.patched/v2"], ["0"]]
    assert value(step) == [True, True, False]

    async def branches(ctx: Context, _: Any) -> Any:
        return await ctx.parallel(ctx.patched("v2"), ctx.patched("v2"), ctx.call("t"))

    _, rounds = pursued(branches)
    assert keys(rounds) == [["ctx.patched/v2", "0/2/0"]]


@types.coroutine
def foreign() -> Any:
    yield asyncio.Future.__new__(asyncio.Future)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (lambda ctx: foreign(), "ctx.sleep, ctx.call and ctx.parallel instead of asyncio"),
        (lambda ctx: ctx.call("t", path={1, 2}), "give sorted(…)"),
        (lambda ctx: ctx.call("t", path=object()), "object is no plain data"),
        (lambda ctx: ctx.call("t", path={None: 1}), "a map has a key of NoneType"),
        (lambda ctx: ctx.call("t", path="\ud800"), "unpaired surrogate"),
        (lambda ctx: ctx.call("t", path=datetime(2026, 1, 1)), "has no zone"),  # noqa: DTZ001
        (lambda ctx: ctx.call("t", path="x" * LARGEST), "keep it in a file"),
        (lambda ctx: ctx.call("ctx.now"), "takes the name of a tool"),
        (lambda ctx: ctx.call(7), "takes the name of a tool"),
        (lambda ctx: ctx.parallel(7), "takes awaitables, not int"),
        (lambda ctx: ctx.log(7), "takes text, not int"),
        (lambda ctx: ctx.patched(""), "takes the name of a change"),
    ],
)
def test_misuse_is_told_with_what_to_write(wrong: Any, advice: str) -> None:
    async def agent(ctx: Context, _: Any) -> Any:
        await wrong(ctx)

    error = trapped(agent)
    assert error.type == "agent.context-misused"
    assert advice in error.message


def test_what_was_awaited_once_is_not_awaited_again() -> None:
    async def twice(ctx: Context, _: Any) -> Any:
        asked = ctx.call("t")
        return [await asked, await asked]

    assert "was awaited before" in trapped(twice).message

    async def group_twice(ctx: Context, _: Any) -> Any:
        asked = ctx.parallel(ctx.call("t"))
        return [await asked, await asked]

    assert "was awaited before" in trapped(group_twice).message


def test_one_lane_is_not_used_by_an_event_loop_of_the_agents_own() -> None:
    async def branch(ctx: Context) -> Any:
        return await ctx.call("t")

    async def agent(ctx: Context, _: Any) -> Any:
        asyncio.run(branch(ctx))

    error = trapped(agent)
    assert error.type == "agent.context-misused"
    assert "`await ctx.parallel(first, second)` gives each branch a lane of its own" in error.message


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("x" * 100_000), "ValueError: " + "x" * LONGEST_MESSAGE + " …"),
        (ValueError("\ud800\x00"), "ValueError: ?\x00"),
        (ValueError("at 0x7f12ab34cd56"), "ValueError: at 0x…"),
        (Unspeakable(), "Unspeakable: (its message raised RuntimeError)"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit: "),
        (asyncio.CancelledError(), "CancelledError: "),
        (StopAsyncIteration(), "StopAsyncIteration: "),
    ],
)
def test_whatever_is_raised_ends_the_run_and_can_be_recorded(error: BaseException, message: str) -> None:
    async def agent(ctx: Context, _: Any) -> Any:
        await ctx.call("t")
        raise error

    came = trapped(agent)
    assert (came.type, came.message) == ("agent.raised", message)
    came.message.encode()


def test_outputs_are_values_or_refused() -> None:
    def given(output: Any, kind: str = ":any") -> Any:
        async def agent(_: Context, __: Any) -> Any:
            return output

        return pursued(agent, output=kind)[0]

    deep: list[Any] = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    itself: list[Any] = []
    itself.append(itself)
    for wrong in ({1}, object(), deep, itself, "x" * LARGEST, b"bytes", float, {1.5: 2}):
        step = given(wrong)
        assert isinstance(step, Trapped)
        assert step.error.type == "agent.output"
    words = "[:map [:words :int] [:at :timestamp]]"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert value(given({"words": 3, "at": at}, words)) == {Keyword("words"): 3, Keyword("at"): at}
    assert value(given((1, 2), "[:vector :int]")) == [1, 2]
    assert value(given({"words": "many"}, words)) == {"words": "many"}, "the critic tells what is wrong with it"


def test_an_execution_that_is_let_go_closes_its_lanes() -> None:
    closed: list[str] = []

    async def branch(ctx: Context, name: str) -> None:
        try:
            await ctx.call("t")
        finally:
            closed.append(name)

    async def agent(ctx: Context, _: Any) -> None:
        try:
            await ctx.parallel(branch(ctx, "a"), branch(ctx, "b"))
        finally:
            closed.append("root")

    execution, step = started(agent)
    assert isinstance(step, Waiting)
    assert execution.suspended
    execution.close()
    assert closed == ["a", "root", "b"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_agent_that_refuses_to_be_closed_is_left() -> None:
    async def stubborn(ctx: Context, _: Any) -> None:
        while True:
            with contextlib.suppress(BaseException):
                await ctx.call("t")

    execution, step = started(stubborn)
    assert isinstance(step, Waiting)
    execution.close()
    assert not execution.suspended or execution.resume({}) == Waiting(()), "nothing is waited for any more"
    del execution, step
    gc.collect()


def test_misuse_can_be_caught_and_the_agent_goes_on() -> None:
    async def agent(ctx: Context, _: Any) -> Any:
        try:
            await foreign()
        except ContextMisused:
            return await ctx.call("t")

    assert value(pursued(agent)[0]) == "0"


def test_a_finished_agent_has_used_no_fuel() -> None:
    async def agent(_: Context, __: Any) -> int:
        return 7

    assert pursued(agent)[0] == Finished(7, 0)
