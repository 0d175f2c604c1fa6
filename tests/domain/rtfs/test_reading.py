"""Text to nodes: every text gives nodes or an error with a place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.lexemes import lexemes
from domain.rtfs.nodes import (
    Annotated,
    Context,
    ListNode,
    Literal,
    MapNode,
    Node,
    Quoted,
    Quoting,
    ShorthandFn,
    Symbol,
    VectorNode,
)
from domain.rtfs.printer import print_node, print_value
from domain.rtfs.reader import MAX_NESTING, MAX_SOURCE, read
from domain.rtfs.source import ReadError, Source, Span, UnfinishedError, decode


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
    ("text", "printed"),
    [
        ("'a", "'a"),
        ("' ; why\n (a b)", "'(a b)"),
        ("'''a", "'''a"),
        ("`(if ~c (do ~@ body) ~ @x ~~@ y)", "`(if ~c (do ~@body) ~ @x ~~@y)"),
        ("#(+ % %2)", "#(+ % %2)"),
        ("x#", "x#"),
        ("@plan-id", "@plan-id"),
        ("@:ns/name", "@ns/name"),
        ("^{:a 1}\n(f)", "^{:a 1} (f)"),
        ("^:pure f", "^:pure f"),
        ("^:a ^:b f", "^:a ^:b f"),
        ("^:delegation :local f", "^{:delegation :local} f"),
        ('^:delegation :local-model "phi" f', '^{:delegation [:local-model "phi"]} f'),
        ("^:delegation :local-model f", "^{:delegation :local-model} f"),
        ('^:delegation :remote "gpt" f', '^{:delegation [:remote "gpt"]} f'),
        ('(defn ^:delegation :remote "gpt" f [x] x)', '(defn ^{:delegation [:remote "gpt"]} f [x] x)'),
        ("(defn f [a : integer b : [:vector :int]] : T? a)", "(defn f [a :integer b [:vector :int]] :T? a)"),
        ("(fn [x:int y: :int z :[:vector :int]]:int x)", "(fn [x :int y :int z [:vector :int]] :int x)"),
        ("(def limit:int 5)", "(def limit :int 5)"),
        ("[x : (or :int nil) y : (and :int [:> 0]) z : nil]", "[x [:union :int nil] y [:and :int [:> 0]] z :nil]"),
        ("{:a :int ? :b [:vector :int]?}", "{:a ^:optional :int :b ^:optional [:vector :int]}"),
        ("com.example:v1.0/api", "com.example:v1.0/api"),
        ("[com.example:v1.0/api]", "[com.example:v1.0/api]"),
        (":com.acme:v1.0/f", ":com.acme:v1.0/f"),
        (":rtfs.core:v2.0:plan", ":rtfs.core:v2.0:plan"),
        ("(f resource://a/b.c?d=e)", '(f "resource://a/b.c?d=e")'),
        ('(resource:ref "n")', '(resource:ref "n")'),
        ("(.method target 1)", "(.method target 1)"),
        ("2026-11-21T08:00:00_123Z", "2026-11-21T08:00:00.123000Z"),
        (r'"\ud83d\ude00\0\/\b\f"', r'"😀\u0000/\u0008\u000c"'),
        ("\ufeff(a)\r\n\t(b)", "(a) (b)"),
        ("(a, b,,c)", "(a b c)"),
        ("#| one | # |#(a)#|#|#;end", "(a)"),
        ("`[a, (b),(c)]", "`[a (b) (c)]"),
        ("(λ [x] x)", "(λ [x] x)"),
        ("deadbeef-dead-beef-dead-beefdeadbeef", "deadbeef-dead-beef-dead-beefdeadbeef"),
    ],
)
def test_every_notation_has_one_canonical_text(text, printed):
    nodes = read(text)
    assert " ".join(map(print_node, nodes)) == printed
    assert [shape(node) for node in read(printed)] == [shape(node) for node in nodes]


@pytest.mark.parametrize(
    ("text", "spanned"),
    [
        ("a ' (b)", "' (b)"),
        ("a ~@b c", "~@b"),
        ("x ^:k\n f", "^:k\n f"),
        ('x ^:delegation :remote "m" f', '^:delegation :remote "m" f'),
        ("x @:y", "@:y"),
        ("x #(a)", "#(a)"),
        (r'x "a\nb"', r'"a\nb"'),
    ],
)
def test_a_marked_form_begins_at_its_mark(text, spanned):
    span = read(text)[1].span
    assert text[span.start : span.end] == spanned


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("(a\n  (b", 2, 3, "never closed"),
        ("(a]", 1, 3, r"`\]` where `\)` is expected"),
        ("(a\n [b)", 2, 4, r"hint: `\[` of line 2, column 2 is still open and needs `\]`"),
        (")", 1, 1, "closes nothing"),
        ('x\n"abc', 2, 1, "string is never closed"),
        (r'"a\"', 1, 1, "string is never closed"),
        ('"a\\', 1, 1, "string is never closed"),
        ("{:a}", 1, 2, "no value"),
        ("{:a :b 1 :c 2}", 1, 2, "no value"),
        ("12abc", 1, 1, "cannot be read"),
        ("1.2.3", 1, 1, 'a version is a string: "1.2.3"'),
        (".5", 1, 1, "a digit stands before the point: 0.5"),
        ("5.", 1, 1, "a digit stands after the point: 5.0"),
        ("0x1F", 1, 1, "base ten"),
        ("1_000", 1, 1, "not grouped"),
        ("1/2", 1, 1, r"\(/ 1 2\)"),
        ("2026-11-21", 1, 1, "other dates are strings"),
        ("9223372036854775808", 1, 1, "64 bits"),
        ("1" * 5000, 1, 1, "64 bits"),
        ("1e999", 1, 1, "binary64"),
        ("1e400", 1, 1, "write ##Inf for infinity"),
        ("##Infinity", 1, 1, "known are ##Inf, ##-Inf and ##NaN"),
        (r'"a\qb"', 1, 3, "no escape"),
        ("#| open", 1, 1, "never closed"),
        ("#|#", 1, 1, "never closed"),
        ("#{1}", 1, 1, "no sets"),
        ('#"a"', 1, 1, "a pattern is a string"),
        ("#_a", 1, 1, "comment it out"),
        ("#'a", 1, 1, "write the name alone"),
        ("# why", 1, 1, "a comment begins with ;"),
        ("// why", 1, 1, "a comment begins with ;"),
        (r'"\ud800"', 1, 1, "surrogate"),
        ("2026-13-41T00:00:00Z", 1, 1, "no time"),
        ("{: a}", 1, 2, "a keyword is a colon and a name"),
        ("(f : 5)", 1, 4, "followed by no name and no type"),
        ("(f : (g))", 1, 4, "followed by no name and no type"),
        ("[: ]", 1, 2, "should stand before a form"),
        (":", 1, 1, "`:` stands alone"),
        ('{"a": 1}', 1, 5, "nothing but a blank"),
        ("(f 'text')", 1, 4, 'double quotation marks: "text"'),
        ("::a", 1, 1, "a keyword is a colon and a name"),
        (":1", 1, 1, "a keyword is a colon and a name"),
        ("{name: 1}", 1, 2, "a keyword's colon comes first: :name"),
        ("tool:log", 1, 1, "only before a version"),
        ("resource:a", 1, 1, "write resource://name"),
        ("\\a", 1, 1, 'write a string: "a"'),
        ("a~b", 1, 2, "put a space before it"),
        ("(a ')", 1, 4, r"`'` stands before `\)`"),
        ("`", 1, 1, "the end of the text"),
        ("^:a", 1, 1, "{:key value} form"),
        ("^a b", 1, 2, "metadata is a map or a keyword"),
        ("^:delegation :far f", 1, 14, "known are :local, :local-model"),
        ("@(f)", 1, 1, "the input of this name"),
        ("`(a ,b)", 1, 5, "write ~x"),
        ("`(a ,@b)", 1, 5, "~@xs"),
        ("“a”", 1, 1, 'typographic quotation mark\n.*\n.*\nhint: write `"` instead'),
        ("a’s", 1, 2, "apostrophe"),
        ("5–3", 1, 2, "write `-` instead"),
        ("(a\u00a0b)", 1, 3, r"U\+00A0 is a space of another kind"),
        ("a\u200bb", 1, 2, r"U\+200B is an invisible character"),
        ("a\u2028b", 1, 2, "a plain line break"),
        ("（a）", 1, 1, "a wide bracket"),
        ("(f …)", 1, 4, "what was left out"),
        ("(≤ 1 2)", 1, 2, "write `<=` instead"),
        ("größe", 1, 3, "ASCII letters"),
        ("a\x1bb", 1, 2, r"U\+001B is a control character"),
        ('"a\0b"', 1, 3, "NUL"),
        ("|", 1, 1, "names are made of"),
        ("(" * 1000, 1, MAX_NESTING + 1, "brackets are open"),
        ("'" * 100_000, 1, MAX_NESTING + 1, "brackets are open"),
        ("^:a " * 100_000, 1, 4 * MAX_NESTING + 1, "brackets are open"),
        ("^{" * 100_000, 1, MAX_NESTING + 1, "brackets are open"),
        ("[a : " * 100_000, 1, 5 * MAX_NESTING // 2 + 1, "brackets are open"),
        ("a" * (MAX_SOURCE + 1), 1, 1, "at most"),
        ("(" * 10_000_000, 1, 1, "at most"),
    ],
    ids=lambda value: repr(value)[:30],
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


def test_brackets_that_do_not_match_are_shown_both():
    with pytest.raises(ReadError) as raised:
        read("(let [a 1\n  (f a))")
    assert str(raised.value) == (
        "line 2, column 8: `)` where `]` is expected\n"
        " 2 |   (f a))\n"
        "   |        ^\n"
        "line 1, column 6: this `[` is still open\n"
        " 1 | (let [a 1\n"
        "   |      ^\n"
        "hint: `[` of line 1, column 6 is still open and needs `]`"
    )


def test_a_missing_bracket_is_sought_by_the_indentation():
    text = "(defn f [x]\n  (if x\n    (g x\n    (h x)))\n\n(f 1)"
    with pytest.raises(ReadError, match=r"`\(` is never closed") as raised:
        read(text)
    assert (raised.value.line, raised.value.column) == (1, 1)
    assert raised.value.related is not None
    assert raised.value.source.position(raised.value.related.span.start) == (4, 5)


def test_a_string_that_ends_too_late_is_shown_too():
    with pytest.raises(ReadError, match="string is never closed") as raised:
        read('(f "one)\n(g "two" 3)\n(h "three")')
    assert (raised.value.line, raised.value.column) == (3, 10)
    assert raised.value.related is not None
    assert raised.value.related.span.start == 3


def test_messages_move_no_terminal():
    with pytest.raises(ReadError) as raised:
        read("(a \x1b[31m\x07 b")
    assert all(line.isprintable() for line in str(raised.value).splitlines())


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b"(a \xff)", r"byte 3 \(0xff\) is not UTF-8", (1, 4)),
        ("(é\n".encode() + b"\xc3(", r"byte 4 \(0xc3\)", (2, 1)),
        ("(a)".encode("utf-16"), "this looks like UTF-16", (1, 1)),
        (b"\xed\xa0\x80", "byte 0", (1, 1)),
    ],
)
def test_bytes_that_are_no_text_are_refused_where_they_stand(data, message, place):
    with pytest.raises(ReadError, match=message) as raised:
        decode(data)
    assert (raised.value.line, raised.value.column) == place


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


def test_nodes_know_their_places():
    text = '(f [a\n "é" {:k 2}])'
    (node,) = read(text)
    vector = node.items[1]
    assert text[vector.span.start : vector.span.end] == '[a\n "é" {:k 2}]'
    assert Source(text).position(vector.items[2].span.start) == (2, 6)


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 100_000,
        '"a' * 99_999,
        "#|" * 100_000,
        "#| |# " * 50_000 + "#|",
        "\\" * 200_000,
        "[" * 90 + "1 " * 100_000,
        ":" * 200_000,
        "1" * 200_000,
        "1." * 100_000,
        "a:" * 100_000 + "1",
        "@" * 200_000,
        "-" * 200_000 + "(",
        "(a) " * 50_000 + ")",
        ",;" * 100_000 + "\n(",
        "(\n" * 90 + "a\n" * 70_000,
        "{:a " * 90 + "1}" * 89,
    ],
    ids=lambda text: text[:12],
)
def test_long_wrong_input_is_refused(text):
    # Were any step quadratic, each of these would take minutes.
    with pytest.raises(ReadError):
        read(text)


def test_long_flat_input_is_linear():
    assert len(read("(a) " * 50_000)) == 50_000
    assert len(read('"' + "\\n" * 100_000 + '"')) == 1
    assert len(read("'a " * 50_000)) == 50_000


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


NAMES = st.from_regex(r"[a-z][a-z0-9.*+!?<>=-]{0,4}(/[a-z]{1,3})?", fullmatch=True)
PLACE = Span(0, 0)
LEAVES = st.one_of(
    VALUES.filter(lambda value: not isinstance(value, list | dict)).map(lambda value: Literal(value, PLACE)),
    NAMES.filter(lambda name: name not in ("nil", "true", "false")).map(lambda name: Symbol(name, PLACE)),
    NAMES.map(lambda name: Context(name, PLACE)),
)


def collections(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    items = st.lists(inner, max_size=4).map(tuple)
    pairs = st.lists(st.tuples(inner, inner), max_size=3).map(tuple)
    return st.one_of(
        st.builds(ListNode, items, st.just(PLACE)),
        st.builds(VectorNode, items, st.just(PLACE)),
        st.builds(MapNode, pairs, st.just(PLACE)),
        items.map(lambda nodes: ShorthandFn(ListNode(nodes, PLACE), PLACE)),
        st.builds(Quoted, st.sampled_from(Quoting), inner, st.just(PLACE)),
        st.builds(Annotated, pairs.map(lambda each: MapNode(each, PLACE)), inner, st.just(PLACE)),
        st.builds(flagged, NAMES, inner),
    )


def flagged(name: str, node: Node) -> Node:
    return Annotated(MapNode(((Literal(Keyword(name), PLACE), Literal(value=True, span=PLACE)),), PLACE), node, PLACE)


def shape(node: Node):
    """A node without its places."""
    if isinstance(node, Literal):
        return type(node.value).__name__, print_value(node.value)
    if isinstance(node, Symbol | Context):
        return type(node).__name__, node.name
    if isinstance(node, Quoted):
        return node.quoting, shape(node.node)
    return type(node).__name__, [shape(each) for each in within(node)]


def within(node: Node) -> list[Node]:
    if isinstance(node, ListNode | VectorNode):
        return list(node.items)
    if isinstance(node, MapNode):
        return [part for pair in node.pairs for part in pair]
    if isinstance(node, ShorthandFn):
        return [node.body]
    if isinstance(node, Quoted):
        return [node.node]
    return [node.metadata, node.node] if isinstance(node, Annotated) else []


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, collections, max_leaves=20))
def test_reading_a_printed_node_gives_it_back(node):
    (again,) = read(print_node(node))
    assert shape(again) == shape(node)
    assert print_node(again) == print_node(node)


WRITTEN = st.text(alphabet="()[]{}#|\":;\\%&-+.0129eE \nabnilINF~@^`'?/v,\u201c\u00a0\0\ufeff", max_size=60)


@given(WRITTEN)
def test_lexemes_are_the_text(text):
    assert "".join(lexemes(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), WRITTEN))
def test_every_node_lies_within_its_parent(text):
    try:
        nodes = read(text)
    except ReadError:
        return
    pending = [(node, Span(0, len(text))) for node in nodes]
    while pending:
        node, around = pending.pop()
        assert around.start <= node.span.start < node.span.end <= around.end
        pending += [(each, node.span) for each in within(node)]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(), WRITTEN.map(str.encode)))
def test_any_bytes_give_nodes_or_a_located_error(data):
    try:
        read(decode(data))
    except ReadError as error:
        place = (error.line, error.column)
        rendered = error.render()
    else:
        return
    assert min(place) >= 1
    assert rendered.startswith(f"line {place[0]}, column {place[1]}: ")
