"""Inspection: where lanes are, what their variables hold, and what they wait for."""

from __future__ import annotations

from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.modules import resolver_of
from domain.rtfs.program import compile_program
from domain.rtfs.vm import Returned, Suspended, Yielded, encode_state, load, resume, start
from domain.rtfs.vm.inspection import LONGEST_VALUE, PROGRAM, Local, inspect
from tests.domain.rtfs.conftest import CAPABILITIES


def look(program, answers=(), slice_fuel=10**6):
    step = start(load(program.module), {}, slice_fuel=slice_fuel)
    for answer in answers:
        step = resume(step.state, answer, slice_fuel)
    assert isinstance(step, Suspended | Yielded)
    return inspect(step.state, program.source_map)


def held(call):
    return {each.name: each.value for each in call.locals}


def test_a_lane_shows_its_calls_and_their_variables(compiling):
    source = """(defn half [n]
  (let [m (quot n 2)]
    (call :number m)))
(let [xs [4 6]]
  (map half xs))"""
    (lane,) = look(compiling(source))
    inner, sequence, outer = lane.calls
    assert (inner.function, inner.position) == ("half", (3, 5))
    assert held(inner) == {"n": "4", "m": "2"}
    assert (sequence.function, sequence.progress, sequence.position) == ("map", "1 of 2", None)
    assert (outer.function, outer.position) == (PROGRAM, (5, 3))
    assert held(outer) == {"half": "#fn half", "xs": "[4 6]"}
    assert (lane.status, lane.request.capability, lane.request.arguments) == ("effect", "number", {"n": 2})
    assert lane.fuel > 0
    assert lane.memory > 0


def test_lanes_side_by_side_show_what_they_wait_for(compiling):
    program = compiling('(let [k 5] (step-parallel (call :number k) (step "second" (call :number 2)) 3))')
    root, first, second, third = look(program)
    assert (root.status, root.group) == ("group", ("0/0/", "0/1/", "0/2/"))
    assert held(root.calls[0]) == {"k": "5"}
    assert (first.path, first.request.key, held(first.calls[0])) == ("0/0/", "0/0/0", {"k": "5"})
    assert second.calls[0].step == "second"
    assert (third.status, third.value, third.calls) == ("done", "3", ())
    *_, failed, _, _ = look(compiling('(step-parallel (call :number 1) (error "no") 3 4)'))
    assert (failed.status, failed.error.message) == ("failed", "no")


def test_a_lane_whose_slice_is_used_shows_where_it_goes_on(compiling):
    source = "(loop [i 0 total 0]\n  (if (< i 100)\n    (recur (inc i) (+ total i))\n    total))"
    (lane,) = look(compiling(source), slice_fuel=100)
    assert lane.status == "ready"
    assert lane.calls[0].position == (2, 7)
    assert set(held(lane.calls[0])) == {"i", "total"}
    assert int(held(lane.calls[0])["i"]) > 0


def test_recursion_shows_every_call(compiling):
    (lane,) = look(compiling("(defn down [n] (if (= n 0) (call :number n) (+ 1 (down (dec n))))) (down 3)"))
    assert [held(call)["n"] for call in lane.calls] == ["0", "1", "2", "3"]


def test_sequences_show_how_far_they_are(compiling):
    def progress(source, *answers):
        (lane,) = look(compiling(source), answers)
        return next(call.progress for call in lane.calls if call.progress)

    assert progress("(reduce (fn [a n] (call :number n)) 0 [1 2 3])", {"0": Returned(1)}) == "2 of 3"
    assert progress("(sort-by (fn [n] (call :number n)) [1 2])", {"0": Returned(1)}) == "key 2 of 2"
    assert progress("(sort (fn [a b] (< a (call :number b))) [1 2 3])") == "3 items, in order by 1"


def test_calls_say_which_module_they_are_in():
    modules = resolver_of({"m": "(module m\n  (defn ask [n]\n    (+ 1 (call :number n))))"})
    program = compile_program(
        "(import m)\n(+ 1 (m/ask 4))", parameters={}, output=None, capabilities=CAPABILITIES, modules=modules
    )
    (lane,) = look(program)
    assert [(call.module, call.position) for call in lane.calls] == [("m", (3, 10)), (None, (2, 6))]
    assert held(lane.calls[0]) == {"n": "4"}


def test_values_are_cut(compiling):
    (lane,) = look(compiling("(let [xs (range 100000) f inc g (fn [n] n)] (do (call :number 1) [xs f g]))"))
    values = held(lane.calls[0])
    assert values["xs"].startswith("[0 1 2")
    assert len(values["xs"]) <= LONGEST_VALUE
    assert (values["f"], values["g"]) == ("#fn inc", "#fn")


def test_values_that_share_much_are_printed_at_once(compiling):
    (lane,) = look(compiling("(let [x (loop [i 0 x [1]] (if (< i 60) (recur (inc i) [x x]) x))] (call :number 1))"))
    assert len(held(lane.calls[0])["x"]) <= LONGEST_VALUE
    assert lane.memory < 1000


def test_looking_changes_nothing(compiling):
    program = compiling("(map (fn [n] (call :number n)) [1 2])")
    step = start(load(program.module), {})
    before = encode_state(step.state)
    inspect(step.state, program.source_map)
    assert encode_state(step.state) == before


def test_a_source_map_of_another_program_does_no_harm(compiling):
    program = compiling("(call :number 1)")
    other = compiling("(let [a (inc 1) b (inc a) c (inc b) d (inc c)] (call :number (+ a b c d)))")
    step = start(load(program.module), {})
    for source_map in (SourceMap((), ()), other.source_map):
        (lane,) = inspect(step.state, source_map)
        assert all(isinstance(each, Local) for each in lane.calls[0].locals)
