"""What is counted of runs: who answered, right or wrong, and why nothing was reused."""

from __future__ import annotations

import pytest

from domain.runs.parts import Lookup
from infra.bench.reuse.outcomes import Outcome, durations, plain, tallied


def outcome(entry: str, by: str, *, right: bool = True, lookups: tuple[Lookup, ...] = ()) -> Outcome:
    return Outcome(
        entry=entry,
        by=by,
        completed=True,
        right=right,
        model_calls=int(by == "model"),
        spent=100 if by == "model" else 0,
        saved=0 if by == "model" else 100,
        lookups=lookups,
        tool_lookups=(),
        setbacks=(),
    )


def lookup(level: str, outcome: str, reason: str = "no", duration: float = 0.0) -> Lookup:
    return Lookup.model_validate({"level": level, "outcome": outcome, "reason": reason, "duration": duration})


def test_wrong_hits_are_counted_among_hits_and_those_that_the_model_errs_in_too_apart() -> None:
    tally = tallied(
        [
            outcome("a", "L4"),
            outcome("b", "L4", right=False),
            outcome("c", "L2", right=False),
            outcome("d", "model", right=False),
            outcome("e", "model"),
            outcome("f", "L3"),
        ],
        untold=frozenset({"b", "d", "f"}),
    )
    assert (tally.runs, tally.reused, tally.wrong_reused, tally.untold_reused) == (6, 4, 2, 1)
    assert (tally.wrong_share, tally.avoidable_share) == (0.5, 0.25)
    low, high = tally.interval
    assert 0.05 < low < 0.5 < high < 0.95
    assert (tally.model_calls, tally.spent, tally.saved) == (2, 200, 400)


def test_without_a_hit_nothing_is_known() -> None:
    tally = tallied([outcome("a", "model")], frozenset())
    assert (tally.wrong_share, tally.avoidable_share, tally.interval) == (0.0, 0.0, (0.0, 1.0))


def test_look_ups_are_counted_by_level_and_reason_and_explorations_are_no_hits() -> None:
    lookups = (
        lookup("L1", "hit", duration=0.001),
        lookup("L4", "explore", "sample of hits (similarity 0.9950, threshold 0.9900)", 0.02),
        lookup("L2", "miss", "no entry has this key"),
    )
    again = (lookup("L4", "explore", "sample of hits (similarity 0.9970, threshold 0.9900)", 0.04),)
    outcomes = [outcome("a", "model", lookups=lookups), outcome("b", "model", lookups=again)]
    tally = tallied(outcomes, frozenset())
    assert tally.hits == {"L1": 1}
    assert tally.misses == {("L4", "explore: sample of hits"): 2, ("L2", "no entry has this key"): 1}
    assert durations(outcomes) == {"L1": [1.0], "L4": [20.0, 40.0]}


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("the goals differ in numbers: numbers differ: 1, 2 and\n3", "the goals differ in numbers"),
        ("below the threshold (similarity 0.9812, threshold 0.9900)", "below the threshold"),
        ("rights: it calls a.b, which is not among the task's tools", "rights: it calls what is not among the task's tools"),
        ("database: database.refused: the database refused x", "database: database.refused"),
        ("constants equal inputs (1, 2): a run with other inputs", "constants equal inputs"),
        ("its module was revoked: sha256:00ff", "its module was revoked: #"),
        ("the log has not been heard for 2.5 s", "the log has not been heard for # s"),
        ("", ""),
    ],
    ids=["gate", "threshold", "rights", "database", "constants", "digest", "number", "empty"],
)  # fmt: skip
def test_like_reasons_are_counted_together(reason: str, kept: str) -> None:
    assert plain(reason) == kept
