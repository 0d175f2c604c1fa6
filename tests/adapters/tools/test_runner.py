import asyncio
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from typing_extensions import TypedDict

from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import Tool, declare
from adapters.tools.registry import ToolRegistry
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from domain.kernel.values import Keyword, Value
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome, ToolSucceeded
from tests.adapters.tools.calling import CALL, runner_of


async def call(function: Any, arguments: Mapping[str, Value] | None = None, **declared: Any) -> ToolOutcome:
    made = declare(function, "t.t", **{"effects": "read", **declared})
    return await runner_of(made).run("t.t", arguments or {}, CALL)


async def failure(function: Any, arguments: Mapping[str, Value] | None = None, **declared: Any) -> ToolFailed:
    outcome = await call(function, arguments, **declared)
    assert isinstance(outcome, ToolFailed), outcome
    return outcome


class TestArguments:
    @staticmethod
    def add(left: int, right: int = 1, wide_name: list[int] = []) -> int:  # noqa: B006
        """Doc."""
        wide_name.append(99)
        return left + right

    async def test_what_may_be_left_out_has_its_default(self) -> None:
        assert (await call(self.add, {"left": 1})).value == 2
        assert (await call(self.add, {"left": 1, "right": 5, "wide-name": []})).value == 6

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ({}, r"t\.t \(left, right, wide-name\) lacks left: :int"),
            ({"left": "1"}, r'argument left: expected :int, found :string "1"'),
            ({"left": None}, "argument left: expected :int, found nil"),
            ({"left": True}, "argument left: expected :int, found :bool true"),
            ({"left": 1, "wide-name": [1, "x"]}, r"argument wide-name: at \[1\]: expected :int"),
            ({"left": 1, "wide_name": []}, "has no parameter wide_name"),
            ({"left": 1, "context": 1, "more": 2}, "has no parameter context, more; it takes left :int, right"),
            ({"lft": 1}, r"^t\.t has no parameter lft; it takes left :int"),
        ],
    )
    async def test_wrong_arguments_are_a_failure_that_names_them(self, arguments, why: str) -> None:
        failed = await failure(self.add, arguments)
        assert failed.type == "tool.arguments"
        assert re.search(why, failed.message), failed.message

    async def test_a_tool_that_changes_what_it_is_given_changes_no_value(self) -> None:
        given = {"left": 1, "wide-name": [1]}
        await call(self.add, given)
        assert given == {"left": 1, "wide-name": [1]}

    async def test_an_integer_serves_where_a_float_is_declared(self) -> None:
        def half(number: float) -> float:
            """Doc."""
            assert type(number) is float
            return number / 2

        assert (await call(half, {"number": 3})).value == 1.5


class Found(TypedDict):
    name: str


class TestResults:
    @pytest.mark.parametrize(
        ("returned", "annotation", "why"),
        [
            ("text", int, "expected :int"),
            (None, str, "expected :string, found nil"),
            (1, bool, "expected :bool"),
            ([1, "x"], list[int], r"at \[1\]"),
            ({"name": 3}, Found, "at :name: expected :string"),
            ({}, Found, "the key :name .* is missing"),
            (object(), Any, "object is no value"),
            (b"bytes", Any, "bytes is no value"),
            ({1.5: "x"}, Any, "map key 1.5"),
            ({"a": {object(): 1}}, Any, "map key"),
            ("\ud800", str, "surrogate"),
            (datetime(2026, 1, 1), datetime, "has no zone"),  # noqa: DTZ001
            (lambda: 1, Any, "function is no value"),
        ],
    )
    async def test_a_result_of_another_type_is_a_failure(self, returned, annotation, why: str) -> None:
        def function() -> annotation:
            """Doc."""
            return returned

        failed = await failure(function)
        assert failed.type == "tool.result-type"
        assert re.search(why, failed.message), failed.message

    async def test_a_result_without_end_is_a_failure(self) -> None:
        def function() -> Any:
            """Doc."""
            endless: list[Any] = []
            endless.append(endless)
            return endless

        failed = await failure(function)
        assert failed.type == "tool.result-type"
        assert "nested deeper" in failed.message

    async def test_a_result_above_the_limit_is_a_failure(self) -> None:
        def function(size: int) -> str:
            """Doc."""
            return "x" * size

        runner = runner_of(declare(function, "t.t", effects="read"), result_bytes=2000)
        assert isinstance(await runner.run("t.t", {"size": 1998}, CALL), ToolSucceeded)
        failed = await runner.run("t.t", {"size": 1999}, CALL)
        assert failed.type == "tool.result-size"
        assert "2001 bytes" in failed.message
        assert "toolbox.result_mb" in failed.message

    @pytest.mark.parametrize("gives_copies", [False, True])
    @pytest.mark.parametrize("returned", [{1, 2}, [object()], {"a": {2.5: 1}}, [["\ud800"]]])
    async def test_what_is_no_value_is_refused_though_it_need_not_be_copied(self, returned, gives_copies) -> None:
        def function() -> Any:
            """Doc."""
            return returned

        made = replace(declare(function, "t.t", effects="read"), gives_copies=gives_copies)
        failed = await runner_of(made).run("t.t", {}, CALL)
        assert isinstance(failed, ToolFailed)
        assert failed.type == "tool.result-type"

    async def test_a_copy_is_taken_as_it_is_and_typed_where_it_must(self) -> None:
        made = [{"a": 1}]

        def anything() -> Any:
            """Doc."""
            return made

        def floats() -> dict[str, float]:
            """Doc."""
            return {"a": 1}

        tools = [
            replace(declare(each, f"t.{each.__name__}", effects="read"), gives_copies=True)
            for each in (anything, floats)
        ]
        runner = runner_of(*tools)
        assert (await runner.run("t.anything", {}, CALL)).value is made
        assert repr((await runner.run("t.floats", {}, CALL)).value) == "{'a': 1.0}"

    async def test_what_a_tool_does_later_with_its_result_changes_no_value(self) -> None:
        state = [1]

        def function() -> list[int]:
            """Doc."""
            return state

        outcome = await call(function, isolation="in-process")
        state.append(2)
        assert outcome.value == [1]

    async def test_a_transcript_goes_with_the_outcome_whatever_it_is(self) -> None:
        def function(context: ToolContext, fail: bool) -> None:
            """Doc."""
            context.transcript = b"printed"
            if fail:
                raise ToolFault("x.y", "failed")

        assert (await call(function, {"fail": False})).transcript == b"printed"
        assert (await failure(function, {"fail": True})).transcript == b"printed"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


class TestFailures:
    @pytest.mark.parametrize("isolation", ["in-process", "thread"])
    @pytest.mark.parametrize(
        ("raised", "message"),
        [
            (ValueError("wrong"), "t.t: ValueError: wrong"),
            (TimeoutError("its own"), "t.t: TimeoutError: its own"),
            (RecursionError("deep"), "t.t: RecursionError: deep"),
            (KeyError("k"), "t.t: KeyError: 'k'"),
            (Unspeakable(), "t.t: Unspeakable: (its message raised ValueError)"),
            (ValueError("x" * 5000), "t.t: ValueError: " + "x" * 2000 + " …"),
        ],
        ids=lambda value: type(value).__name__,
    )
    async def test_an_exception_is_a_failure_with_type_and_message_only(self, raised, message, isolation) -> None:
        def function() -> None:
            """Doc."""
            raise raised

        failed = await failure(function, isolation=isolation)
        assert (failed.type, failed.message) == ("tool.raised", message)
        assert (failed.retryable, failed.outcome_unknown) == (False, False)

    @pytest.mark.parametrize("raised", [SystemExit(3), StopIteration(1), asyncio.CancelledError()])
    @pytest.mark.parametrize("kind", ["in-process", "thread", "async"])
    async def test_exceptions_that_steer_the_interpreter_do_not_leave_the_tool(self, raised, kind: str) -> None:
        def function() -> None:
            """Doc."""
            raise raised

        async def waiting() -> None:
            """Doc."""
            raise raised

        failed = await failure(waiting) if kind == "async" else await failure(function, isolation=kind)
        assert failed.type == "tool.raised"

    async def test_a_fault_keeps_its_own_type(self) -> None:
        def function() -> None:
            """Doc."""
            raise ToolFault("mail.bounced", "nobody there", retryable=True, outcome_unknown=True)

        failed = await failure(function)
        assert (failed.type, failed.message) == ("mail.bounced", "t.t: nobody there")
        assert failed.retryable
        assert failed.outcome_unknown

    async def test_an_unknown_tool_is_a_failure(self) -> None:
        failed = await runner_of().run("no.such", {}, CALL)
        assert failed.type == "tool.unknown"
        assert "precedent tools ls" in failed.message


class TestTimeouts:
    async def test_an_async_tool_that_takes_too_long_is_cancelled(self) -> None:
        cancelled = asyncio.Event()

        async def forever() -> None:
            """Doc."""
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        failed = await failure(forever, timeout=0.05)
        assert (failed.type, failed.message) == ("tool.timeout", "t.t: no answer within 0.05 s")
        assert cancelled.is_set()

    @pytest.mark.parametrize(("seconds", "bound"), [(0.01, "0.01"), (900.0, "0.05")])
    async def test_the_plan_may_allow_less_and_never_more(self, seconds: float, bound: str) -> None:
        async def forever() -> None:
            """Doc."""
            await asyncio.Event().wait()

        runner = runner_of(declare(forever, "t.t", effects="read", timeout=0.05))
        failed = await runner.run("t.t", {}, replace(CALL, seconds=seconds))
        assert isinstance(failed, ToolFailed)
        assert (failed.type, failed.message) == ("tool.timeout", f"t.t: no answer within {bound} s")

    async def test_a_blocking_tool_that_never_ends_holds_up_nobody(self) -> None:
        release = threading.Event()

        def forever() -> None:
            """Doc."""
            release.wait()

        runner = runner_of(declare(forever, "t.t", effects="read", timeout=0.2))
        try:
            outcomes = await asyncio.gather(*(runner.run("t.t", {}, CALL) for _ in range(40)))
        finally:
            release.set()
        assert {outcome.type for outcome in outcomes} == {"tool.timeout"}

    @pytest.mark.parametrize(
        ("declared", "retryable", "unknown"),
        [
            ({"effects": "read"}, True, False),
            ({"effects": "write", "idempotent": True}, True, False),
            ({"effects": "write"}, False, True),
            ({"effects": "external"}, False, True),
        ],
    )
    async def test_what_the_world_saw_of_a_timed_out_call_is_told(self, declared, retryable, unknown) -> None:
        async def forever() -> None:
            """Doc."""
            await asyncio.Event().wait()

        failed = await failure(forever, timeout=0.01, **declared)
        assert (failed.retryable, failed.outcome_unknown) == (retryable, unknown)

    async def test_cancelling_the_call_cancels_the_tool_and_is_not_an_outcome(self) -> None:
        entered, left = asyncio.Event(), asyncio.Event()

        async def forever() -> None:
            """Doc."""
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        task = asyncio.create_task(call(forever))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left.is_set()


class TestThreads:
    async def test_a_plain_function_runs_beside_the_event_loop_with_its_processor_time_measured(self) -> None:
        def spin() -> bool:
            """Doc."""
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            return threading.current_thread() is threading.main_thread()

        outcome = await call(spin)
        assert outcome.value is False
        assert outcome.resources["cpu-seconds"] >= 0.02
        assert outcome.duration >= 0.02

    async def test_threads_that_never_end_are_bounded_and_usable_again_when_they_do(self) -> None:
        release = threading.Event()

        def wait() -> None:
            """Doc."""
            release.wait()

        runner = runner_of(declare(wait, "t.t", effects="read", timeout=0.1), threads=2)
        before = threading.active_count()
        try:
            stuck = await asyncio.gather(*(runner.run("t.t", {}, CALL) for _ in range(10)))
            assert threading.active_count() <= before + 2
        finally:
            release.set()
        assert {outcome.type for outcome in stuck} == {"tool.timeout"}
        assert isinstance(await runner.run("t.t", {}, CALL), ToolSucceeded)

    async def test_calls_that_wait_for_others_are_bounded_so_that_sockets_are(self) -> None:
        now, most = 0, 0

        async def wait() -> None:
            """Doc."""
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            now -= 1

        runner = runner_of(declare(wait, "t.t", effects="read"), waiting=3)
        outcomes = await asyncio.gather(*(runner.run("t.t", {}, CALL) for _ in range(50)))
        assert all(isinstance(outcome, ToolSucceeded) for outcome in outcomes)
        assert most == 3

    async def test_one_that_was_cancelled_while_it_waited_was_never_begun(self) -> None:
        begun: list[int] = []
        is_begun, release = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            """Doc."""
            begun.append(1)
            is_begun.set()
            await release.wait()

        runner = runner_of(declare(wait, "t.t", effects="read"), waiting=1)
        first, second = (asyncio.create_task(runner.run("t.t", {}, CALL)) for _ in range(2))
        await is_begun.wait()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        release.set()
        assert isinstance(await first, ToolSucceeded)
        assert (second.cancelled(), begun) == (True, [1])


class Counting:
    """Tools that count within a run."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, Mapping[str, Value]]] = []

    def _tool(self, start: int) -> Tool:
        count = start

        def increase(by: int = 1) -> int:
            """Doc."""
            nonlocal count
            count += by
            return count

        return declare(increase, "count.increase", effects="write", isolation="in-process", stateful=True)

    def declarations(self) -> Iterable[ToolDeclaration]:
        return [self._tool(0).declaration]

    def open(self, run: str, inputs: Mapping[str, Value]) -> Iterable[Tool]:
        self.opened.append((run, inputs))
        return [self._tool(inputs.get("start", 0))]


class TestRunScopedTools:
    @staticmethod
    async def increase(runner: LocalToolRunner, run: str) -> ToolOutcome:
        return await runner.run("count.increase", {}, CallContext(tenant="acme", run=run, effect="0"))

    async def test_each_run_has_its_own_state_from_its_inputs(self) -> None:
        runner = LocalToolRunner(ToolRegistry([], [Counting()]), ToolSettings())
        runner.open_run("a", {})
        runner.open_run("b", {"start": 10})
        assert [(await self.increase(runner, run)).value for run in "abab"] == [1, 11, 2, 12]

    async def test_opening_again_starts_anew_so_that_the_journal_can_be_repeated(self) -> None:
        runner = LocalToolRunner(ToolRegistry([], [Counting()]), ToolSettings())
        runner.open_run("a", {})
        await self.increase(runner, "a")
        runner.open_run("a", {})
        assert (await self.increase(runner, "a")).value == 1

    async def test_a_run_that_is_not_open_is_a_failure_that_says_so(self) -> None:
        runner = LocalToolRunner(ToolRegistry([], [Counting()]), ToolSettings())
        assert runner.declarations()["count.increase"].stateful
        runner.open_run("a", {})
        runner.close_run("a")
        failed = await self.increase(runner, "a")
        assert failed.type == "tool.not-open"


async def test_a_tool_may_know_its_call_and_settings_without_showing_it() -> None:
    def function(context: ToolContext, suffix: str) -> str:
        """Doc."""
        return context.call.idempotency_key + suffix + str(context.settings.result_bytes)

    made = declare(function, "t.t", effects="read")
    assert [parameter.name for parameter in made.declaration.capability.parameters] == ["suffix"]
    outcome = await runner_of(made, result_bytes=5000).run("t.t", {"suffix": "!"}, CALL)
    assert outcome.value == "r1:0!5000"


async def test_keyword_arguments_and_results_stay_keywords() -> None:
    def function(word: Keyword) -> Any:
        """Doc."""
        return {word: [word]}

    assert (await call(function, {"word": Keyword("a")})).value == {Keyword("a"): [Keyword("a")]}
