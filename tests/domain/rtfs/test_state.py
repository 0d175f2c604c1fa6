"""States as bytes: an execution goes on from them as it would have, and no bytes do harm."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import parse_type
from domain.rtfs.vm import (
    Finished,
    Limits,
    Raised,
    Returned,
    State,
    StateInvalid,
    Suspended,
    Trapped,
    Yielded,
    decode_state,
    encode_state,
    load,
    resume,
    start,
)
from domain.rtfs.vm.lanes import Status
from tests.domain.rtfs.conftest import CAPABILITIES
from tests.domain.rtfs.test_any_program import NESTED, NUMBER

ROOT = Path(__file__).parents[3]

PROGRAMS = [
    "(+ 1 (call :number 2))",
    '(let [x [1 2.5 "a" :b nil true {:k [1]}]] [x (call :number 1) x])',
    "(map (fn [n] (call :number n)) [1 2 3])",
    "(filter (fn [n] (> (call :number n) 1)) [1 2 3])",
    "(reduce (fn [a n] (+ a (call :number n))) 0 [1 2 3 4])",
    "(sort-by (fn [n] (call :number (- n))) [3 1 2])",
    "(sort (fn [a b] (< (call :number a) (call :number b))) [3 1 2 5 4])",
    "(sort-by (fn [n] (- n)) (fn [a b] (> (call :number a) b)) [3 1 2 5 4])",
    "(group-by (fn [n] (call :number (mod n 2))) [1 2 3 4])",
    "(update {:a 1} :a (fn [n] (call :number (inc n))))",
    "(update-in {:a {:b 1}} [:a :b] (fn [n m] (call :number (+ n m))) 5)",
    "(apply (fn [a & more] (call :number (+ a (count more)))) 1 [2 3])",
    "(some (fn [n] (> (call :number n) 1)) [1 2 3])",
    "(map-indexed (fn [i n] (call :number (+ i n))) [5 6])",
    "(map (fn [xs] (map (fn [n] (call :number n)) xs)) [[1 2] [] [3]])",
    "(defn f [n] (if (< n 1) 0 (+ (call :number n) (f (dec n))))) (f 4)",
    "(defn e [n] (if (< n 1) :even (o (dec n)))) (defn o [n] (if (< n 1) :odd (e (dec (call :number n))))) (e 5)",
    "(let [k 3 f (fn [n] (+ k (call :number n)))] (mapv f [1 2]))",
    "(loop [n 0 all []] (if (< n 3) (recur (inc n) (conj all (call :number n))) all))",
    '(try (call :number (parse-json "[]")) (catch e (:type e)))',
    "(map (fn [n] (try (call :number n) (catch e (:message e)))) (range 12))",
    '(try (do (call :number 1) (error "no")) (catch e (call :say (:message e))) (finally (call :say 2)))',
    "(step-parallel (call :number 1) (+ (call :number 2) (call :number 3)) 4)",
    "(step-parallel (step-parallel (call :number 1) (call :number 2)) (map (fn [n] (call :number n)) [3 4]))",
    '(try (step-parallel (call :number 1) (error "no")) (catch e (:message e)))',
    "(let [f + g inc h :k] [(f 1 (call :number 2)) (g 3) (h {:k (call :number 4)}) (map (fn [x] (g x)) [1])])",
    "(let [xs (range 40)] (loop [i 0] (if (< i 30) (do (map inc xs) (recur (inc i))) (call :number i))))",
    "((fn [f] (f f 5)) (fn [f n] (if (= n 0) (call :number 9) (f f (dec n)))))",
    '(let [a ["x" "x" "x"] b [a a a]] [(call :say b) b])',
]


def answer_of(request, turn):
    return (
        Raised("tool-failed", f"no {turn}") if turn % 5 == 4 else Returned(next(iter(request.arguments.values()), None))
    )


def same(left, right):
    assert type(left) is type(right)
    if isinstance(left, Suspended | Yielded):
        assert encode_state(left.state) == encode_state(right.state)
    if isinstance(left, Suspended):
        assert left.requests == right.requests
        assert [type(value) for each in left.requests for value in each.arguments.values()] == [
            type(value) for each in right.requests for value in each.arguments.values()
        ]
    if isinstance(left, Finished | Trapped):
        assert left == right


def goes_on_alike(module_bytes, limits, slice_fuel, order):
    """Drive a program twice: step by step, and through bytes at every stop, to another loading of the module in turn.

    One of those compiles for speed at once, which is no part of a state.
    """
    loadings = [load(module_bytes, compile_after=1), load(module_bytes)]
    one = start(load(module_bytes, compile_after=None), {}, limits, slice_fuel)
    other = start(loadings[0], {}, limits, slice_fuel)
    for turn in range(3_000):
        same(one, other)
        if not isinstance(one, Suspended | Yielded):
            return turn
        answers = {}
        if isinstance(one, Suspended):
            # Some of what is open is answered, in any order.
            picked = order.sample(one.requests, order.randint(1, len(one.requests)))
            answers = {request.key: answer_of(request, turn) for request in picked}
        one = resume(one.state, answers, slice_fuel)
        other = resume(decode_state(loadings[turn % 2], encode_state(other.state)), answers, slice_fuel)
    raise AssertionError("the program goes on for too long")


@pytest.mark.parametrize("source", PROGRAMS)
@pytest.mark.parametrize("slice_fuel", [1, 7, 40, 10**6])
def test_a_program_goes_on_from_bytes_as_from_its_state(compiling, source, slice_fuel):
    goes_on_alike(compiling(source).module, Limits(fuel=20_000), slice_fuel, random.Random(slice_fuel))


@pytest.mark.parametrize("memory", range(60, 800, 60))
def test_memory_runs_out_for_both_or_for_neither(compiling, memory):
    source = """
    (let [xs (range 30) ys [xs xs xs xs] zs (map (fn [n] [n xs]) xs)]
      (loop [i 0 kept []]
        (if (< i 20) (recur (inc i) (conj kept (call :say [i xs]) (vec xs))) (count kept))))
    """
    goes_on_alike(compiling(source).module, Limits(fuel=200_000, memory=memory), 50, random.Random(memory))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED, st.sampled_from([1, 5, 60]), st.randoms(use_true_random=False))
def test_any_program_goes_on_from_bytes(source, slice_fuel, order):
    try:
        program = compile_program(source, parameters={}, output=None, capabilities=NUMBER)
    except CompileError:
        return
    goes_on_alike(program.module, Limits(fuel=1_500, memory=2_000, depth=30, output=300), slice_fuel, order)


def suspended(source, inputs=None, input_type=None):
    parameters = {"inputs": parse_type(input_type)} if input_type else {}
    program = compile_program(source, parameters=parameters, output=None, capabilities=CAPABILITIES)
    module = load(program.module)
    step = start(module, {"inputs": inputs} if input_type else {})
    while isinstance(step, Yielded):
        step = resume(step.state, {})
    assert isinstance(step, Suspended)
    return module, step.state


def test_every_kind_of_value_comes_back():
    value = [
        None, True, False, 0, -1, 2**63 - 1, -(2**63), 0.0, -0.0, 1.5, float("inf"), float("nan"), "", "é\x00\U0001f600",
        Keyword("a/b"), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), UUID(int=7), [], {}, [[[]]],
        {1: "a", Keyword("c"): [3], "b": 2},
    ]  # fmt: skip
    module, state = suspended("(do (call :number 1) inputs)", value, ":any")
    data = encode_state(state)
    back = decode_state(module, data).lanes[0].registers[0]
    assert repr(back) == repr(value)
    assert encode_state(decode_state(module, data)) == data


def test_values_that_share_take_no_more_room_than_they_have():
    module, state = suspended(
        "(let [deep (loop [i 0 x [1]] (if (< i 60) (recur (inc i) [x x]) x))] [(call :number 1) (count deep)])"
    )
    data = encode_state(state)
    assert len(data) < 2_000
    step = resume(decode_state(module, data), {"0": Returned(1)})
    assert isinstance(step, Finished)
    assert step.value == [1, 2]


def test_values_that_are_nested_deeply_are_no_problem():
    source = "(let [deep (loop [i 0 x []] (if (< i 30000) (recur (inc i) [x]) x))] [(call :number 1) (count deep)])"
    module, state = suspended(source)
    step = resume(decode_state(module, encode_state(state)), {"0": Returned(1)})
    assert isinstance(step, Finished)
    assert step.value == [1, 1]


def test_going_on_from_bytes_twice_gives_the_same_twice():
    module, state = suspended("(map (fn [n] (call :number n)) [1 2])")
    back = decode_state(module, encode_state(state))
    before = encode_state(back)
    first = resume(back, {"0": Returned(1)})
    second = resume(back, {"0": Returned(1)})
    same(first, second)
    assert encode_state(back) == before


def test_a_state_belongs_to_its_module():
    _, state = suspended("(+ 1 (call :number 2))")
    other, _ = suspended("(+ 1 (call :number 3))")
    with pytest.raises(StateInvalid, match="is of module sha256:"):
        decode_state(other, encode_state(state))


@pytest.mark.parametrize(
    "data", [b"", b"\x00rtst", b"\x00rtfs\x01", b"\x00rtst\x02", b"garbage", b"\x00rtst\x01" + b"\xff" * 90]
)
def test_what_is_no_state_is_refused(data):
    module, _ = suspended("(+ 1 (call :number 2))")
    with pytest.raises(StateInvalid):
        decode_state(module, data)


SMALL_STATES = [
    "(let [k 2 f (fn [n] (+ k (call :number n)))] (map f [1 2 3]))",
    "(sort (fn [a b] (< (call :number a) (call :number b))) [3 1 2 5 4])",
    "(sort-by (fn [n] (call :number n)) [3 1 2 5 4])",
    "(reduce (fn [a n] (+ a (call :number n))) [1 2 3])",
    "(update {:a 1} :a (fn [n] (call :number n)))",
    "(step-parallel (call :number 1) (step-parallel (call :number 2) (map (fn [n] (call :number n)) [1])))",
    '(try (do (call :say {:a ["b" 2.5]}) (error "no")) (catch e e))',
]


def is_refused_or_harmless(module, data):
    """A state is refused, or it is another state that ends within its limits."""
    try:
        state = decode_state(module, data)
    except StateInvalid:
        return False
    assert encode_state(state) == data
    if state.limits.fuel > 10**6:
        return True
    step = Yielded(state)
    for turn in range(300):
        if not isinstance(step, Suspended | Yielded):
            break
        requests = step.requests if isinstance(step, Suspended) else ()
        step = resume(step.state, {each.key: answer_of(each, turn) for each in requests}, 10_000)
    return True


@pytest.mark.parametrize("source", SMALL_STATES)
def test_flipped_bits_are_refused_or_harmless(source):
    program = compile_program(source, parameters={}, output=None, capabilities=CAPABILITIES)
    module = load(program.module)
    step = start(module, {}, Limits(fuel=5_000, memory=5_000, depth=50, output=500))
    data = encode_state(step.state)
    for place in range(len(data)):
        for bit in range(8):
            is_refused_or_harmless(module, data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])


@pytest.mark.parametrize("source", SMALL_STATES)
def test_cut_and_lengthened_states_are_refused(source):
    module, state = suspended(source)
    data = encode_state(state)
    for size in range(len(data)):
        with pytest.raises(StateInvalid):
            decode_state(module, data[:size])
    for more in (b"\x00", b"\x01", data):
        with pytest.raises(StateInvalid):
            decode_state(module, data + more)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SMALL_STATES), st.randoms(use_true_random=False))
def test_bytes_put_together_anew_are_refused_or_harmless(source, chance):
    module, state = suspended(source)
    data = bytearray(encode_state(state))
    for _ in range(chance.randint(1, 4)):
        place, size = chance.randrange(80, len(data)), chance.randint(0, 4)
        data[place : place + size] = bytes(
            chance.choice([0, 1, 2, 3, 127, 128, 255]) for _ in range(chance.randint(0, 4))
        )
    is_refused_or_harmless(module, bytes(data))


PRINT_STATES = """
import hashlib, json, sys
from domain.rtfs.program import compile_program
from domain.rtfs.vm import Suspended, Yielded, encode_state, load, resume, start
from tests.domain.rtfs.conftest import CAPABILITIES
seen = hashlib.sha256()
for source in json.load(sys.stdin):
    program = compile_program(source, parameters={}, output=None, capabilities=CAPABILITIES)
    step = start(load(program.module), {}, slice_fuel=20)
    while isinstance(step, Suspended | Yielded):
        seen.update(encode_state(step.state))
        if isinstance(step, Suspended):
            break
        step = resume(step.state, {}, 20)
print(seen.hexdigest())
"""


def test_states_have_the_same_bytes_in_every_process():
    digests = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
        printed = subprocess.run(
            [sys.executable, "-c", PRINT_STATES],
            input=json.dumps(PROGRAMS), env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        digests.add(printed.stdout.strip())
    assert len(digests) == 1


ODD = [None, True, 0, -1, 2**62, 1.5, "", Keyword("a"), [], [1, [2]], {}, {Keyword("a"): 1}]


def meddled(state, chance):
    """The state with a few things in it that no program has put there."""
    lanes = [lane.copy() for lane in state.lanes]
    for _ in range(chance.randint(1, 3)):
        lane = chance.choice(lanes)
        frames = lane.frames
        place = chance.randrange(len(frames)) if frames else 0
        what = chance.randrange(7)
        if what == 0 and lane.registers:
            lane.registers[chance.randrange(len(lane.registers))] = chance.choice([*ODD, *lanes[0].registers])
        elif what == 1 and lane.status is Status.READY and lane.code is not None:
            lane.pc = chance.randrange(len(lane.code.instructions))
        elif what == 2 and frames:
            frames.insert(place, chance.choice(frames))
        elif what == 3 and frames:
            frames.pop(place)
        elif what == 4 and frames and isinstance(frames[place], tuple):
            code, _, registers, target = frames[place]
            frames[place] = (code, chance.randrange(len(code.instructions)), registers, target)
        elif what == 5 and frames and not isinstance(frames[place], tuple):
            name = chance.choice(
                [each for each in ("function", "place", "left", "width") if hasattr(frames[place], each)]
            )
            setattr(frames[place], name, chance.choice(ODD) if name == "function" else chance.randrange(9))
        elif what == 6:
            lane.meter.fuel = chance.randrange(100)
    return State(state.module, state.limits, tuple(lanes))


@pytest.mark.parametrize("compile_after", [None, 1])
@pytest.mark.parametrize("source", [*PROGRAMS, *SMALL_STATES])
def test_states_that_no_program_has_made_are_refused_or_harmless(compiling, source, compile_after):
    chance = random.Random(source)
    module = load(compiling(source).module, compile_after=compile_after)
    step = start(module, {}, Limits(fuel=3_000, memory=3_000, depth=40, output=300), 25)
    for turn in range(8):
        if not isinstance(step, Suspended | Yielded):
            return
        for _ in range(10):
            is_refused_or_harmless(step.state.module, encode_state(meddled(step.state, chance)))
        requests = step.requests if isinstance(step, Suspended) else ()
        step = resume(step.state, {each.key: answer_of(each, turn) for each in requests}, 25)
