"""Programs put together at random: each compiles and ends within its limits, or is refused with a place."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import INT
from domain.rtfs.vm import Finished, Limits, Raised, Returned, Suspended, Trapped, load, resume, start

NUMBER = {"number": Capability("number", "1", "pure", (Parameter("n", INT),), INT, "")}
SMALL = Limits(fuel=3_000, memory=3_000, depth=30, output=300)

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


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED)
@example("(let [x 1] (match [x 2] [a & b] when (> a 0) [b a] _ nil))")
def test_any_program_ends(source):
    try:
        program = compile_program(source, parameters={}, output=None, capabilities=NUMBER)
    except CompileError as error:
        place = error.line
        rendered = error.render()
    else:
        ends(program.module)
        return
    assert place == 1
    assert rendered.startswith("line 1, column ")


def ends(module: bytes) -> None:
    step = start(load(module), {}, SMALL)
    for turn in range(200):
        if not isinstance(step, Suspended):
            break
        answer = Raised("tool-failed", "no") if turn % 3 == 2 else Returned(turn)
        step = resume(step.state, {request.key: answer for request in step.requests})
    assert isinstance(step, Finished | Trapped)
