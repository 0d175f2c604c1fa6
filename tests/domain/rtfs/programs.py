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
    ),
    max_leaves=12,
)
