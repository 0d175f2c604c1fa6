"""Text to nodes: every text gives nodes or an error with a place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.nodes import Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.printer import print_value
from domain.rtfs.reader import MAX_NESTING, MAX_SOURCE, read
from domain.rtfs.source import ReadError, Source, UnfinishedError


def value_of(node: Node):
    if isinstance(node, VectorNode):
        return [value_of(item) for item in node.items]
    if isinstance(node, MapNode):
        return {value_of(key): value_of(value) for key, value in node.pairs}
    assert isinstance(node, Literal)
    return node.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-9223372036854775808", -(2**63)),
        ("+7", 7),
        ("0000000000000000000000000000001", 1),
        ("1.5e-3", 0.0015),
        ("##Inf", math.inf),
        ("##-Inf", -math.inf),
        ('"a\\n\\"\\u00e9"', 'a\n"é'),
        ("nil", None),
        ("true", True),
        (":a", Keyword("a")),
        (":com.acme:v1.0/f", Keyword("com.acme:v1.0/f")),
        (":ns/k?", Keyword("ns/k?")),
        ("[1 [2] ; a comment\n #| and | another |# 3]", [1, [2], 3]),
        ('{:a 1 "b" 2 3 nil}', {Keyword("a"): 1, "b": 2, 3: None}),
        ("2026-11-21T08:00:00Z", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("123e4567-e89b-12d3-a456-426614174000", UUID("123e4567-e89b-12d3-a456-426614174000")),
    ],
)
def test_literals(text, value):
    (node,) = read(text)
    assert value_of(node) == value
    assert type(value_of(node)) is type(value)


@pytest.mark.parametrize("name", ["nil?", "->", "->>", "a.b/c", "true-ish", "-", "=", "map-indexed", "<=", "%1"])
def test_symbols(name):
    (node,) = read(name)
    assert isinstance(node, Symbol)
    assert node.name == name


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("(a\n  (b", 2, 3, "never closed"),
        ("(a]", 1, 3, "where `.` is expected"),
        (")", 1, 1, "closes nothing"),
        ('x\n"abc', 2, 1, "string is never closed"),
        ("{:a}", 1, 2, "no value"),
        ("12abc", 1, 1, "cannot be read"),
        ("9223372036854775808", 1, 1, "64 bits"),
        ("1" * 5000, 1, 1, "64 bits"),
        ("1e999", 1, 1, "binary64"),
        ('"a\\qb"', 1, 3, "no escape"),
        ("#| open", 1, 1, "never closed"),
        ('"\\ud800"', 1, 1, "surrogate"),
        ("2026-13-41T00:00:00Z", 1, 1, "no time"),
        ("(" * 1000, 1, MAX_NESTING + 1, "brackets are open"),
        ("a" * (MAX_SOURCE + 1), 1, 1, "at most"),
    ],
)
def test_errors_say_where(text, line, column, message):
    with pytest.raises(ReadError, match=message) as raised:
        read(text)
    assert (raised.value.line, raised.value.column) == (line, column)


def test_rendering_points_at_the_place():
    with pytest.raises(ReadError) as raised:
        read("(let [a 1]\n  (+ a 12x))")
    assert str(raised.value) == (
        "line 2, column 8: `12x` cannot be read\n"
        " 2 |   (+ a 12x))\n"
        "   |        ^^^\n"
        "hint: numbers are written 12, -3, 1.5 or 2.0e10"
    )


def test_nodes_know_their_places():
    text = '(f [a\n "é" {:k 2}])'
    (node,) = read(text)
    vector = node.items[1]
    assert text[vector.span.start : vector.span.end] == '[a\n "é" {:k 2}]'
    assert Source(text).position(vector.items[2].span.start) == (2, 6)


def test_long_flat_input_is_linear():
    assert len(read("(a) " * 100_000)) == 100_000
    assert len(read('"' + "\\n" * 400_000 + '"')) == 1


KEYS = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.from_regex(r"[a-z][a-z0-9./-]{0,5}", fullmatch=True).map(Keyword),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), KEYS, st.uuids()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


@given(VALUES)
def test_reading_what_was_printed_gives_it_back(value):
    text = print_value(value)
    (node,) = read(text)
    assert print_value(value_of(node)) == text


@given(st.one_of(st.text(), st.text(alphabet="()[]{}#|\":;\\%&-+.0129eE \nabnilINF~@^`'")))
def test_any_text_gives_nodes_or_a_located_error(text):
    try:
        read(text)
    except ReadError as error:
        place = (error.line, error.column)
    else:
        return
    assert min(place) >= 1


@pytest.mark.parametrize(
    "text", ["(a", "[", '"x', "#| x", "(a [b", "'", "~", "^{:a 1}", "#(", "(defn f [x]\n  (+ x 1)", "`(a ~"]
)
def test_a_text_that_ends_within_a_form_can_be_gone_on_with(text):
    with pytest.raises(UnfinishedError):
        read(text)


@pytest.mark.parametrize("text", [")", "(]", '(a "\\q")', "(')", "{:a :b}}"])
def test_what_no_more_text_can_mend_is_not_taken_for_unfinished(text):
    with pytest.raises(ReadError) as caught:
        read(text)
    assert not isinstance(caught.value, UnfinishedError)
