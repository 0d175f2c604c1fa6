"""Limits: each has its own error, nobody catches it, and no program hangs or exhausts its host."""

from __future__ import annotations

import pytest

from domain.rtfs.vm import Finished, Limits, Returned, Yielded, load, start

SMALL = Limits(fuel=200_000, memory=20_000, depth=200, output=1_000)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("(loop [] (recur))", "fuel-exhausted"),
        ("(defn f [] (f)) (f)", "fuel-exhausted"),
        ("((fn [f] (f f)) (fn [f] (f f)))", "fuel-exhausted"),
        ('(loop [] (try (error "x") (catch e nil)) (recur))', "fuel-exhausted"),
        ("(defn f [n] (+ 1 (f n))) (f 1)", "depth-exceeded"),
        ("(defn f [x] (map f [x])) (f 1)", "depth-exceeded"),
        ("(range 100000000000)", "memory-exhausted"),
        ("(repeat 100000000000 1)", "memory-exhausted"),
        ("(loop [xs [1]] (recur (concat xs xs)))", "memory-exhausted"),
        ('(loop [s "ab"] (recur (str s s)))', "memory-exhausted"),
        ('(loop [s "ab"] (recur (replace s "b" "bbbbbbbb")))', "memory-exhausted"),
        ("(loop [xs nil i 0] (recur [xs i 1 2 3 4 5 6 7 8 9] (inc i)))", "memory-exhausted"),
        ("(loop [f (fn [] 1)] (recur (let [g f] (fn [] (g) (g)))))", "memory-exhausted"),
        (
            f"(let [{' '.join(f'x{i} (range 9000)' for i in range(20))}] [{' '.join(f'x{i}' for i in range(20))}])",
            "memory-exhausted",
        ),
        ("(range 2000)", "output-too-large"),
        ("(call :say (range 2000))", "output-too-large"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) x))", "fuel-exhausted"),
        ("(loop [x [1] y [1] i 0] (if (< i 60) (recur [x x] [y y] (inc i)) (= x y)))", "fuel-exhausted"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) (count (flatten x))))", "fuel-exhausted"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) (count (str x))))", "fuel-exhausted"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) (distinct [x x])))", "fuel-exhausted"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) (to-json x)))", "fuel-exhausted"),
        ("(loop [x [1] i 0] (if (< i 60) (recur [x x] (inc i)) (sort-by (fn [_] x) [1 2])))", "fuel-exhausted"),
        ("(loop [x 1 i 0] (if (< i 500) (recur [x] (inc i)) x))", "nested-too-deeply"),
        ("(loop [x 1 i 0] (if (< i 500) (recur [x] (inc i)) (= x [1])))", "nested-too-deeply"),
        ("(loop [x 1 i 0] (if (< i 500) (recur {:a x} (inc i)) (str x)))", "nested-too-deeply"),
        ("(step-parallel (loop [] (recur)) 1)", "fuel-exhausted"),
    ],
)
def test_every_limit_has_its_error(run, source, error):
    found = run(source, limits=SMALL).error
    assert found.type == error


@pytest.mark.parametrize("source", ["(loop [] (recur))", "(range 100000000000)", "(defn f [n] (+ 1 (f n))) (f 1)"])
def test_limits_are_not_caught(run, source):
    assert run(f"(do (defn g [] {source}) (try (g) (catch e :caught)))", limits=SMALL).error.type.endswith(
        ("ed", "exceeded")
    )


def test_garbage_is_not_counted_as_memory(run):
    source = "(loop [i 0 xs []] (if (< i 500) (recur (inc i) (range 1000)) (count xs)))"
    assert run(source, limits=Limits(fuel=10_000_000, memory=20_000)).value == 1000


def test_fuel_is_the_same_in_slices_and_whole(run):
    source = "(reduce + (map (fn [x] (loop [i 0] (if (< i x) (recur (inc i)) i))) (range 50)))"
    whole, sliced = run(source), run(source, slice_fuel=50)
    assert whole.step == sliced.step
    assert sliced.slices > 10


def test_long_work_yields_to_its_host(compiling):
    step = start(load(compiling("(loop [i 0] (if (< i 100000) (recur (inc i)) i))").module), {}, Limits(), 1000)
    assert isinstance(step, Yielded)


def test_fuel_of_lanes_is_summed_and_does_not_depend_on_answers(run):
    source = "(step-parallel (reduce + (range 100)) (do (call :number 1) (reduce + (range 200))))"
    alone = run("(reduce + (range 100))").step
    together = run(source).step
    assert isinstance(alone, Finished)
    assert isinstance(together, Finished)
    assert together.fuel > 3 * alone.fuel - 20


def test_answers_count_as_memory(run):
    source = "(loop [i 0 all []] (recur (inc i) (conj all (call :py.packages (str i)))))"
    found = run(source, limits=Limits(memory=10_000), answering=lambda _: Returned(["x"] * 100)).error
    assert found.type == "memory-exhausted"


def test_slices_do_not_change_what_a_program_may_hold(run):
    source = """
    (defn g [i total] (if (< i 60) (recur (inc i) (+ total (count (map inc (range 40))))) total))
    (g 0 (count inputs))
    """
    for memory in range(100, 800, 50):
        ends = {
            run(
                source,
                inputs=list(range(500)),
                input_type="[:vector :int]",
                limits=Limits(memory=memory),
                slice_fuel=slice_fuel,
            ).text
            for slice_fuel in (50, 1000, 10**9)
        }
        assert len(ends) == 1, (memory, ends)
