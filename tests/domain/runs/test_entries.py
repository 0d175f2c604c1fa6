"""A journal is never changed: every state of a run sees the effects as they stood then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.runs.entries import Journal
from domain.runs.state import Entry, Settlement


def entry(number: int) -> Entry:
    return Entry(Settlement.COMPLETED, f"t{number}", "sha256:0")


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcde"), st.integers(0, 99)), max_size=60))
def test_each_state_is_as_a_copy_would_be(steps: list[tuple[int, str, int]]) -> None:
    states: list[tuple[Journal, dict[str, Entry]]] = [(Journal(), {})]
    for back, key, number in steps:
        journal, copy = states[max(0, len(states) - 1 - back // 10)]
        states.append((journal.with_entry(key, entry(number)), {**copy, key: entry(number)}))
    for journal, copy in states:
        assert journal == copy
        assert (len(journal), list(journal), list(journal.items())) == (len(copy), list(copy), list(copy.items()))
        assert [journal.get(key) for key in "abcdef"] == [copy.get(key) for key in "abcdef"]
        assert [key in journal for key in "abcdef"] == [key in copy for key in "abcdef"]
        assert journal.keys() <= set("abcde")


def test_what_is_not_there() -> None:
    journal = Journal({"a": entry(1)})
    later = journal.with_entry("b", entry(2))
    with pytest.raises(KeyError, match="b"):
        journal["b"]
    assert journal.get("b") is None
    assert 5 not in later
    assert later["b"].tool == "t2"


def test_the_newest_goes_on_without_a_copy() -> None:
    first = newest = Journal()
    for number in range(20_000):
        newest = newest.with_entry(str(number), entry(number))
    assert (len(first), len(newest)) == (0, 20_000)
    assert newest._history is first._history
    assert newest["19999"] == entry(19_999)
