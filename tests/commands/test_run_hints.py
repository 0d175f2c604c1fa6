"""Hints of a plan: those that are done are on the record, the others are refused with their place."""

from __future__ import annotations

from typing import Any

import pytest

from commands.runs.driver import Rest
from domain.kernel.values import Keyword
from domain.runs.hints import allowed_seconds
from domain.tools import CallContext
from tests.commands.test_driver import told
from tests.commands.world import World

SLOW = "^{:runtime.timeout 250} (call :t.read {:n 1})"


@told
async def test_a_call_is_given_the_time_that_the_plan_allows(world: World) -> None:
    seen: dict[str, float | None] = {}

    async def during(call: CallContext) -> None:
        seen[call.effect] = call.seconds

    world.tools.during = during
    learned = '^{:runtime.learning.timeout {:timeout-ms 1500} :why "it is slow"} (call :t.read {:n 2})'
    await world.submit("r1", f"[{SLOW} {learned} (call :t.read {{:n 3}})]")
    assert await world.drive("r1") is Rest.ENDED
    assert seen == {"0": 0.25, "1": 1.5, "2": None}
    run = await world.state("r1")
    assert run.program is not None
    assert run.program.decision.reason == (
        "compiles; 1 capabilities within the task's rights; 2 calls bounded in time by the plan"
    )
    assert (await world.verify("r1")).effects == 3


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            '^:delegation :remote "gpt" (defn f [x] x)\n(f 1)',
            "line 1, column 28: `f` is delegated to remote gpt, which is not done here",
        ),
        ("(let [f ^:delegation :local-model (fn [x] x)] (f 1))", "this function is delegated to local-model"),
        (
            "7\n  ^:delegation :remote (call :t.read {:n 1})",
            "line 2, column 24: a call of a tool is delegated to a model",
        ),
        (
            "^{:runtime.learning.retry {:max-retries 3}} (call :t.read {:n 1})",
            "the hint `runtime.learning.retry` is not",
        ),
        ("^{:runtime.timeout 0} (call :t.read {:n 1})", "`runtime.timeout` is a number of milliseconds, above 0"),
        ("^{:runtime.timeout true} (call :t.read {:n 1})", "`runtime.timeout` is a number of milliseconds"),
        ("^{:runtime.timeout 86400001} (call :t.read {:n 1})", "up to 86400000"),
        ("^{:runtime.timeout ##NaN} (call :t.read {:n 1})", "a number of milliseconds"),
        ('^{:runtime.timeout "1"} (call :t.read {:n 1})', "a number of milliseconds"),
        ("^{:runtime.learning.timeout {}} (call :t.read {:n 1})", "`runtime.learning.timeout` is {:timeout-ms"),
        ("^{:runtime.learning.timeout 5} (call :t.read {:n 1})", "`runtime.learning.timeout` is {:timeout-ms"),
    ],
)
def test_what_is_not_done_here_is_refused(plan: str, message: str) -> None:
    @told
    async def story(world: World) -> None:
        await world.submit("r1", plan)
        await world.drive("r1")
        run = await world.state("r1")
        assert run.error is not None
        assert run.error.error.type == "plan.rejected"
        assert message in run.error.error.message
        assert "hint: " in run.error.error.message

    story()


@told
async def test_a_module_is_named_by_what_is_refused_in_it(world: World) -> None:
    text = '(module m\n ^:delegation :remote "gpt" (defn f [x] x))'
    await world.submit("r1", "(import m :as m)\n(m/f 1)", modules={"m": text})
    await world.drive("r1")
    failure = (await world.state("r1")).error
    assert failure is not None
    assert "m, line 2, column 29: `f` is delegated" in failure.error.message


@told
async def test_what_asks_for_nothing_is_no_hint(world: World) -> None:
    await world.submit("r1", '^{:delegation :local :note {:a 1} :doc "adds"} (call :t.read {:n 1})')
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).output == 2


def test_hints_of_any_kind_are_read() -> None:
    assert allowed_seconds({}) is None
    assert allowed_seconds({"runtime.timeout": 2000, "runtime.learning.timeout": {Keyword("timeout-ms"): 100.0}}) == 0.1
    wrong: list[Any] = [None, -1, 0, True, "5", float("inf"), float("nan"), [], {}, 10**12]
    assert all(allowed_seconds({"runtime.timeout": each}) is None for each in wrong)
    assert all(allowed_seconds({"runtime.learning.timeout": each}) is None for each in wrong)
