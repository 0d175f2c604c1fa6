"""Two runs side by side: what differs first, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.runs.comparison import Change, _in_order, compare
from domain.runs.events import ToolCallCompleted
from domain.runs.parts import RunEvent
from domain.runs.replay import fold
from tests.domain.runs.given import completed, executing, submitted
from tests.domain.runs.test_replay import PLAN, ended, failing, whole
from tests.histories.test_replay import ENDS, history, lines


def told(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.where, each.how) for each in changes]


def between(one: list[RunEvent], other: list[RunEvent]) -> list[tuple[str, str, str]]:
    return told(compare(fold(one), fold(other)).changes)


@pytest.mark.parametrize("name", ENDS)
def test_a_run_is_the_same_as_itself(name: str) -> None:
    run = fold(history(lines(name)))
    found = compare(run, run)
    assert (found.first, found.consequences, found.alike) == (None, (), len(run.journal))


def test_times_claims_and_durations_are_not_compared() -> None:
    slower = [
        event.model_copy(update={"duration": 9.0}) if isinstance(event, ToolCallCompleted) else event
        for event in whole()
    ]
    assert between(whole(), slower) == []


def test_another_result_has_its_consequences() -> None:
    calls = [completed("0", "t.read", 6, n=1), completed("1", "t.write", 7, n=6)]
    found = compare(fold(whole()), fold(ended([*executing(PLAN, output=":int"), *calls], 13)))
    assert found.first is not None
    assert (found.first.where, found.first.what) == ("0", "result of t.read")
    assert [(each.recorded, each.actual) for each in found.first.differences] == [(5, 6)]
    assert told(found.consequences) == [("effect", "1", "differs"), ("output", "", "differs")]
    assert found.consequences[0].what == "arguments of t.write"
    assert [each.path for each in found.consequences[0].differences] == ["n"]


def test_another_task_and_another_plan_come_first() -> None:
    found = between(whole(), ended(executing("7", goal="Another"), 7))
    assert found == [
        ("task", "goal", "differs"),
        ("task", "output", "differs"),
        ("plan", "", "differs"),
        ("program", "", "differs"),
        ("effect", "0", "missing"),
        ("effect", "1", "missing"),
        ("output", "", "differs"),
    ]


def test_inputs_are_compared_by_their_places() -> None:
    one, other = (fold(submitted(inputs={"a": {"b": [1, n]}})) for n in (2, 3))
    (change,) = compare(one, other).changes
    assert (change.kind, [each.path for each in change.differences]) == ("inputs", [":a.:b.1"])


def test_a_run_that_failed_beside_one_that_did_not() -> None:
    found = between(failing(), [*executing(PLAN), completed("0", "t.read", 5, n=1)])
    assert found == [("effect", "0", "differs")]
    assert ("status", "", "differs") in between(whole(), failing())
    assert ("verdict", "", "missing") in between(whole(), failing())


def test_an_open_run_lacks_what_the_ended_one_has() -> None:
    for count in range(1, len(whole())):
        assert between(whole(), whole()[:count]) != []
        assert between(whole()[:count], whole()[:count]) == []


def test_histories_of_different_tasks_differ_and_nothing_breaks() -> None:
    runs = {name: fold(history(lines(name))) for name in ENDS}
    for name, one in runs.items():
        for other_name, other in runs.items():
            assert (compare(one, other).first is None) == (name == other_name)


def test_the_edited_history_is_told_by_its_first_edit() -> None:
    found = compare(fold(history(lines("completed"))), fold(history(lines("edited"))))
    assert found.first is not None
    assert (found.first.where, found.first.how, found.consequences) == ("0", "differs", ())


KEYS = st.lists(st.sampled_from([str(n) for n in range(8)]), unique=True)


@given(KEYS, KEYS)
def test_every_effect_has_its_place(one: list[str], other: list[str]) -> None:
    order = _in_order(one, other)
    assert sorted(order) == sorted({*one, *other})
    assert [key for key in order if key in one] == one


def test_effects_of_the_second_run_stand_behind_what_they_follow() -> None:
    assert _in_order(["0", "1", "2"], ["0", "x", "2", "y", "z"]) == ["0", "x", "1", "2", "y", "z"]
    assert _in_order([], ["1", "0"]) == ["1", "0"]
