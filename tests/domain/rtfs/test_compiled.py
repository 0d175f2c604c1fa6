"""Compiled or not, a program does the same: same steps, states, values, errors, places, keys and costs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.rtfs.bytecode.module import ModuleInvalid
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.vm import (
    Finished,
    Limits,
    Raised,
    Returned,
    Suspended,
    Trapped,
    Yielded,
    encode_state,
    load,
    resume,
    start,
)
from domain.rtfs.vm.compiled.kinds import kind_of, library_accepts, library_result
from tests.domain.rtfs.conftest import CAPABILITIES
from tests.domain.rtfs.programs import NESTED

MODES = (1, 20)
"""Compiled at once, and when it has used so much fuel; each is compared with what is never compiled."""

SMALL = Limits(fuel=3_000, memory=3_000, depth=30, output=300)

PROGRAMS = {
    "loop": "(loop [i 0 t 0] (if (< i 12) (recur (inc i) (+ t i)) t))",
    "loops": "(loop [i 0 t 0] (if (< i 4) (recur (inc i) (+ t (loop [j 0 s 0] (if (< j i) (recur (inc j) (+ s (* i j))) s)))) t))",
    "loop after loop": "(let [a (loop [i 0] (if (< i 5) (recur (inc i)) i)) b (loop [i a] (if (> i 0) (recur (dec i)) [i a]))] [a b])",
    "loop with ways out": "(loop [i 0] (cond (> i 9) :over (= (mod i 7) 6) [:seven i] (and (> i 3) (< i 2)) :never :else (recur (+ i 1))))",
    "loop in arm": "(loop [i 0 t []] (if (< i 3) (let [x (if (odd? i) (loop [j 0] (if (< j i) (recur (inc j)) j)) :even)] (recur (inc i) (conj t x))) t))",
    "loops at the same place": "(defn f [a] (loop [i 0 s 0] (if (< i 9) (recur (inc i) (+ s a)) s))) (defn g [a] (let [b [a] c (count b)] (loop [i c t b] (if (< i 9) (recur (inc i) (conj t i)) t)))) (defn h [t] (loop [i 0 s t] (if (< i 9) (recur (inc i) [s]) s))) (defn k [a b c] (loop [u c i 0] (if (< i b) (recur a (inc i)) u))) [(f 3) (g 1) (h 2) (f 4) (k :a 5 7) (h 1) (f 2.5)]",
    "recursion": "(defn fib [n] (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib 7)",
    "deep": "(defn sum [n] (if (= n 0) 0 (+ n (sum (dec n))))) (sum 180)",
    "tail calls": "(defn e [n] (if (= n 0) :even (o (dec n)))) (defn o [n] (if (= n 0) :odd (e (dec n)))) (e 151)",
    "tail call to itself": "(defn down [n t] (if (= n 0) t (let [m (dec n)] (down m (+ t m))))) (down 100 0)",
    "tail call to itself that swaps": "(let [k 5] (defn swap [a b n] (cond (= n 0) [a b k] (and (> n 3) (odd? n)) (swap b a (dec n)) :else (let [c [a b]] (swap (first c) k (dec n))))) (map (fn [n] (swap 1 2 n)) [0 1 4 9 12]))",
    "tail call to itself from a loop": "(defn f [n t] (loop [i 0] (if (< i 2) (recur (inc i)) (if (= n 0) [i t] (f (dec n) (conj t n)))))) (f 9 [])",
    "tail call to itself that fails": "(defn f [n x] (if (= n 0) (+ n x) (f (dec n) (if (= n 3) [n] x)))) (try (f 5 1) (catch e (:message e)))",
    "tail call with the rest": "(defn f [n & xs] (if (= n 0) xs (apply f (dec n) (conj xs n)))) (defn g [n & xs] (if (= n 0) xs (g (dec n) n xs))) [(f 4) (g 3)]",
    "tail call of a value": "(let [g (fn [x] [x]) f (fn [h x] (h x))] [(f g 1) (f :a {:a 2}) (f {3 4} 3) (f inc 5) (f (fn [& xs] xs) 6)])",
    "tail call of a sequence": "(let [f (fn [g xs] (g inc xs)) h (fn [g xs] (g (fn [x] (* x x)) xs))] [(f map [1 2]) (h map [3 4]) (h filter [nil])])",
    "closures": "(let [k 3 add (fn [n] (fn [m] (+ n m k)))] (map (add 1) (map (add 2) [1 2 3])))",
    "siblings": "(let [k 2] (defn a [n] (if (< n 1) [k] (b (dec n)))) (defn b [n] (conj (a (dec n)) n)) (map a [1 2 5 8]))",
    "rest": "(let [f (fn [a & more] [a more])] [(f 1) (f 1 2 3) (apply f 1 [2 3]) (map (fn [x] (f x x)) [1 2])])",
    "filters": "(let [xs (range 20)] [(filter odd? xs) (filter (fn [x] (> x 15)) xs) (remove (fn [x] (< x 15)) xs) (some (fn [x] (if (> x 3) x)) xs) (every? (fn [x] (< x 5)) xs) (take-while (fn [x] (< x 4)) xs)])",
    "sequences": '(let [xs [3 1 2]] [(map-indexed (fn [i x] [i x]) xs) (group-by (fn [x] (odd? x)) xs) (sort-by (fn [x] (- x)) xs) (sort (fn [a b] (> a b)) xs) (reduce (fn [a x] (+ a x)) xs) (reduce (fn [a x] (str a x)) "" xs) (mapcat (fn [x] [x x]) xs) (update {:a 1} :a (fn [n] (inc n)))])',
    "maps within maps": "(map (fn [xs] (map (fn [x] (reduce (fn [a b] (+ a b x)) 0 xs)) xs)) [[1 2 3] [] [4]])",
    "library values": "(let [f (fn [g a b] (g a b))] [(f + 1 2) (f map inc [1]) (f get {:a 1} :a) (f conj [1] 2) (reduce + (range 9)) (map :a [{:a 1} {}]) (map {1 2} [1 3])])",
    "records": '(let [rs (map (fn [i] {:id i :n (mod i 3) :tags ["a" "b"]}) (range 9))] (reduce (fn [m r] (let [k (:n r)] (if (> (:id r) 2) (assoc m k (+ (get m k 0) (count (:tags r)))) m))) {} rs))',
    "strings": '(loop [i 0 s ""] (if (< i 9) (recur (inc i) (str s i (if (= s "01") "-" ""))) s))',
    "floats": "(loop [x 1.0 i 0] (if (< i 9) (recur (/ (+ x (/ 2 x)) 2) (inc i)) [x (> x 1) (= x x) (zero? (- x x)) (max x 1) (quot 7 2)]))",
    "kinds met late": "(map (fn [x] (if (= x 3) (+ x 0.5) (* x 2))) [1 2 3 4.5 -6])",
    "matching": '(map (fn [x] (match x 1 :one [a b] (+ a b) {:k v} v (:as n :int) (* n 2) _ :other)) [1 [2 3] {:k 4} 5 "6"])',
    "booleans": "(map (fn [[a b]] [(and a b) (or a b) (not a) (if (and a (or b a) (not (= a b))) 1 2) (if (or a b) 3)]) [[nil 1] [false true] [1 nil] [true true] [nil nil]])",
    "handlers": "(map (fn [x] (try (if (odd? x) (error :bad (str x)) (/ 10 x)) (catch :bad e (:message e)) (catch e (:type e)))) [0 1 2 3 5])",
    "handler around a loop": '(try (loop [i 0] (if (< i 8) (recur (inc i)) (+ i (parse-json "[]")))) (catch e [(:type e) (:message e)]))',
    "handler in a loop": "(loop [i 0 t []] (if (< i 7) (recur (inc i) (conj t (try (nth [1 2 3] i) (catch e i)))) t))",
    "finally": '(let [f (fn [x] (try (if (= x 2) (error "no") x) (finally (str x))))] (map (fn [x] (try (f x) (catch e :caught))) [1 2 3]))',
    "failing in a callback": '(try (map (fn [x] (reduce (fn [a b] (+ a b)) x [1 x "s"])) [1 2]) (catch e (:message e)))',
    "failing": '(defn hide [x] (get (parse-json "{}") :x x)) (let [f (fn [x] (+ 1 (* x 2)))] (reduce (fn [a x] (+ a (f x))) 0 (hide [1 2 3 :four])))',
    "overflow": "(loop [i 1] (recur (* i 7)))",
    "overflow above": "(loop [i 9223372036854775800] (recur (inc i)))",
    "overflow below": "(loop [i -9223372036854775800] (recur (dec i)))",
    "overflow of sums": "(reduce (fn [a b] (+ a b)) 0 (repeat 9 9000000000000000000))",
    "arity": '(defn hide [x] (get (parse-json "{}") :x x)) (let [f (fn [a b] a) g (fn [h] (h 1))] (map (fn [x] (g (hide f))) [1 2]))',
    "arity in a callback": '(defn hide [x] (get (parse-json "{}") :x x)) (let [f (fn [a b] a)] (try (map (hide f) [1]) (catch e (:message e))))',
    "nothing to call": '(defn hide [x] (get (parse-json "{}") :x x)) (let [f (fn [g] (g 1))] (map (fn [x] (try (f x) (catch e (:message e)))) (hide [1 nil "s" [1] :k {1 2} inc map])))',
    "casts": '(map (fn [x] (try (let [y :int x] (* 2 y)) (catch e (:message e)))) [1 2 "3" 4.0])',
    "effects in callbacks": "(map (fn [n] (+ 1 (call :number n))) (range 9))",
    "effects now and then": "(map (fn [n] (if (= (mod n 4) 3) (call :number n) n)) (range 12))",
    "effects in a loop": "(loop [i 0 t 0] (if (< i 6) (recur (inc i) (+ t (call :number i))) t))",
    "effects below": "(defn f [n] (if (= n 3) (call :number n) (+ 1 (f (inc n))))) (map (fn [x] (f x)) [0 1 2 3])",
    "effects in a fold": "(reduce (fn [a n] (+ a (call :number n))) 0 (range 6))",
    "effects in comparisons": "(sort (fn [a b] (< (call :number a) b)) [3 1 2 5 4])",
    "effects that fail": "(map (fn [n] (try (call :number n) (catch e (:type e)))) (range 7))",
    "lanes": "(step-parallel (reduce (fn [a b] (+ a b)) (range 20)) (map (fn [n] (call :number n)) [1 2]) (loop [i 0] (if (< i 9) (recur (inc i)) i)))",
    "lanes in a loop": "(loop [i 0 t []] (if (< i 3) (recur (inc i) (conj t (step-parallel (call :number i) (* i i)))) t))",
    "lanes that fail": "(try (step-parallel (reduce (fn [a b] (+ a b)) [1 :x]) (call :number 1)) (catch e (:message e)))",
    "memory": "(loop [xs [] i 0] (recur (conj xs [i i i]) (inc i)))",
    "memory in callbacks": '(reduce (fn [xs i] (conj xs {:i i :s (str i "------------------")})) [] (range 300))',
    "memory of garbage": "(loop [i 0] (if (< i 60) (do (map (fn [x] [x x]) (range 50)) (recur (inc i))) i))",
    "memory of functions": "(loop [f (fn [] 1) i 0] (recur (let [g f h i] (fn [] (g) h)) (inc i)))",
    "depth": "(defn f [n] (+ 1 (f n))) (f 1)",
    "depth through sequences": "(defn f [x] (map f [x])) (f 1)",
    "depth that is caught by nobody": "(defn f [x] (try (map (fn [y] (f y)) [x]) (catch e 1))) (f 1)",
    "fuel": "(loop [] (recur))",
    "fuel in callbacks": "(map (fn [x] (loop [i 0] (recur (inc i)))) [1])",
    "function leaves": "(loop [i 0] (if (< i 5) (recur (inc i)) (fn [] i)))",
    "too deep a value": "(loop [x 1 i 0] (if (< i 100) (recur [x] (inc i)) (= x [1])))",
}


def story(module: bytes, limits: Limits, slice_fuel: int, compile_after: int | None) -> list[Any]:
    """Everything that a host can see of a run, states included."""
    step = start(load(module, compile_after=compile_after), {}, limits, slice_fuel)
    seen: list[Any] = []
    turn = 0
    while isinstance(step, Suspended | Yielded) and len(seen) < 300:
        seen.append(encode_state(step.state))
        if isinstance(step, Yielded):
            step = resume(step.state, {}, slice_fuel)
            continue
        seen.append(step.requests)
        answers = {}
        for request in step.requests:
            turn += 1
            failed = turn % 5 == 4
            given = next(iter(request.arguments.values()), None)
            answers[request.key] = Raised("tool-failed", f"turn {turn}") if failed else Returned(given)
        step = resume(step.state, answers, slice_fuel)
    if isinstance(step, Finished | Trapped):
        seen.append(step)
    return seen


def check(module: bytes, limits: Limits = SMALL, slice_fuel: int = 10**9) -> list[Any]:
    expected = story(module, limits, slice_fuel, None)
    for mode in MODES:
        assert story(module, limits, slice_fuel, mode) == expected, f"compiled after {mode}"
    return expected


def compiled(source: str) -> bytes:
    return compile_program(source, parameters={}, output=None, capabilities=CAPABILITIES).module


@pytest.fixture(params=PROGRAMS)
def module(request: pytest.FixtureRequest) -> bytes:
    return compiled(PROGRAMS[request.param])


def test_the_same_at_large(module):
    assert check(module, Limits(fuel=300_000, memory=20_000, depth=400, output=10_000))


def test_the_same_with_every_amount_of_fuel(module):
    (whole,) = story(module, SMALL, 10**9, None)[-1:]
    for fuel in sorted({*range(40), *random.Random(1).sample(range(whole.fuel + 3), min(30, whole.fuel + 3))}):
        check(module, Limits(fuel=fuel, memory=3_000, depth=30, output=300))


@pytest.mark.parametrize("slice_fuel", [1, 13, 40, 333])
def test_the_same_in_slices(module, slice_fuel):
    check(module, SMALL, slice_fuel)


def test_the_same_with_little_memory(module):
    for memory in (*range(12), *range(12, 400, 17)):
        check(module, Limits(fuel=3_000, memory=memory, depth=30, output=300))


def test_the_same_with_little_depth(module):
    for depth in range(14):
        check(module, Limits(fuel=3_000, memory=3_000, depth=depth, output=300))


def examples() -> Iterator[str]:
    for entry in FUNCTIONS.values():
        yield entry.example.rpartition(" => ")[0]
        yield from (edge.rpartition(" !! ")[0] or edge.rpartition(" => ")[0] for edge in entry.edges)


@pytest.mark.parametrize("source", list(examples()))
def test_the_same_for_every_example_of_the_library(source):
    try:
        # In a function, so that all of it is compiled.
        module = compiled(f"(let [f (fn [] {source})] (loop [i 0] (if (< i 2) (do (f) (recur (inc i))) (f))))")
    except CompileError:
        return  # the compiler sees already that it fails
    check(module)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED)
def test_the_same_for_any_program(source):
    try:
        module = compiled(f"(let [f (fn [x y] {source})] (map (fn [x] (try (f x 2) (catch e e))) [1 2.5 nil]))")
    except CompileError:
        return
    check(module)
    check(module, SMALL, 30)


def _work(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two, three = st.tuples(inner, inner), st.tuples(inner, inner, inner)
    return st.one_of(
        three.map(lambda x: f"(if {x[0]} {x[1]} {x[2]})"),
        three.map(lambda x: f"(cond {x[0]} {x[1]} (and {x[1]} {x[2]}) {x[0]} :else {x[2]})"),
        three.map(lambda x: f"(if (and {x[0]} (or {x[1]} a)) {x[2]} {x[1]})"),
        three.map(lambda x: f"(let [b {x[0]} a (or {x[1]} b)] {x[2]})"),
        three.map(lambda x: f"(match {x[0]} 1 {x[1]} [c d] (if c d {x[2]}) c when (number? c) [c {x[1]}] _ {x[2]})"),
        three.map(lambda x: f"(loop [i 0 a {x[0]}] (if (< i 3) (recur (inc i) {x[1]}) {x[2]}))"),
        three.map(
            lambda x: (
                f"(loop [i 0 b a] (cond (> i 3) {x[0]} (= b {x[1]}) (recur (+ i 2) {x[2]}) :else (recur (inc i) b)))"
            )
        ),
        two.map(lambda x: f"(try {x[0]} (catch e {x[1]}))"),
        two.map(lambda x: f"(f {x[0]} {x[1]})"),
        two.map(lambda x: f"(g {x[0]} {x[1]})"),
        two.map(lambda x: f"(reduce (fn [a b] {x[0]}) [{x[1]} a])"),
        two.map(lambda x: f"(filter (fn [b] {x[0]}) [{x[1]} b 3])"),
        two.map(lambda x: f"(+ {x[0]} {x[1]})"),
        two.map(lambda x: f"(- {x[0]} {x[1]})"),
        two.map(lambda x: f"(< {x[0]} {x[1]})"),
        two.map(lambda x: f"(= {x[0]} {x[1]})"),
        two.map(lambda x: f"[{x[0]} {x[1]}]"),
        two.map(lambda x: f"(get {x[0]} {x[1]})"),
        inner.map(lambda x: f"(map (fn [b] {x}) [a 1 b])"),
        inner.map(lambda x: f"(call :number (if (int? {x}) 5 {x}))"),
        inner.map(lambda x: f"(let [h (fn [a] {x})] (h (h b)))"),
        inner.map(lambda x: f"(first {x})"),
    )


WORK = st.recursive(
    st.sampled_from(["a", "b", "1", "0", "nil", "true", "[1 2]", "2.5", "a", "b"]), _work, max_leaves=14
)
"""Work of every shape on two variables, in two functions that call each other."""


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WORK, WORK, WORK)
def test_the_same_for_work_of_any_shape(one, other, last):
    hidden = '(get (parse-json "{}") :x'  # what the compiler cannot see through
    source = f"(defn f [a b] {one}) (defn g [a b] {other}) (let [a {hidden} 1) b {hidden} [2])] {last})"
    try:
        module = compiled(source)
    except CompileError:
        return
    check(module, Limits(fuel=600, memory=600, depth=12, output=300))
    check(module, Limits(fuel=600, memory=600, depth=12, output=300), 17)


VALUES = [None, True, False, 0, 1, -1, 7, 2**63 - 1, -(2**63), 0.0, -0.0, 2.5, float("nan"), float("inf"), -1e300]
VALUES += ["", "a", "b", [], [1], [1, 2.5], {}, {"a": 1}, {1: 2}]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_written_in_place_gives_what_the_library_gives(count):
    """Every function of so many arguments, on all kinds of values: known when compiled, and not known."""
    names = sorted(
        name for name, entry in FUNCTIONS.items() if entry.accepts(count) and name not in ("range", "repeat")
    )
    literals = ['"a"', "[1 2]", "{:a 1}", ":a", "nil", "true", "0", "-3", "9223372036854775807", "2.5", '""', "[]"]
    draw = random.Random(count)
    tuples = [[draw.choice(literals) for _ in range(count)] for _ in range(24)]
    for name in names:
        calls = " ".join(
            f"(try ({name} {' '.join(each)}) (catch e e)) (try (f {' '.join(each)}) (catch e e))" for each in tuples
        )
        parameters = " ".join("xyz"[:count])
        try:
            module = compiled(
                f"(let [f (fn [{parameters}] ({name} {parameters})) g (fn [] (count [{calls}]) [{calls}])] (g))"
            )
        except CompileError:
            continue
        check(module, Limits(fuel=20_000, memory=20_000, depth=30, output=20_000))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_is_known_of_results_and_arguments_is_true(name):
    entry = FUNCTIONS[name]
    from domain.rtfs.metering import Fault, Meter

    if not callable(entry.implementation):
        return
    meter = Meter(Limits(), 10**9, 0)
    draw = random.Random(name)
    for _ in range(400):
        count = draw.choice([number for number in range(4) if entry.accepts(number)] or [4])
        arguments = [draw.choice(VALUES) for _ in range(count)]
        try:
            given = [meter, *arguments] if entry.metered else arguments
            result = entry.binary(*given) if entry.binary and count == 2 else entry.implementation(*given)
        except (Fault, TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
            continue
        kinds = [kind_of(each) for each in arguments]
        assert kind_of(result) & library_result(name, kinds), (name, arguments, result)
        assert all(library_accepts(name, kinds)), (name, arguments)


def test_damaged_modules_are_refused_or_do_the_same(tmp_path):
    draw = random.Random(5)
    sources = [
        PROGRAMS[name] for name in ("loops", "recursion", "closures", "sequences", "handlers", "matching", "lanes")
    ]
    ran = 0
    for source in sources:
        module = compiled(source)
        for _ in range(600):
            damaged = bytearray(module)
            place = draw.randrange(len(module))
            damaged[place] ^= 1 << draw.randrange(8) if draw.random() < 0.5 else draw.randrange(1, 16)
            try:
                load(bytes(damaged))
            except ModuleInvalid:
                continue
            ran += 1
            check(bytes(damaged), Limits(fuel=600, memory=600, depth=12, output=100))
    assert ran > 500


def test_what_is_known_of_registers_is_not_believed_of_stored_states():
    """A stored state may hold anything that is well-formed, not only what its program could have made."""
    module = compiled(PROGRAMS["loops"])
    for register in range(16):
        for value in ["text", [1], None, 2.5, 2**62, True]:
            ends = []
            for mode in (None, *MODES):
                step = start(load(module, compile_after=mode), {}, SMALL, 25)
                while isinstance(step, Yielded) and len(step.state.lanes[0].registers) <= register:
                    step = resume(step.state, {}, 25)
                if isinstance(step, Yielded):
                    code = step.state.lanes[0].code
                    if not code.capture_end <= register < len(code.tail) - code.tail.count(None):
                        step.state.lanes[0].registers[register] = value
                    step = resume(step.state, {}, 10**9)
                ends.append(step)
            assert ends.count(ends[0]) == len(ends), (register, value, ends)


def test_compiled_code_reaches_nothing_of_its_host():
    """The namespace of compiled code has no builtins, no modules, and nothing that leads to them by name."""
    module = load(compiled(PROGRAMS["sequences"]), compile_after=1)
    start(module, {})
    entered = [code.entrance.compiled for code in module.functions if code.entrance.compiled is not None]
    assert entered
    for function in entered:
        assert function.__globals__["__builtins__"] == {}
        names = set(function.__code__.co_names)
        assert names <= {*function.__globals__, "fuel", "floor", "memory", "ceiling", "code", "run", "captures", "get"}


def test_what_is_compiled_by_default_is_what_runs_often():
    module = load(compiled("(let [f (fn [x] (* x x))] (reduce + (map f (range 3000))))"))
    step = start(module, {})
    assert step == Finished(sum(x * x for x in range(3000)), step.fuel)
    assert [code.entrance.compiled is not None for code in module.functions] == [False, True]


def test_functions_whose_effects_interrupt_them_are_given_up():
    module = load(compiled("(map (fn [n] (call :number n)) (range 300))"), compile_after=1)
    step = start(module, {}, Limits())
    code = module.functions[1]
    assert code.entrance.compiled is not None
    while isinstance(step, Suspended):
        step = resume(step.state, {request.key: Returned(0) for request in step.requests})
    assert isinstance(step, Finished)
    assert code.entrance.compiled is None
