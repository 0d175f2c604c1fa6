"""Carets below forms."""

from __future__ import annotations

import pytest

from infra.cli.pointing import pointed


@pytest.mark.parametrize(
    ("text", "position", "carets"),
    [
        ("(f (g 1) 2)", (1, 4), "   ^^^^^"),
        ("(f\n  [1 {:a (g 2)}])", (2, 10), "         ^^^^^"),
        ("(f\n  (g\n   1))", (2, 3), "  ^^"),
        ("#(f (g %))", (1, 5), "    ^^^^^"),
        ("'(f ~(g 1))", (1, 6), "     ^^^^^"),
        ("^{:a 1} (f 2)", (1, 9), "        ^^^^^"),
        ("(f 1)", (1, 2), " ^"),
        ("(f 1", (1, 2), " ^"),
        ("(f 1)", (1, 5), "    ^"),
        ("(f 1)", (1, 400), None),
    ],
)
def test_the_form_that_begins_there_is_underlined(text: str, position: tuple[int, int], carets: str | None):
    lines = pointed(text, position, "here").splitlines()
    assert lines[0] == f"line {position[0]}, column {position[1]}: here" or carets is None
    assert carets is None or lines[-1].partition("| ")[2] == carets


@pytest.mark.parametrize("position", [None, (0, 1), (9, 1), (-1, 1)])
def test_a_place_that_is_not_in_the_text_shows_the_message_alone(position: tuple[int, int] | None):
    assert pointed("(f 1)", position, "here") == "here"
