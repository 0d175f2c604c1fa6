"""One layout for every program: the same nodes, every comment, and nothing changes the second time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.rtfs.formatting import format_source
from domain.rtfs.printer import print_node
from domain.rtfs.reader import read
from domain.rtfs.source import ReadError

LAID_OUT = [
    pytest.param("", "", id="nothing"),
    pytest.param("  \n\n", "", id="blanks"),
    pytest.param("\ufeff(a)", "(a)\n", id="byte order mark"),
    pytest.param("#| a |# (let [x 1]\nx)", "#| a |#\n(let [x 1]\n  x)\n", id="lines do not begin behind a comment"),
    pytest.param("#| a |# (f 1)", "#| a |# (f 1)\n", id="a comment beside its form"),
    pytest.param("(f  1,\t2 )", "(f 1 2)\n", id="one line"),
    pytest.param("(f 1)(g 2)", "(f 1)\n(g 2)\n", id="top-level forms have lines of their own"),
    pytest.param("(f)\n\n\n\n(g)\n(h)", "(f)\n\n(g)\n(h)\n", id="at most one blank line"),
    pytest.param('(f 1.50 "\\u00e9\\t" +7 1e3)', '(f 1.50 "\\u00e9\\t" +7 1e3)\n', id="spellings are kept"),
    pytest.param("(let [x 1\ny 2] (+ x y))", "(let [x 1\n      y 2]\n  (+ x y))\n", id="bindings pair by pair"),
    pytest.param("(let [x :int 1 [a b] v]\na)", "(let [x :int 1 [a b] v]\n  a)\n", id="typed"),
    pytest.param(
        "(let [x : [:vector :int]\n (f) y 2] y)",
        "(let [x : [:vector :int] (f) y 2] y)\n",
        id="line ends within a row are forgotten",
    ),
    pytest.param("(if a b\nc)", "(if a\n  b\n  c)\n", id="branches"),
    pytest.param("(do a\nb)", "(do\n  a\n  b)\n", id="body without a header"),
    pytest.param(
        '(defn f "Says."\n[a] :int (g a))', '(defn f\n  "Says."\n  [a] :int\n  (g a))\n', id="text about a function"
    ),
    pytest.param("(defn ^:pure f [a] :int\n(g a))", "(defn ^:pure f [a] :int\n  (g a))\n", id="function"),
    pytest.param("(fn [a]\n(g a))", "(fn [a]\n  (g a))\n", id="function without a name"),
    pytest.param(
        "(match x 0 :zero\nn when (> n 1) :many _ nil)",
        "(match x\n  0 :zero\n  n when (> n 1) :many\n  _ nil)\n",
        id="clauses",
    ),
    pytest.param(
        "(match x\n[:ok a]\n(do b\nc) _ nil)",
        "(match x\n  [:ok a]\n    (do\n      b\n      c)\n  _ nil)\n",
        id="far clauses",
    ),
    pytest.param("(cond a 1\nb 2)", "(cond\n  a 1\n  b 2)\n", id="conditions"),
    pytest.param(
        "(try (f)\n(catch :io e (g e)) (finally\n(h)))",
        "(try\n  (f)\n  (catch :io e (g e))\n  (finally\n    (h)))\n",
        id="try",
    ),
    pytest.param("(catch e\n1)", "(catch e\n  1)\n", id="catch of everything"),
    pytest.param("(f a\nb c)", "(f a\n   b c)\n", id="call beside its first argument"),
    pytest.param("(f\na b)", "(f\n a b)\n", id="call below its name"),
    pytest.param("(map (fn [x]\nx) xs)", "(map (fn [x]\n       x)\n     xs)\n", id="after several lines"),
    pytest.param("#(do %\n%2)", "#(do\n   %\n   %2)\n", id="shorthand"),
    pytest.param("{:a 1\n:b 2}", "{:a 1\n :b 2}\n", id="map"),
    pytest.param("{:a\n1}", "{:a 1}\n", id="a single pair has one line"),
    pytest.param("[:map {:a :int ?\n:b :string}]", "[:map {:a :int ?\n       :b :string}]\n", id="optional fields"),
    pytest.param("^{:a 1}\n(f)", "^{:a 1}\n(f)\n", id="metadata above its form"),
    pytest.param("^:a   (f)", "^:a (f)\n", id="metadata beside its form"),
    pytest.param('^:delegation :remote "m"  (f)', '^:delegation :remote "m" (f)\n', id="delegation"),
    pytest.param("`( a ~b  ~@ c ~ @d 'e )", "`(a ~b ~@c ~ @d 'e)\n", id="marks"),
    pytest.param("(defstruct P :x :int\n:y :int)", "(defstruct P\n  :x :int\n  :y :int)\n", id="struct"),
    pytest.param("(f\n)", "(f)\n", id="closing brackets stay on the line"),
    pytest.param('(f "a\n b")', '(f "a\n b")\n', id="strings of several lines are kept"),
    pytest.param("a ;b  \r\n;;c", "a ;b\n;;c\n", id="comments"),
    pytest.param("(f ;b\n a)", "(f ;b\n a)\n", id="comment behind the name"),
    pytest.param("(f a\n;b\n)", "(f a\n   ;b\n   )\n", id="comment before the closing bracket"),
    pytest.param("(f #|x|# a)", "(f #|x|# a)\n", id="comment within a line"),
    pytest.param("{:a 1 ; one\n:b 2}", "{:a 1 ; one\n :b 2}\n", id="comment behind a pair"),
]


@pytest.mark.parametrize(("text", "laid_out"), LAID_OUT)
def test_layout(text, laid_out):
    assert format_source(text) == laid_out
    assert format_source(laid_out) == laid_out


def test_what_does_not_fit_goes_on_lines_of_its_own():
    text = '(call :mail/send {:to "someone" :subject "a subject"} (if urgent (first now) (rest later)) [1 2 3])'
    assert format_source(text, 40) == (
        "(call :mail/send\n"
        '      {:to "someone"\n'
        '       :subject "a subject"}\n'
        "      (if urgent\n"
        "        (first now)\n"
        "        (rest later))\n"
        "      [1 2 3])\n"
    )


def test_numbers_fill_their_lines():
    lines = format_source(f"[{' '.join(map(str, range(1000)))}]", 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert min(map(len, lines[:-1])) > 55


def test_a_text_that_cannot_be_read_is_refused():
    with pytest.raises(ReadError, match="never closed"):
        format_source("(f")


ATOMS = st.sampled_from(
    [
        "a",
        "foo",
        ":k",
        ":int",
        "1",
        "2.50",
        "-3",
        '"s"',
        "nil",
        "true",
        "@x",
        "x#",
        "?",
        "&",
        "%",
        "when",
        '"two\nlines"',
        "a-name-that-is-rather-long",
        "resource://a/b",
    ]
)
BETWEEN = st.sampled_from(
    [" "] * 8
    + ["\n"] * 4
    + ["\n\n", "\n\n\n", ", ", "\r\n", " ; c\n", "\n; own\n", " #| b |# ", "\n#| b\n |#\n", "#|x|#", "\n\n;; far\n\n"]
)
HEADS = st.sampled_from(
    [
        "let",
        "fn",
        "defn",
        "defmacro",
        "match",
        "cond",
        "case",
        "if",
        "when",
        "do",
        "def",
        "try",
        "catch",
        "finally",
        "for",
        "step",
        "module",
        "defstruct",
        "map",
        "call",
        "->",
        "f",
    ]
)
MARKS = st.sampled_from(
    ["'", "`", "~", "~@", ": ", "^:a ", "^{:a 1} ", '^:delegation :remote "m" ', "^:delegation :local "]
)


def sequence(opener: str, closer: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.lists(st.tuples(inner, BETWEEN).map("".join), max_size=6)
    return st.tuples(
        st.just(opener), st.sampled_from(["", "", "\n", " ; c\n"]), parts.map("".join), st.just(closer)
    ).map("".join)


FORMS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        sequence("(", ")", inner),
        st.tuples(HEADS, BETWEEN, sequence("", ")", inner)).map(lambda parts: "(" + "".join(parts)),
        st.tuples(BETWEEN, sequence("[", "]", inner), BETWEEN, inner).map(lambda parts: f"(let{''.join(parts)})"),
        sequence("[", "]", inner),
        sequence("#(", ")", inner),
        st.lists(st.tuples(ATOMS, BETWEEN, inner, BETWEEN).map("".join), max_size=4).map(
            lambda pairs: f"{{{''.join(pairs)}}}"
        ),
        st.tuples(MARKS, inner).map("".join),
    ),
    max_leaves=25,
)
TEXTS = st.lists(st.tuples(FORMS, BETWEEN).map("".join), max_size=4).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from([12, 30, 60, 100]))
def test_layout_keeps_the_meaning_and_the_comments_and_is_final(text, width):
    try:
        before = read(text)
    except ReadError:
        return
    laid_out = format_source(text, width)
    assert list(map(print_node, read(laid_out))) == list(map(print_node, before))
    assert written(laid_out) == written(text)
    assert format_source(laid_out, width) == laid_out


def written(text: str) -> str:
    """Everything but blanks: no character of a comment or literal is lost or moved."""
    return "".join(text.replace(",", " ").split())


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_lines_do_not_end_in_blanks(text):
    try:
        laid_out = format_source(text)
    except ReadError:
        return
    assert all(line == line.rstrip() for line in laid_out.splitlines())
