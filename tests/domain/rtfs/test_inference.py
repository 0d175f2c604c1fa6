"""What is known of values before a program runs: types flow through calls, choices and loops, and are right."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings

from domain.rtfs.compiler.expressions import Constant, Expression, LibraryFunction, Read
from domain.rtfs.compiler.flow.walking import Flow
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import mismatch, parse_type, print_type
from domain.rtfs.vm import Finished, Limits, Trapped, Yielded, load, resume, start
from tests.domain.rtfs.typed_programs import INPUT, INPUTS, PROGRAMS, annotated, bare

ROW = '[:map [:kind [:enum "a" "b"]] [:name :string] [:size :int ?]]'
TYPE = parse_type(
    f"[:map [:m [:map-of :string :int]] [:n :int?] [:other :any] [:rows [:vector {ROW}]] [:site :string]"
    ' [:tagged [:vector [:union [:map [:k [:val "one"]] [:v :int]] [:map [:k [:val "two"]] [:w :string]]]]]]'
)


def compiled(source, capabilities, output=None):
    return compile_program(
        source,
        parameters={"inputs": TYPE},
        output=parse_type(output) if output else None,
        capabilities=capabilities,
    )


@pytest.mark.parametrize(
    ("source", "gives"),
    [
        # Functions that are written out get the types of what they are given.
        ("(map (fn [r] (:name r)) (:rows inputs))", "[:vector :string]"),
        ("(map :size (:rows inputs))", "[:vector :int?]"),
        ("(map #(count (:name %)) (:rows inputs))", "[:vector :int]"),
        ("(map-indexed (fn [i r] [i (:name r)]) (:rows inputs))", "[:vector [:tuple :int :string]]"),
        ("(map (fn [[k v]] v) (:m inputs))", "[:vector :int]"),
        ("(mapcat (fn [r] [(:name r) (:size r)]) (:rows inputs))", "[:vector [:union :int :string :nil]]"),
        ("(keep :size (:rows inputs))", "[:vector :int]"),
        ("(filter :size (:rows inputs))", f"[:vector {ROW.replace(' ?', '')}]"),
        ("(remove nil? (map :size (:rows inputs)))", "[:vector :int]"),
        ('(filter string? [1 "a" :b])', "[:vector :string]"),
        ('(filter (fn [x] (and (some? x) (int? x))) [1 "a" nil])', "[:vector :int]"),
        ("(reduce + 0 (map (fn [r] (or (:size r) 0)) (:rows inputs)))", ":int"),
        ("(reduce (fn [m r] (assoc m (:name r) (:size r))) {} (:rows inputs))", "[:map-of :string :int?]"),
        ("(reduce (fn [acc r] (conj acc (:name r))) [] (:rows inputs))", "[:vector :string]"),
        ("(reduce max [1 2.5])", "[:union :float :int]"),
        ("(sort-by :size > (:rows inputs))", f"[:vector {ROW}]"),
        ("(group-by :kind (:rows inputs))", f'[:map-of [:enum "a" "b"] [:vector {ROW}]]'),
        ("(partition-by :kind (:rows inputs))", f"[:vector [:vector {ROW}]]"),
        ("(frequencies (map :name (:rows inputs)))", "[:map-of :string :int]"),
        ("(some (fn [r] (:size r)) (:rows inputs))", ":int?"),
        ("(every? (fn [r] (:size r)) (:rows inputs))", ":bool"),
        ("(for [r (:rows inputs) :when (:size r)] (+ 1 (:size r)))", "[:vector :int]"),
        ("(for [r (:rows inputs) n [1 2]] [r n])", f"[:vector [:tuple {ROW} :int]]"),
        ("(doseq [r (:rows inputs)] r)", ":nil"),
        ("(->> (:rows inputs) (filter :size) (map :size) (reduce +))", ":int?"),
        ("(-> inputs :rows first :name)", ":string?"),
        ("(apply + (map count (map :name (:rows inputs))))", ":int"),
        ('(apply (fn [a b] [b a]) [1 "a"])', "[:tuple :string :int]"),
        ("(update (first (:rows inputs)) :size (fn [n] (str n)))", None),
        ("(defn size [r] (or (:size r) 0)) (map size (:rows inputs))", "[:vector :int]"),
        ("(let [name (fn [r] (:name r))] (map name (:rows inputs)))", "[:vector :string]"),
        ("(step-parallel (count (:rows inputs)) (:site inputs))", "[:tuple :int :string]"),
        # Maps and vectors.
        ("(get-in inputs [:rows 0 :name])", ":string?"),
        ("(get-in inputs [:rows 0 :nothing] 1)", ":any"),
        ('(assoc {:a 1} :b "x")', "[:map [:a :int] [:b :string] [:* :never]]"),
        ("(assoc-in {:a {:b 1}} [:a :c] nil)", "[:map [:a [:map [:b :int] [:c :nil] [:* :never]]] [:* :never]]"),
        ("(dissoc {:a 1 :b 2} :a)", "[:map [:b :int] [:* :never]]"),
        ('(merge {:a 1 :b 2} {:b "x"})', "[:map [:a :int] [:b :string] [:* :never]]"),
        ("(merge {:a 1} inputs)", None),
        ("(select-keys (first (:rows inputs)) [:name :size])", None),
        ("(zipmap (map :name (:rows inputs)) [1 2])", "[:map-of :string :int]"),
        ("(into {} (map (fn [r] [(:name r) 1]) (:rows inputs)))", "[:map-of :string :int]"),
        ("(into [1] (map :name (:rows inputs)))", "[:vector [:union :int :string]]"),
        ('(conj [1] "a")', "[:tuple :int :string]"),
        ('(concat [1] ["a"])', "[:vector [:union :int :string]]"),
        ("(keys (:m inputs))", "[:vector :string]"),
        ('(vals {:a 1 :b "x"})', "[:vector [:union :int :string]]"),
        ('(flatten [1 [2 ["a"]]])', "[:vector [:union :int :string]]"),
        ("(nth (:rows inputs) 0)", ROW),
        ('(first [1 "a"])', ":int"),
        ("(str 1)", ":string"),
        ("(+ 1 2.5)", ":float"),
        ("(/ 1 2)", "[:union :float :int]"),
        # Conditions.
        ("(let [n (:n inputs)] (if n n 0))", ":int"),
        ("(let [n (:n inputs)] (if (nil? n) 0 n))", ":int"),
        ("(let [n (:n inputs)] (if (not (nil? n)) n 0))", ":int"),
        ("(let [n (:n inputs)] (when-not (some? n) n))", ":nil"),
        ("(if (:n inputs) (:n inputs) 0)", ":int"),
        ('(if-let [n (:n inputs)] n "none")', "[:union :int :string]"),
        ("(or (:n inputs) 0)", ":int"),
        ("(and (:n inputs) (inc (:n inputs)))", ":int?"),
        ('(let [x (:other inputs)] (if (string? x) x ""))', ":string"),
        ("(let [x (:other inputs)] (if (or (string? x) (int? x)) x 0))", "[:union :int :string]"),
        ("(let [x (:other inputs)] (cond (int? x) x (string? x) (count x) :else 0))", ":int"),
        ("(let [x (:other inputs)] (match x (:int n) n [a b] 2 _ 0))", ":int"),
        ('(map (fn [t] (if (= (:k t) "one") (:v t) (:w t))) (:tagged inputs))', "[:vector [:union :int :string]]"),
        (
            '(map (fn [t] (match t {:k "one" :v v} v {:k "two"} (:w t))) (:tagged inputs))',
            "[:vector [:union :int :string]]",
        ),
        (
            '(map (fn [t] (case (:k t) "one" (inc (:v t)) "two" (:w t))) (:tagged inputs))',
            "[:vector [:union :int :string]]",
        ),
        ('(map (fn [r] (if (= (:kind r) "a") nil (:kind r))) (:rows inputs))', '[:vector [:union [:val "b"] :nil]]'),
        ("(let [r (first (:rows inputs))] (if (contains? r :extra) (:extra r) 0))", ":any"),
        # Loops and recursion.
        ("(loop [i 0] (if (< i 3) (recur (inc i)) i))", ":int"),
        ("(loop [i 0 acc []] (if (< i 3) (recur (inc i) (conj acc (str i))) acc))", "[:vector :string]"),
        ("(loop [i 0 acc {}] (if (< i 3) (recur (inc i) (assoc acc (str i) i)) acc))", "[:map-of :string :int]"),
        ("(loop [x nil] (if x x (recur 1)))", ":int"),
        ("(loop [x 0] (if (vector? x) x (recur [x])))", None),
        ("(loop [rows (:rows inputs)] (if (empty? rows) 0 (recur (rest rows))))", ":int"),
        ('(defn f [n] (if (= n 0) "done" (f (dec n)))) (f 3)', ":string"),
        (
            "(defn even [n] (if (= n 0) true (odd n))) (defn odd [n] (if (= n 0) false (even (dec n)))) (even 4)",
            ":bool",
        ),
        ("((fn f [n acc] (if (= n 0) acc (recur (dec n) (conj acc n)))) 3 [])", "[:vector :int]"),
        # Tools.
        ("(map (fn [n] (call :number n)) [1 2])", "[:vector :int]"),
        ('(let [{:keys [name licence]} (call :py.meta "a" "b")] [name licence])', "[:tuple :string :string?]"),
        ('(try (:name (call :py.meta "a" "b")) (catch e (:message e)))', ":string"),
    ],
)
def test_types_flow(capabilities, source, gives):
    found = print_type(compiled(source, capabilities).gives)
    if gives is None:
        assert found != ":any"
    else:
        assert found == print_type(parse_type(gives))


@pytest.mark.parametrize(
    ("source", "column", "message", "hint"),
    [
        ("(map (fn [r] (:nmae r)) (:rows inputs))", 15, "the map is not known to have :nmae", "did you mean :name?"),
        ("(map :nmae (:rows inputs))", 6, "the map is not known to have :nmae", "did you mean :name?"),
        ("(map #(:nmae %) (:rows inputs))", 8, "the map is not known to have :nmae", "did you mean :name?"),
        ("(filter (fn [r] (= (:knd r) 1)) (:rows inputs))", 21, "not known to have :knd", "did you mean :kind?"),
        ("(reduce (fn [a r] (+ a (:siz r))) 0 (:rows inputs))", 25, "not known to have :siz", "did you mean :size?"),
        ("(sort-by :siz (:rows inputs))", 10, "not known to have :siz", "did you mean :size?"),
        ("(group-by (fn [r] (:knd r)) (:rows inputs))", 20, "not known to have :knd", "did you mean :kind?"),
        ("(for [r (:rows inputs)] (:nam r))", 26, "not known to have :nam", "did you mean :name?"),
        ("(doseq [{:keys [nam]} (:rows inputs)] nam)", 17, "not known to have :nam", "did you mean :name?"),
        ("(->> (:rows inputs) (filter :size) (map :nam))", 41, "not known to have :nam", "did you mean :name?"),
        ("(:nam (first (:rows inputs)))", 2, "not known to have :nam", "did you mean :name?"),
        ("(get-in inputs [:rowz 0])", 16, "not known to have :rowz", "did you mean :rows?"),
        ("(update-in inputs [:rows 0 :name] (fn [n] (inc n)))", 48, "`inc`, argument 1: expected a number", None),
        ("(update inputs :site inc)", 22, "`inc`, argument 1: expected a number, found :string", None),
        ("(:x (:m inputs))", 2, "the map has keys of :string, so that there is nothing under :x", '(get map "x")'),
        ("(try 1 (catch e (:mesage e)))", 18, "not known to have :mesage", "did you mean :message?"),
        ("(map (fn [a b] a) (:rows inputs))", 6, "takes 2 arguments and is given 1", None),
        ("(reduce (fn [a] a) 0 [1])", 9, "takes 1 arguments and is given 2", None),
        ("(map 1 [1])", 6, "`map`, argument 1: expected a function, a keyword or a map, found :int", None),
        ("(map inc 5)", 10, "`map`, argument 2: expected a vector, a map, a string or nil, found :int", None),
        ("(for [x (:n inputs)] x)", None, None, None),
        ("(map upper (map :size (:rows inputs)))", 6, "`upper`, argument 1: expected :string, found :int?", None),
        ("(let [n (:n inputs)] (if (nil? n) (inc n) 0))", 40, "expected a number, found :nil", None),
        ("(let [n (:n inputs)] (when-not n (+ 1 n)))", 39, "expected a number, found :nil", None),
        ('(map (fn [t] (if (= (:k t) "one") (:w t) 1)) (:tagged inputs))', 36, "not known to have :w", None),
        ('(map (fn [t] (match t {:k "two"} (:v t) _ 0)) (:tagged inputs))', 35, "not known to have :v", None),
        (
            '(map (fn [t] (case (:k t) "one" (upper (:v t)) 0)) (:tagged inputs))',
            40,
            "expected :string, found :int",
            None,
        ),
        ("(let [x (:other inputs)] (if (string? x) (inc x) 0))", 47, "expected a number, found :string", None),
        ("(loop [i 0] (if (< i 3) (recur (str i)) (upper i)))", None, None, None),
        ("(loop [i 0] (if (< i 3) (recur (inc i)) (upper i)))", 48, "expected :string, found :int", None),
        ("(< (:site inputs) 3)", 19, "`<`, argument 2: :string and :int cannot be compared", None),
        ("(sort (fn [a b] (< (:nam a) (:nam b))) (:rows inputs))", 21, "not known to have :nam", None),
        ("(defn f [rows] (map (fn [r] (upper (:size r))) rows)) (f (:rows inputs))", 36, "expected :string", None),
        ("(defn f [r] (:nmae r)) (map f (:rows inputs))", 14, "not known to have :nmae", None),
        ('(defn f [x] (upper x)) [(f 1) (f "a")]', None, None, None),
        ("(defn f [x] (upper x)) [(f 1) (f 2)]", 20, "expected :string, found :int", None),
        ("(call :number (:site (first (:rows inputs)) nil))", None, None, None),
        (
            "(call :number (:name (first (:rows inputs))))",
            15,
            "`number`, argument `n`: expected :int, found :string?",
            None,
        ),
    ],
)
def test_what_certainly_cannot_work_is_refused(capabilities, source, column, message, hint):
    if column is None:
        compiled(source, capabilities)
        return
    with pytest.raises(CompileError) as raised:
        compiled(source, capabilities)
    assert message in raised.value.message
    assert raised.value.column == column
    assert hint is None or hint in (raised.value.hint or "")


def test_a_message_shows_where_the_type_comes_from(capabilities):
    with pytest.raises(CompileError) as raised:
        compiled('(defn twice [n :int]\n  (* 2 n))\n(twice "a")', capabilities)
    assert raised.value.render() == (
        'line 3, column 8: `twice`, argument 1 (`n`): expected :int, found :string "a"\n'
        ' 3 | (twice "a")\n   |        ^^^\n'
        "line 1, column 14: `n` is declared as :int here\n"
        " 1 | (defn twice [n :int]\n   |              ^"
    )


def test_a_message_shows_what_a_function_is_given(capabilities):
    with pytest.raises(CompileError) as raised:
        compiled("(defn size [r]\n  (inc (:name r)))\n(map size (:rows inputs))", capabilities)
    assert raised.value.line == 2
    assert raised.value.related is not None
    assert raised.value.related.message == f"it is given {ROW} here"


def test_the_output_type_is_told(capabilities):
    with pytest.raises(CompileError) as raised:
        compiled('(let [n (:n inputs)]\n  {:kind "c" :n n})', capabilities, '[:map [:kind [:enum "a" "b"]]]')
    assert raised.value.message.endswith('at :kind: expected [:enum "a" "b"], found :string "c"')
    assert raised.value.hint == 'the output type is [:map [:kind [:enum "a" "b"]]]'


def test_every_kind_of_expression_is_followed():
    """Of constants, variables and functions of the library the type is known at once."""
    known = {Constant, Read, LibraryFunction}
    assert set(get_args(Expression)) == set(Flow._INFERENCES) | known


def run(module: bytes, value: object) -> object:
    step = start(load(module), {"inputs": value}, Limits(fuel=20_000, memory=20_000, depth=50, output=2_000))
    while isinstance(step, Yielded):
        step = resume(step.state, {})
    return step


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
def test_values_are_of_the_types_that_were_inferred(source):
    """Whatever a program gives is of the type that was known before it ran."""
    try:
        program = compile_program(annotated(source), parameters={"inputs": INPUT}, output=None, capabilities={})
    except CompileError:
        return
    for value in INPUTS:
        step = run(program.module, value)
        assert isinstance(step, Finished | Trapped)
        if isinstance(step, Finished):
            assert mismatch(step.value, program.gives) is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
def test_a_program_that_compiles_does_so_without_its_annotations(source):
    try:
        compile_program(annotated(source), parameters={"inputs": INPUT}, output=None, capabilities={})
    except CompileError:
        return
    compile_program(bare(source), parameters={"inputs": INPUT}, output=None, capabilities={})


@pytest.mark.parametrize(
    "source",
    [
        "(let [x0 1 " + " ".join(f"x{n + 1} [x{n} x{n}]" for n in range(80)) + "] x80)",
        "(let [x0 1 " + " ".join(f"x{n + 1} {{:a x{n} :b x{n}}}" for n in range(80)) + "] x80)",
        "(let [x0 1 " + " ".join(f"x{n + 1} (if (:n inputs) [x{n}] {{:a x{n}}})" for n in range(80)) + "] x80)",
        "(let [x0 1 " + " ".join(f"x{n + 1} [x{n}]" for n in range(2_000)) + "] 1)",
        "(let [f0 (fn [x] [x x]) " + " ".join(f"f{n + 1} (fn [x] (f{n} (f{n} x)))" for n in range(60)) + "] (f60 1))",
        " ".join(f"(defn g{n} [x] " + "(let [a 1] (if a " * 30 + f"(g{n + 1} x)" + " 0))" * 30 + ")" for n in range(40))
        + " (defn g40 [x] x) (g0 1)",
        "(loop [x [] n 0] " * 20 + "(if (< n 3) (recur [x] (inc n)) x)" + ")" * 20,
        "(reduce (fn [a b] " * 20 + "[a b]" + ") 0 [1 2])" * 20,
        "((fn [a] (if a (recur [a]) " * 20 + "1" + ")) 1)" * 20,
        "[" + " ".join(f'"{n}" {n} :k{n}' for n in range(3_000)) + "]",
        "(let [m {"
        + " ".join(f":k{n} {n}" for n in range(1_000))
        + "}] (-> m (assoc :x 1) (merge m) (dissoc :k1) :k2))",
        "(match inputs " + " ".join(f"{{:site {n} :n [:a {n}]}} {n}" for n in range(300)) + " _ 0)",
    ],
)
def test_following_types_ends(capabilities, source):
    """Each of these would take for ever, or all memory, if types doubled or bodies were looked at again and again."""
    compiled(source, capabilities)
