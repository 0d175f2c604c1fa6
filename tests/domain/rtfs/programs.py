"""Programs put together at random, most of which compile."""

from __future__ import annotations

from hypothesis import strategies as st

from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import FUNCTIONS

ATOMS = st.sampled_from(
    [
        "x",
        "y",
        "z",
        "_",
        "&",
        "1",
        "0",
        "-3",
        "2.5",
        '"a"',
        ":a",
        ":int",
        ":keys",
        ":as",
        ":else",
        "nil",
        "true",
        "[]",
        "{}",
        "%",
        "when",
    ]
)
HEADS = st.sampled_from([*sorted(FORMS), *sorted(FUNCTIONS), "x", ":a", "call :number"])
NESTED = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(HEADS, st.lists(inner, max_size=4)).map(lambda parts: f"({parts[0]} {' '.join(parts[1])})"),
        st.lists(inner, max_size=4).map(lambda items: f"[{' '.join(items)}]"),
        st.lists(inner, max_size=2).map(
            lambda items: "{" + " ".join(f":k{place} {item}" for place, item in enumerate(items)) + "}"
        ),
        inner.map(lambda body: f"(let [x 1 y [1 2] z (fn [n] n)] {body})"),
        inner.map(lambda body: f"(map (fn [x] {body}) [1 2])"),
        inner.map(lambda body: f"(try {body} (catch e (:type e)))"),
        inner.map(lambda body: f"(step-parallel {body} (call :number 1))"),
        inner.map(lambda body: f"(loop [x 0] (if (< x 2) (recur (inc x)) {body}))"),
        inner.map(lambda body: f"#(do % {body})"),
        st.tuples(st.sampled_from(["'", "`", "~", "~@", "^{:a 1} "]), inner).map("".join),
        st.tuples(inner, inner).map(lambda parts: f"(do (defmacro m [a & b] {parts[0]}) (m x {parts[1]}))"),
        st.tuples(inner, inner).map(
            lambda parts: f"(do (defn f [x] (g {parts[0]})) (def k {parts[1]}) (defn g [y] y) (f k))"
        ),
        st.tuples(inner, inner).map(lambda parts: f"(do (defstruct P :x {parts[0]}) (P {parts[1]}))"),
        inner.map(lambda body: f"(call (one-of {body} :number) 1)"),
    ),
    max_leaves=12,
)
