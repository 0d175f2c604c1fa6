"""What a program may do: each rule refuses, the rest is recorded first or allowed at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from domain.kernel.values import encode
from domain.runs.events import (
    ApprovalGranted,
    ApprovalRequested,
    OutcomeResolved,
    ToolCallDenied,
    ToolCallOutcomeUnknown,
    ToolCallRequested,
)
from domain.runs.guard import Asked, Terms, authorize, request_digest
from domain.runs.parts import Decision, RunEvent
from domain.runs.replay import fold
from tests.domain.runs.given import NOW, completed, deadline, executing, later, requested, submitted

PLAN = "(+ (call :t.read {:n 1}) (call :t.write {:n 2}))"
READ = Terms(version="1", mode="read", idempotent=False)
WRITE = Terms(version="1", mode="write", idempotent=False)
CHOICE = Decision(role="operator", chosen="approve", options=(), reason="", saw="")


def asked(tool: str, key: str = "0", n: int = 1) -> Asked:
    arguments = encode({"n": n})
    return Asked(key, tool, arguments, request_digest(tool, "1", arguments))


def guarded(given: Sequence[RunEvent], wanted: Asked, terms: Terms | None, **more: Any) -> Any:
    return authorize(fold(given), wanted, terms, more.pop("now", NOW), **more)


def denial(event: Any) -> str:
    assert isinstance(event, ToolCallDenied)
    assert (event.decision.role, event.decision.chosen, event.decision.reason) == ("guard", "deny", event.rule)
    return event.rule


@pytest.mark.parametrize("mode", ["pure", "read"])
def test_what_changes_nothing_may_happen_at_once(mode: str) -> None:
    terms = Terms(version="1", mode=mode, idempotent=False)
    assert guarded(executing(PLAN), asked("t.read"), terms) is None


@pytest.mark.parametrize("mode", ["write", "external"])
def test_what_changes_the_world_is_recorded_before_it_happens(mode: str) -> None:
    terms = Terms(version="1", mode=mode, idempotent=True)
    event = guarded(executing(PLAN), asked("t.write"), terms)
    assert event == requested("0", "t.write", n=1)


def test_a_tool_that_the_task_does_not_list_is_denied() -> None:
    assert denial(guarded(executing(tools=["t.read"]), asked("t.write"), WRITE)) == (
        "it is not among the task's tools (t.read)"
    )
    assert "(none)" in denial(guarded(executing(tools=[]), asked("t.write"), WRITE))


def test_a_tool_that_the_worker_does_not_have_is_denied() -> None:
    assert denial(guarded(executing(PLAN), asked("t.read"), None)) == "this worker does not have it"


def test_a_tool_of_another_version_than_the_program_was_compiled_for_is_denied() -> None:
    newer = Terms(version="2", mode="read", idempotent=False)
    assert "pinned to version 1; this worker has 2" in denial(guarded(executing(PLAN), asked("t.read"), newer))


def test_a_tool_that_the_program_does_not_declare_is_denied() -> None:
    assert "pinned to version None" in denial(guarded(executing("7"), asked("t.read"), READ))


def test_the_limit_of_calls_counts_what_is_requested_and_what_was_read() -> None:
    given = [*executing(PLAN, limits={"tool_calls": 2}), completed("0", "t.read", 1, n=1)]
    assert isinstance(guarded(given, asked("t.write", "1"), WRITE), ToolCallRequested)
    given.append(requested("1", "t.write", n=2))
    assert denial(guarded(given, asked("t.read", "2"), READ)) == "limits.tool_calls (2) is reached"


def test_a_call_counts_once_when_it_is_requested_and_then_completed() -> None:
    given = [*executing(PLAN), requested("0", "t.write", n=1), completed("0", "t.write", 2, n=1)]
    assert fold(given).spent.tool_calls == 1


def test_calls_side_by_side_count_before_any_of_them_is_done() -> None:
    given = executing(PLAN, limits={"tool_calls": 2})
    assert guarded(given, asked("t.read"), READ, under_way=1) is None
    assert "is reached" in denial(guarded(given, asked("t.read"), READ, under_way=2))


def test_no_calls_at_all_may_be_allowed() -> None:
    assert "(0) is reached" in denial(guarded(executing(PLAN, limits={"tool_calls": 0}), asked("t.read"), READ))


def test_a_call_that_needs_approval_waits_and_time_stands_still() -> None:
    given = executing(PLAN, approvals=["t.write"], limits={"seconds": 100})
    event = guarded(given, asked("t.write"), WRITE, now=later(40))
    assert isinstance(event, ApprovalRequested)
    assert (event.effect, event.arguments, event.remaining) == ("0", {"n": 1}, 60)
    run = fold([*given, event])
    assert (run.waiting, run.deadline, run.remaining) == ({"0"}, None, 60)


def test_an_approved_call_is_guarded_again() -> None:
    given = executing(PLAN, approvals=["t.write"], limits={"tool_calls": 1})
    given += [guarded(given, asked("t.write"), WRITE)]
    given += [ApprovalGranted(effect="0", note="", deadline=deadline(100), decision=CHOICE)]
    assert isinstance(guarded(given, asked("t.write"), WRITE), ToolCallRequested)
    given += [completed("1", "t.read", 1, n=1)]
    assert "is reached" in denial(guarded(given, asked("t.write"), WRITE)), "approval does not lift a limit"


def test_a_call_that_a_person_wants_repeated_is_requested_anew() -> None:
    given = [
        *executing(PLAN),
        requested("0", "t.write", n=1),
        ToolCallOutcomeUnknown(effect="0", tool="t.write", remaining=100),
        OutcomeResolved(effect="0", outcome="repeat", note="", deadline=deadline(100), decision=CHOICE),
    ]
    assert guarded(given, asked("t.write"), WRITE) == requested("0", "t.write", n=1)


def test_a_guard_that_breaks_refuses() -> None:
    class Breaking(Terms):
        @property
        def version(self) -> str:  # type: ignore[override]
            raise RuntimeError("broken")

    breaking = Breaking.__new__(Breaking)
    rule = denial(guarded(executing(PLAN), asked("t.read"), breaking))
    assert rule == "the guard itself failed (RuntimeError), so nothing is allowed"


def test_before_there_is_a_program_nothing_is_allowed() -> None:
    assert "pinned to version None" in denial(guarded(submitted(), asked("t.read"), READ))


@pytest.mark.parametrize(
    ("mode", "idempotent", "repeatable"),
    [
        ("pure", False, True),
        ("read", False, True),
        ("write", True, True),
        ("write", False, False),
        ("external", True, True),
        ("external", False, False),
    ],
)
def test_what_may_be_repeated_after_its_outcome_was_lost(mode: str, idempotent: bool, repeatable: bool) -> None:
    assert Terms(version="1", mode=mode, idempotent=idempotent).repeatable is repeatable


def test_a_request_is_named_by_tool_version_and_arguments() -> None:
    digest = request_digest("t.read", "1", {"n": 1})
    others = [("t.write", "1", {"n": 1}), ("t.read", "2", {"n": 1}), ("t.read", "1", {"n": 2}), ("t.read", "1", {})]
    assert digest not in {request_digest(*other) for other in others}
    assert request_digest("t.read", "1", {"a": 1, "b": 2}) == request_digest("t.read", "1", {"b": 2, "a": 1})
