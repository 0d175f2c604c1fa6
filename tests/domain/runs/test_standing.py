"""Where a program stands, from the events of its run alone."""

from __future__ import annotations

import pytest

from domain.rtfs import vm
from domain.runs.journal import ReplayDiverged
from domain.runs.replay import fold
from domain.runs.standing import standing
from tests.domain.runs.given import completed, executing, requested

PLAN = """(let [a (call :t.read {:n 1})
      b (call :t.write {:n a})]
  (+ a b))"""


def stands(*events, plan=PLAN):
    run = fold([*executing(plan), *events])
    assert run.program is not None
    return standing(run, run.program)


def test_a_program_stands_at_the_first_effect_that_is_not_answered():
    at = stands()
    assert isinstance(at.step, vm.Suspended)
    (lane,) = at.lanes
    assert lane.request is not None
    assert (lane.request.key, lane.calls[0].position) == ("0", (1, 9))
    assert [each.name for each in lane.calls[0].locals] == ["inputs"]


def test_answers_of_the_journal_are_in_its_variables():
    (lane,) = stands(completed("0", "t.read", 5, n=1), requested("1", "t.write", n=5)).lanes
    assert lane.request is not None
    assert (lane.request.key, lane.calls[0].position) == ("1", (2, 9))
    assert {each.name: each.value for each in lane.calls[0].locals} == {"inputs": "{}", "a": "5"}


def test_a_program_that_has_ended_has_no_lanes():
    at = stands(completed("0", "t.read", 5, n=1), completed("1", "t.write", 6, n=5))
    assert isinstance(at.step, vm.Finished)
    assert (at.step.value, at.lanes) == (11, ())
    at = stands(plan='(error "no")')
    assert isinstance(at.step, vm.Trapped)
    assert at.source_map.position(at.step.error.site) == (1, 1)


def test_a_journal_of_another_program_is_refused():
    with pytest.raises(ReplayDiverged, match="effect 0"):
        stands(completed("0", "t.read", 5, n=2))
