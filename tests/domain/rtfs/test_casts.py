"""Annotations are checked casts: what is certain at compile time, the rest when the program runs. So are tool results."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import STRING, parse_type
from domain.rtfs.vm import Finished, Limits, Returned, Suspended, Trapped, load, resume, start

K = Keyword


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('(let [x :int (parse-json "1")] x)', "1"),
        ('(let [x :int (parse-json "true")] x)', "!expected :int, found :bool true"),
        ('(let [x :float (parse-json "1")] x)', "1.0"),
        ('(let [x :int? (parse-json "null")] x)', "nil"),
        ('(let [x [:and :int [:> 0]] (parse-json "1")] x)', "1"),
        ('(let [x [:and :int [:> 0]] (parse-json "0")] x)', "!expected [:and :int [:> 0]], found :int 0"),
        ('(let [[a b] [:tuple :int :string] (parse-json "[1, 2]")] a)', "!at [1]: expected :string, found :int 2"),
        ('(let [{:keys [a]} [:map [:a :int]] (parse-json "{}")] a)', "!the key :a (:int) is missing from {}"),
        (
            '(let [x [:vector [:map [:a :int]]] (parse-json "[{\\"a\\": \\"b\\"}]")] x)',
            '!at [0]: the key :a (:int) is missing from the map with keys ["a"]; there the key is a string',
        ),
        ('(let [x [:enum "a" "b"] (parse-json "\\"c\\"")] x)', '!expected [:enum "a" "b"], found :string "c"'),
        ('((fn [x :int] x) (parse-json "\\"a\\""))', '!expected :int, found :string "a"'),
        ('(defn f [x :int] (* 2 x)) (map f (parse-json "[1, true]"))', "!expected :int, found :bool true"),
        ('(defn f [x] :int (:a x nil)) (f (parse-json "{\\"a\\": null}"))', "!expected :int, found nil"),
        ('(defn f [& xs [:vector :int]] xs) (f 1 (parse-json "true"))', "!at [1]: expected :int, found :bool true"),
        ('(do (def x :int (parse-json "true")) x)', "!expected :int, found :bool true"),
        ('(loop [n 0] (let [m :int (if (< n 2) n (parse-json "true"))] (recur (inc m))))', "!found :bool true"),
        ('(let [x [:array :int [2 ?]] (parse-json "[[1], []]")] x)', "[[1] []]"),
        ('(let [x [:array :float [2 ?]] (parse-json "[[1], []]")] x)', "[[1.0] []]"),
        ('(let [x [:array :int [2 ?]] (parse-json "[[1]]")] x)', "!expected [:array :int [2 ?]], found a vector [[1]]"),
        ('(let [x [:array :int [? 2]] (parse-json "[[1, 2], [1]]")] x)', "!at [1]: expected [:array :int [2]], found"),
        ('(let [x [:array :int [2 ?]] (parse-json "[[1], [true]]")] x)', "!at [1][0]: expected :int, found :bool true"),
        # Functions are checked for how many arguments they take, and for no more: see the deviations.
        ('(let [f [:fn [:int] :int] (or (parse-json "null") inc)] (f 1))', "2"),
        ('(let [f [:fn [:int] :int] (or (parse-json "null") (fn [a & b] a))] (f 1))', "1"),
        ('(let [f [:fn [:int] :string] (or (parse-json "null") inc)] (f 1))', "2"),
        (
            '(let [f [:fn [:int] :int] (or (parse-json "null") (fn [a b] a))] (f 1))',
            "!expected [:fn [:int] :int], found a function that takes 2 arguments",
        ),
        (
            '(let [f [:fn [& :int] :int] (or (parse-json "null") inc)] (f 1))',
            "!expected [:fn [& :int] :int], found a function that takes 1 argument",
        ),
        ('(let [f [:fn [:any] :any] (or (parse-json "null") :a)] f)', "!found :keyword :a"),
        ('(let [f :function (or (parse-json "null") (fn [a b] a))] (f 1 2))', "1"),
    ],
)
def test_annotations_are_checked_when_the_program_runs(run, source, value):
    outcome = run(source)
    if value.startswith("!"):
        assert outcome.error.type == "type-mismatch"
        assert value[1:] in outcome.error.message
    else:
        assert outcome.text == value


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ('(let [x :int "a"] x)', 14, "this is not of the type it is declared with: expected :int, found :string"),
        ("(let [x [:and :int [:> 0]] 0] x)", 28, "expected [:and :int [:> 0]], found :int 0"),
        ('(let [x [:enum "a" "b"] "c"] x)', 25, 'expected [:enum "a" "b"], found :string "c"'),
        ('(let [x [:and :string [:matches-regex "[a-z]+"]] "A"] x)', 50, 'found :string "A"'),
        ("(let [x [:map [:a [:and :int [:> 0]]]] {:a 0}] x)", 40, "at :a: expected [:and :int [:> 0]], found :int 0"),
        ("(let [n 1 x [:map [:a [:and :int [:> 0]]]] {:a 0 :b n}] x)", 44, "at :a: expected [:and :int [:> 0]]"),
        ("(let [n 1 x [:vector [:enum 1 2]] [n 3]] x)", 35, "at [1]: expected [:enum 1 2], found :int 3"),
        ("(let [[a b] :int 3] a)", 18, "a vector is taken apart here: expected"),
        ("(let [{:keys [a]} 3] a)", 19, "a map is taken apart here: expected"),
        ("(defn f [x :int] x) (f :a)", 24, "`f`, argument 1 (`x`): expected :int, found :keyword :a"),
        ("(defn f [x] :string (inc x)) 1", 21, "the function should give :string: expected :string, found"),
        ("(fn [x :int] :string x)", 22, "the function should give :string: expected :string, found :int"),
        ('(do (def x :int "a") x)', 17, "expected :int, found :string"),
        ("(let [f [:fn [:int] :int] (fn [a b] a)] 1)", 27, "found [:fn [:any :any] :any]"),
        ("(let [f [:fn [:int] :int] (fn [a :string] 1)] 1)", 27, "argument 1: it takes :string and is given :int"),
        ('(let [f [:fn [:int] :int] (fn [a] "a")] 1)', 27, "at the result: expected :int, found :string"),
        ("(let [f [:fn [:int] :int] 5] 1)", 27, "expected [:fn [:int] :int], found :int 5"),
        ("(let [x [:array :int [2 ?]] [[1]]] x)", 29, "expected [:array :int [2 ?]], found"),
        ("(let [x [:array :int [2 ?]] [[1] [:a]]] x)", 29, "at [1][0]: expected :int, found :keyword"),
    ],
)
def test_what_cannot_be_of_its_annotation_does_not_compile(compiling, source, column, message):
    with pytest.raises(CompileError) as raised:
        compiling(source)
    assert message in raised.value.message
    assert raised.value.column == column


@pytest.mark.parametrize(
    ("source", "without"),
    [
        ("(let [x :int 1] x)", "(let [x 1] x)"),
        ("((fn [x :int] x) 1)", "((fn [x] x) 1)"),
        ("(defn f [x] :int (inc x)) (f 1)", "(defn f [x] (inc x)) (f 1)"),
    ],
)
def test_an_annotation_stays_in_the_module_even_where_it_is_certain(compiling, source, without):
    """What is known of types never changes what is compiled: digests stay as inference gets better."""
    folded = compile_program(source, parameters={}, output=None, capabilities={}, fold=False)
    assert folded.digest != compile_program(without, parameters={}, output=None, capabilities={}, fold=False).digest


ROWS = "[:vector [:map [:name :string] [:size [:and :int [:>= 0]]] [:kind [:enum :a :b] ?] [:at :timestamp ?]]]"
LIST = Capability("list", "1", "read", (Parameter("path", STRING, required=False),), parse_type(ROWS), "Rows.")
ROW = {K("name"): "x", K("size"): 1}


def answered(value, source="(call :list)", limits=None):
    program = compile_program(source, parameters={}, output=None, capabilities={"list": LIST})
    step = start(load(program.module), {}, limits)
    assert isinstance(step, Suspended)
    return resume(step.state, {step.requests[0].key: Returned(value)})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], None),
        ([ROW, {**ROW, K("more"): [1, {"deep": None}]}], None),
        ([{**ROW, K("kind"): K("a"), K("at"): datetime(2026, 1, 1, tzinfo=UTC)}], None),
        (None, "found nil"),
        ("[]", 'found :string "[]"'),
        ({}, "found a map {}"),
        ([None], "at [0]: expected [:map"),
        (
            [ROW, {K("name"): "x"}],
            "at [1]: the key :size ([:and :int [:>= 0]]) is missing from the map with keys [:name]",
        ),
        (
            [{"name": "x", "size": 1}],
            'at [0]: the key :name (:string) is missing from the map with keys ["name" "size"]',
        ),
        ([{**ROW, K("size"): -1}], "at [0] :size: expected [:and :int [:>= 0]], found :int -1"),
        ([{**ROW, K("size"): True}], "at [0] :size: expected :int, found :bool true"),
        ([{**ROW, K("size"): 1.0}], "at [0] :size: expected :int, found :float 1.0"),
        ([{**ROW, K("size"): float("nan")}], "at [0] :size: expected :int, found :float ##NaN"),
        ([{**ROW, K("kind"): "a"}], 'at [0] :kind: expected [:enum :a :b], found :string "a"'),
        ([{**ROW, K("at"): "2026-01-01"}], "at [0] :at: expected :timestamp, found :string"),
        ([{**ROW, K("name"): "\x1b[2J" * 50}], None),
        ([ROW] * 2_000 + [{**ROW, K("name"): None}], "at [2000] :name: expected :string, found nil"),
        (
            [{**ROW, K("kind"): {f"key {n}": n for n in range(2_000)}}],
            "at [0] :kind: expected [:enum :a :b], found a map",
        ),
    ],
)
def test_a_result_that_is_not_of_its_type_is_an_error_of_its_tool(value, problem):
    step = answered(value)
    if problem is None:
        assert isinstance(step, Finished)
        assert step.value == value
        return
    assert isinstance(step, Trapped)
    assert step.error.type == "type-mismatch"
    assert step.error.message.startswith("`list` gave what it does not declare: ")
    assert problem in step.error.message
    assert len(step.error.message) < 500


def test_a_wrong_result_can_be_caught():
    step = answered([{}], "(try (call :list) (catch :type-mismatch e [(:effect e)]))")
    assert isinstance(step, Finished)
    assert step.value == ["0"]


def test_a_result_is_paid_for_before_it_is_looked_at():
    step = answered([ROW] * 50_000, limits=Limits(memory=10_000))
    assert isinstance(step, Trapped)
    assert step.error.type == "memory-exhausted"


def test_a_deep_result_is_refused():
    value: object = 1
    for _ in range(5_000):
        value = [value]
    step = answered([{**ROW, K("more"): value}])
    assert isinstance(step, Trapped)
    assert step.error.type == "nested-too-deeply"


def test_a_result_is_known_to_be_of_its_type(compiling):
    source = "(map (fn [row] (upper (:size row))) (call :list))"
    with pytest.raises(CompileError, match="expected :string, found :int"):
        compile_program(source, parameters={}, output=None, capabilities={"list": LIST})
