"""Where two values differ is told by the keys and indices that lead there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.values import Keyword, Value, canonical, encode
from domain.runs.differences import ABSENT, MOST, differences

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from([Keyword("a"), Keyword("b"), 1]), inner, max_size=4)
    ),
    max_leaves=12,
)


def told(recorded: Value, actual: Value) -> list[tuple[str, Any, Any]]:
    return [(each.path, each.recorded, each.actual) for each in differences(encode(recorded), encode(actual))]


def test_the_place_is_told_from_the_outside_in() -> None:
    recorded: Value = {Keyword("rows"): [{"name": "x", "n": 1}, {"name": "y"}], Keyword("left"): True}
    actual: Value = {Keyword("rows"): [{"name": "x", "n": 2}, {"name": "y"}, 3]}
    assert told(recorded, actual) == [
        (":left", True, ABSENT),
        (":rows.0.n", 1, 2),
        (":rows.2", ABSENT, 3),
    ]


@pytest.mark.parametrize(
    ("recorded", "actual"),
    [(1, 1.0), (1, True), (0, None), ("1", 1), ([], {}), ({}, None), (Keyword("a"), "a"), ({1: 2}, {"1": 2})],
    ids=repr,
)
def test_what_is_alike_only_at_first_sight_differs(recorded: Value, actual: Value) -> None:
    assert told(recorded, actual)
    assert told([recorded], [actual])


def test_no_more_places_are_told_than_anyone_reads() -> None:
    assert len(told(list(range(10_000)), list(range(1, 10_001)))) == MOST


@pytest.mark.parametrize("tree", [{"$map": 7}, {"$map": [[1]]}, {"$map": [1, 2]}, {"$kw": {}}, {"$": []}])
def test_what_no_codec_wrote_is_told_whole(tree: Any) -> None:
    (found,) = differences(tree, {"$map": []})
    assert (found.path, found.recorded) == ("", tree)


@given(VALUES, VALUES)
def test_values_differ_just_when_their_bytes_do(one: Value, other: Value) -> None:
    assert (told(one, other) == []) == (canonical(one) == canonical(other))
    assert told(one, one) == []
