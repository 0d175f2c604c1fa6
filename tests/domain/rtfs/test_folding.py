"""Constant folding: what is worked out before, what is left, and that no program can tell the difference."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings

from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import INT
from domain.rtfs.vm import Finished, Limits, Raised, Returned, Suspended, Trapped, Yielded, load, resume, start
from tests.domain.rtfs.programs import NESTED

NUMBER = {"number": Capability("number", "1", "pure", (Parameter("n", INT),), INT, "")}


def compiled(source: str, *, fold: bool = True):
    return compile_program(source, parameters={}, output=None, capabilities=NUMBER, fold=fold)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("(+ 1 2 (* 3 4))", "15"),
        ('(str "a" (upper "b") [1 {:a 2}])', '"aB[1 {:a 2}]"'),
        ("(let [x 2 y (* x 3)] (get {:a y} :a))", "6"),
        ("(if (> 1 2) (inc 1) (dec 1))", "0"),
        ("(if-not nil :yes)", ":yes"),
        ("(cond (= 1 2) :a (= 1 1) :b :else (/ 1 0))", ":b"),
        ("(match {:kind :b :n 4} {:kind :a} 0 {:kind :b :n n} when (> n 3) (* n n) _ nil)", "16"),
        ("(match [1 2 3] [a & more] (count more) _ 0)", "2"),
        ("(case 2 1 :a (2 3) :b)", ":b"),
        ("(and 1 (not false) (or nil 7))", "7"),
        ("(try (+ 1 2) (catch e (:message e)))", "3"),
        ("(let [x :int 3] x)", "3"),
        ("(match 5 (:string s) s (:int n) (inc n))", "6"),
        ('(-> "a,b" (split ",") first)', '"a"'),
        ("(do 1 2 (+ 1 2))", "3"),
    ],
)
def test_what_is_known_is_one_constant(source, value):
    (code,) = decode_module(compiled(source).module).functions
    assert len(code.instructions) == 1
    assert f"return        {value}" in disassemble(compiled(source).module)


def test_a_function_knows_the_constants_that_it_captures():
    folded = disassemble(compiled("(let [k 3 f (fn [x] (+ x (* k k)))] f 1)").module)
    assert "library" in folded
    assert "9" in folded
    assert "*" not in folded


@pytest.mark.parametrize(
    "source",
    [
        "(/ 1 0)",
        "(nth [1] 5)",
        '(error :stop "x")',
        "(range 1000)",
        '(upper "straße")',
        '(re-find "a" "ab")',
        "(map inc [1 2])",
        "(repeat 100000000000 1)",
        "(hash-map :a)",
        "(vector inc)",
        '(let [x :int (first (parse-json "[[]]"))] x)',
    ],
)
def test_what_fails_or_is_large_is_left_to_the_program(source):
    assert len(decode_module(compiled(source).module).functions[0].instructions) >= 1
    assert "library" in disassemble(compiled(source).module) or "cast" in disassemble(compiled(source).module)


@pytest.mark.parametrize(
    "source",
    [
        "(if false (call :number 1) 2)",
        "(if true 2 (call :number 1))",
        "(cond (= 1 1) 1 :else (call :number 1))",
        "(and false (call :number 1))",
        "(or 1 (call :number 1))",
        "(if false ((fn [] (call :number 1))) 2)",
        "(defn f [n] (call :number n)) (if false (f 1) 2)",
        "(defn f [n] (g n)) (defn g [n] (call :number n)) (if false (f 1) 2)",
        "(try 1 (catch e (call :number 1)))",
        "(when nil (map (fn [n] (call :number n)) [1]))",
    ],
)
def test_the_effect_row_does_not_depend_on_folding(source):
    assert [each.name for each in compiled(source).effects] == ["number"]
    assert compiled(source).effects == compiled(source, fold=False).effects


def test_a_loop_that_is_never_gone_on_with_is_refused_all_the_same():
    source = "(loop [i 0] (if false (inc (recur 1)) i))"
    for fold in (True, False):
        with pytest.raises(CompileError, match="not the last thing"):
            compiled(source, fold=fold)


def test_what_would_take_long_is_left_to_the_program():
    few, many = (f'(let [s "{"ab" * size}"] (upper (lower s)))' for size in (20, 20_000))
    assert "lower" not in disassemble(compiled(few).module)
    assert "lower" in disassemble(compiled(many).module)
    sums = " ".join(["(str (range 60) (range 60))"] * 600)
    folded = disassemble(compiled(f"[{sums}]").module)
    assert 0 < folded.count("library") < 2 * 600


@pytest.mark.parametrize("last", ["(inc n)", "(call :number n)"])
def test_a_function_is_looked_at_once_however_often_it_is_asked_for(last):
    functions = " ".join(f"(defn f{place} [n] (f{place + 1} (f{place // 2} n)))" for place in range(400))
    asked = " ".join(f"(if false (f{place} 1) {place})" for place in range(400))
    program = compiled(f"{functions} (defn f400 [n] {last}) [{asked}]")
    assert len(program.effects) == ("call" in last)
    assert len(decode_module(program.module).functions) == 402


LARGE = Limits(fuel=300_000, memory=300_000, depth=60, output=3_000)


def outcome(source: str, *, fold: bool):
    """Give how a program ends and what it asked, or that it is refused and why."""
    try:
        program = compiled(source, fold=fold)
    except CompileError as error:
        return error.render()
    asked = []
    step = start(load(program.module), {}, LARGE)
    for turn in range(200):
        if isinstance(step, Yielded):
            step = resume(step.state, {})
            continue
        if not isinstance(step, Suspended):
            break
        asked.append([(request.key, request.arguments) for request in step.requests])
        answer = Raised("tool-failed", "no") if turn % 3 == 2 else Returned(turn)
        step = resume(step.state, {request.key: answer for request in step.requests})
    assert isinstance(step, Finished | Trapped)
    if isinstance(step, Trapped):
        place = program.source_map.position(step.error.site)
        return asked, program.effects, step.error.type, step.error.message, step.error.effect, place
    return asked, program.effects, step.value


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED)
@example("(loop [x 0] (if (< x 2) (recur (inc x)) (and x (or nil (try (nth [x] 3) (catch e (:type e)))))))")
@example("(let [z (fn [n] n)] (match [1 (z 2)] [1 2] (call :number 1) _ 0))")
def test_no_program_can_tell_that_it_was_folded(source):
    folded, plain = outcome(source, fold=True), outcome(source, fold=False)
    if not any(kind in repr(plain) for kind in ("fuel-exhausted", "memory-exhausted", "depth-exceeded")):
        assert repr(folded) == repr(plain)


@pytest.mark.parametrize("name", ["_x", "y", "__", "x-1"])
@pytest.mark.parametrize(
    "program",
    ["(let [x [1 2] z 3] (fn [w] (conj x w z)))", "(let [x 2] (fn [y2] (+ x y2)))", "(defn f [a] (conj [1] a)) (f 1)"],
)
def test_a_local_s_new_name_changes_no_byte(program, name):
    renamed = program.replace("x", name).replace("defn f [a]", f"defn {name} [a]").replace("(f 1)", f"({name} 1)")
    assert compiled(renamed).digest == compiled(program).digest
