"""A recorded run is executed again against its journal; the first difference is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.kernel.values import Keyword, digest, encode
from domain.runs.commands import CancelRun
from domain.runs.controller import concluded, failed, overtime
from domain.runs.critic import judge
from domain.runs.decide import decide
from domain.runs.events import RunCompleted, RunFailed, ToolCallFailed
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import Fault, RunEvent
from domain.runs.planning import ProgramCompiled
from domain.runs.replay import fold, verify
from tests.domain.runs.given import circumstances, completed, executing, requested, submitted

PLAN = "(let [a (call :t.read {:n 1}) b (call :t.write {:n a})] (+ a b))"
SIDE_BY_SIDE = "(reduce + 0 (step-parallel (call :t.read {:n 1}) (call :t.read {:n 2})))"


def ended(given: list[RunEvent], output: Any) -> list[RunEvent]:
    verdict = judge(fold(given).accepted_task, output)
    return [*given, verdict, concluded(verdict, encode(output))]


def whole() -> list[RunEvent]:
    calls = [completed("0", "t.read", 5, n=1), requested("1", "t.write", n=5), completed("1", "t.write", 6, n=5)]
    return ended([*executing(PLAN, output=":int"), *calls], 11)


def failing(kind: str = "t.broken") -> list[RunEvent]:
    call = completed("0", "t.read", 5, n=1)
    broken = ToolCallFailed(
        effect="0",
        tool="t.read",
        version="1",
        arguments=call.arguments,
        request_digest=call.request_digest,
        error=Fault(type=kind, message="it broke"),
        duration=0.1,
    )
    return [*executing(PLAN), broken]


def diverging(events: list[RunEvent]) -> ReplayDiverged:
    with pytest.raises(ReplayDiverged) as raised:
        verify(events)
    return raised.value


def changed(events: list[RunEvent], where: Callable[[RunEvent], bool], **update: Any) -> list[RunEvent]:
    assert any(where(event) for event in events)
    return [event.model_copy(update=update) if where(event) else event for event in events]


def is_effect(key: str, kind: str = "ToolCallCompleted") -> Callable[[RunEvent], bool]:
    return lambda event: event.short_name() == kind and getattr(event, "effect", None) == key


class TestWhatVerifies:
    def test_a_completed_run(self) -> None:
        replay = verify(whole())
        assert (replay.ended, replay.effects, replay.output_digest) == ("completed", 2, digest(11))
        assert (replay.events, replay.fuel > 0) == (len(whole()), True)

    @pytest.mark.parametrize("count", range(1, 9))
    def test_a_run_that_is_still_open_as_far_as_it_has_come(self, count: int) -> None:
        assert verify(whole()[:count]).output_digest is None

    def test_a_run_without_a_program(self) -> None:
        assert verify(submitted()).effects == 0
        assert verify([*submitted(), failed("plan.rejected", "no", advice="yes")]).ended == "failed"

    def test_calls_side_by_side_whatever_came_back_first(self) -> None:
        one, two = completed("0/0/0", "t.read", 5, n=1), completed("0/1/0", "t.read", 6, n=2)
        for calls in ([one, two], [two, one]):
            assert verify(ended([*executing(SIDE_BY_SIDE), *calls], 11)).effects == 2

    def test_a_program_that_failed_as_it_does_again(self) -> None:
        end = failed("t.broken", "it broke (line 1, column 9 of the plan)", advice="", effect="0")
        assert verify([*failing(), end]).ended == "failed"

    def test_runs_that_were_ended_from_outside(self) -> None:
        cut = whole()[:6]
        for end in (
            overtime(fold(cut)),
            failed("driver.failed", "a bug", advice=""),
            failed("replay.diverged", "changed", advice="", effect="1"),
            *decide(fold(cut), CancelRun(run="r"), circumstances()),
        ):
            assert verify([*cut, end]).effects == 2

    def test_an_output_that_the_critic_rejected(self) -> None:
        events = ended(executing("7", checks=["(> output 7)"]), 7)
        assert verify(events).ended == "failed"


class TestWhatDiverges:
    def test_a_changed_argument(self) -> None:
        for kind in ("ToolCallRequested", "ToolCallCompleted"):
            assert diverging(changed(whole(), is_effect("1", kind), request_digest="sha256:other")).effect == "1"
            assert diverging(changed(whole(), is_effect("1", kind), arguments={"n": 7})).effect == "1"

    def test_a_changed_result_that_led_to_another_request(self) -> None:
        events = changed(whole(), is_effect("0"), result=4, result_digest=digest(4))
        found = diverging(events)
        assert (found.effect, "t.write" in found.actual) == ("1", True)

    def test_a_changed_result_that_led_to_another_output(self) -> None:
        found = diverging(changed(whole(), is_effect("1"), result=7, result_digest=digest(7)))
        assert (found.effect, found.expected, found.actual) == ("output", digest(11), digest(12))

    def test_a_changed_result_whose_digest_was_forgotten(self) -> None:
        found = diverging(changed(whole(), is_effect("1"), result=7))
        assert (found.effect, digest(7) in found.actual) == ("1", True)

    def test_a_changed_output(self) -> None:
        events = changed(whole(), lambda e: isinstance(e, RunCompleted), output=12, output_digest=digest(12))
        assert diverging(events).effect == "output"

    @pytest.mark.parametrize(
        "result",
        [
            [1, 2.5, "é", None],
            {"a": [1.0, {"$b": 2**70}], "c": {}},
            {Keyword("k"): [{"a": 1}], 3: []},
            [[], {}, [[True]]],
        ],
        ids=["vector", "map", "map with keywords", "empty ones"],
    )
    def test_a_changed_output_that_results_were_passed_on_to(self, result: Any) -> None:
        plan = "(let [a (call :t.any {:n 1})] {:again [a a] :first a})"
        given = completed("0", "t.any", result, n=1)
        events = ended([*executing(plan), given], {Keyword("again"): [result, result], Keyword("first"): result})
        assert verify(events).effects == 1
        for other in ([1, 2.5, "é", False], 0, {Keyword("k"): [{"a": 1.5}], 3: []}):
            output = {Keyword("again"): [result, other], Keyword("first"): result}
            forged = ended([*executing(plan), given], output)
            found = diverging(forged)
            assert (found.effect, found.expected) == ("output", digest(output))
            assert found.differences, "it says where"

    def test_a_changed_program(self) -> None:
        other = next(event for event in executing("(+ 5 6)", output=":int") if isinstance(event, ProgramCompiled))
        events = changed(whole(), lambda e: isinstance(e, ProgramCompiled), module=other.module)
        assert diverging(events).effect == "program"
        events = changed(whole(), lambda e: isinstance(e, ProgramCompiled), module=other.module, digest=other.digest)
        assert diverging(events).effect in ("0", "1"), "it asks for nothing that is recorded"

    def test_a_missing_effect(self) -> None:
        events = [event for event in whole() if not is_effect("0")(event)]
        assert diverging(events).effect == "0"

    def test_an_effect_that_nobody_asked_for(self) -> None:
        for cut in (whole(), whole()[:6]):  # ended, and still open
            assert diverging([*cut, completed("9", "t.read", 1, n=1)]).effect == "9"

    def test_another_verdict(self) -> None:
        events = changed(whole(), lambda e: e.short_name() == "VerdictReached", findings=("it was worse",))
        assert diverging(events).effect == "verdict"

    def test_a_run_said_to_be_completed_that_waits(self) -> None:
        events = [*executing(PLAN), completed("0", "t.read", 5, n=1), RunCompleted(output=11, output_digest=digest(11))]
        assert diverging(events).effect == "1"

    @pytest.mark.parametrize(
        "end",
        [
            failed("t.other", "it broke", advice="", effect="0"),
            failed("t.broken", "it broke", advice="", effect="1"),
            failed("t.broken", "it exploded", advice="", effect="0"),
        ],
        ids=["type", "effect", "message"],
    )
    def test_another_failure(self, end: RunFailed) -> None:
        assert diverging([*failing(), end]).effect == "error"

    def test_a_run_said_to_have_failed_whose_program_does_not(self) -> None:
        events = [*whole()[:-2], failed("t.broken", "it broke", advice="", effect="1")]
        assert diverging(events).effect == "error"

    def test_an_output_said_to_be_rejected_that_the_critic_accepts(self) -> None:
        events = ended(executing("7", checks=["(> output 7)"]), 7)
        accepting = executing("7", checks=["(> output 6)"])
        assert diverging([*accepting, *events[-2:]]).effect == "verdict"
