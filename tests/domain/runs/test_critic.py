"""The critic's layers: the type first, then each postcondition; the first layer that fails decides."""

from __future__ import annotations

from typing import Any

import pytest

from domain.kernel.values import Keyword, digest
from domain.runs.critic import judge
from domain.runs.events import VerdictReached
from domain.runs.replay import fold
from tests.domain.runs.given import submitted


def verdict(result: Any, /, **task: Any) -> VerdictReached:
    return judge(fold(submitted(**task)).accepted_task, result)


def test_an_output_of_the_right_type_passes() -> None:
    found = verdict(7, output=":int")
    assert (found.passed, found.layer, found.findings) == (True, "output-type", ())
    assert (found.decision.role, found.decision.chosen, found.decision.saw) == ("critic", "accept", digest(7))


def test_postconditions_decide_where_there_are_some() -> None:
    found = verdict(7, output=":int", checks=["(> output 6)", "(odd? output)"])
    assert (found.passed, found.layer) == (True, "postconditions")
    assert found.decision.reason == "type and 2 postconditions hold"


def test_a_wrong_type_is_found_before_any_postcondition_runs() -> None:
    found = verdict("seven", output=":int", checks=["(> output 6)"])
    assert (found.passed, found.layer, len(found.findings)) == (False, "output-type", 1)
    assert found.decision.chosen == "reject"


def test_every_failing_postcondition_is_named() -> None:
    found = verdict(7, output=":int", checks=["(> output 7)", "(odd? output)", "(= output 8)"])
    assert found.findings == ("(> output 7) is not true", "(= output 8) is not true")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("(:missing output)", "stopped: "),
        ("1", "is not true"),
        ("nil", "is not true"),
        ("(/ 1 (- output 7))", "stopped: "),
        ("(first [])", "is not true"),
    ],
)
def test_only_true_is_true(check: str, words: str) -> None:
    found = verdict(7, checks=[check])
    assert not found.passed
    assert words in found.findings[0]


def test_a_postcondition_that_never_ends_is_stopped() -> None:
    found = verdict(7, checks=["(do (defn f [n] (f (+ n 1))) (= 1 (f output)))"])
    assert not found.passed
    assert "stopped" in found.findings[0]


def test_postconditions_see_the_inputs() -> None:
    for limit, passed in ((7, True), (6, False)):
        found = verdict(7, inputs={"limit": limit}, checks=["(<= output (:limit inputs))"])
        assert found.passed is passed


def test_values_of_every_kind_are_judged() -> None:
    output = {Keyword("a"): [1, 2.5, None, "text"], Keyword("b"): {}}
    assert verdict(output, output="[:map [:a [:vector :any]] [:b :any]]").passed


def test_the_same_output_gets_the_same_verdict() -> None:
    assert verdict(7, checks=["(> output 6)"]) == verdict(7, checks=["(> output 6)"])
