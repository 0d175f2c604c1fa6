"""Effects: asked by key, answered, checked, caught; in lanes side by side."""

from __future__ import annotations

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.printer import print_value
from domain.rtfs.types import parse_type
from domain.rtfs.vm import (
    ArgumentsInvalid,
    Finished,
    Raised,
    Returned,
    Suspended,
    Trapped,
    UnexpectedAnswer,
    load,
    resume,
    start,
)

NAME = Keyword("name")
LICENCE = Keyword("licence")


def licences(request):
    if request.capability == "py.packages":
        return Returned(["a", "b", "c"])
    if request.arguments["package"] == "b":
        return Raised("tool-failed", "b has no metadata")
    return Returned({NAME: request.arguments["package"], LICENCE: "MIT"})


def test_a_plan_runs_with_its_effects_in_order(run):
    outcome = run(
        """
        (let [names (call :py.packages (:site inputs))
              read (fn [package]
                     (try (call :py.meta {:site (:site inputs) :package package})
                          (catch :tool-failed e {:name package :licence nil})))
              all (map read names)]
          {:by-licence (frequencies (map :licence (filter :licence all)))
           :missing (mapv :name (remove :licence all))})
        """,
        inputs={Keyword("site"): ".venv"},
        input_type="[:map [:site :string]]",
        output="[:map [:by-licence [:map-of :string :int]] [:missing [:vector :string]]]",
        answering=licences,
    )
    assert outcome.value == {Keyword("by-licence"): {"MIT": 2}, Keyword("missing"): ["b"]}
    assert outcome.keys == ["0", "1", "2", "3"]
    assert outcome.requests[1].arguments == {"site": ".venv", "package": "a"}
    assert [(each.name, each.version, each.mode) for each in outcome.program.effects] == [
        ("py.meta", "2", "read"),
        ("py.packages", "1", "read"),
    ]


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ('(call :py.meta "s" "p")', {"site": "s", "package": "p"}),
        ('(call :py.meta "s" "p" true)', {"site": "s", "package": "p", "full": True}),
        ('(call :py.meta {:package "p" :site "s"})', {"site": "s", "package": "p"}),
        ('(call :py.meta {:package "p" :site "s" :full nil})', {"site": "s", "package": "p"}),
        ('(call "py.meta" "s" "p")', {"site": "s", "package": "p"}),
        ('(call :py/meta "s" "p")', {"site": "s", "package": "p"}),
        ("(call :say {:other 1})", {"what": {Keyword("other"): 1}}),
        ("(call :say {:what 1})", {"what": 1}),
        ("(call :say {})", {"what": {}}),
        ("(call :ratio 2)", {"n": 2.0}),
    ],
)
def test_arguments_go_by_name(run, source, arguments):
    (request,) = run(f"(try {source} (catch e nil))").requests
    assert request.arguments == arguments
    assert {name: type(value) for name, value in request.arguments.items()} == {
        name: type(value) for name, value in arguments.items()
    }


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("(map (fn [n] (call :number n)) [5 6 7])", ["0", "1", "2"]),
        ("(filter (fn [n] (> (call :number n) 5)) [5 6 7])", ["0", "1", "2"]),
        ("(reduce (fn [a n] (+ a (call :number n))) 0 [5 6])", ["0", "1"]),
        ("(some (fn [n] (= 6 (call :number n))) [5 6 7])", ["0", "1"]),
        ("(every? (fn [n] (= 5 (call :number n))) [5 6 7])", ["0", "1"]),
        ("(sort-by (fn [n] (call :number n)) > [5 6])", ["0", "1"]),
        ("(group-by (fn [n] (call :number n)) [5])", ["0"]),
        ("(update {:a 1} :a (fn [n] (call :number n)))", ["0"]),
        ("(apply (fn [a b] (+ (call :number a) (call :number b))) [1 2])", ["0", "1"]),
        ("(for-each (fn [n] (call :number n)) [5 6])", ["0", "1"]),
        ("(for [a [1 2] b [3 4]] (call :number (+ a b)))", ["0", "1", "2", "3"]),
        ("(map (fn [row] (map (fn [n] (call :number n)) row)) [[1 2] [3]])", ["0", "1", "2"]),
        ("(loop [i 0] (if (< i 3) (recur (do (call :number i) (inc i))) i))", ["0", "1", "2"]),
        ("(if (= 1 (call :number 1)) (call :number 2) (call :number 3))", ["0", "1"]),
        ("(map #(call :number %) [1 2])", ["0", "1"]),
    ],
)
def test_effects_happen_within_functions_of_functions(run, source, keys):
    assert run(source).keys == keys


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("(sort-by (fn [n] (call :number (- n))) [1 3 2])", "[3 2 1]"),
        ("(take-while (fn [n] (< (call :number n) 2)) [1 3 1])", "[1]"),
        ("(group-by (fn [n] (call :number (mod n 2))) [1 2 3])", "{0 [2] 1 [1 3]}"),
        ("(map-indexed (fn [i n] (+ i (call :number n))) [5 6])", "[5 7]"),
        ("(update-in {:a {:b 1}} [:a :b] (fn [n] (call :number 9)))", "{:a {:b 9}}"),
    ],
)
def test_results_of_effects_within_functions(run, source, value):
    assert run(source).text == value


def test_lanes_have_keys_of_their_own_and_run_side_by_side(compiling):
    program = compiling(
        "(let [a (call :number 0)"
        "      b (step-parallel (+ (call :number 1) (call :number 2)) (map (fn [n] (call :number n)) [7 8]) 5)"
        "      c (call :number 9)] [a b c])"
    )
    step = start(load(program.module), {})
    asked = []
    while isinstance(step, Suspended):
        asked.append([request.key for request in step.requests])
        step = resume(step.state, {each.key: Returned(each.arguments["n"]) for each in step.requests})
    assert asked == [["0"], ["1/0/0", "1/1/0"], ["1/0/1", "1/1/1"], ["2"]]
    assert isinstance(step, Finished)
    assert step.value == [0, [3, [7, 8], 5], 9]


def test_lanes_may_be_answered_in_any_order(compiling):
    source = "(step-parallel (+ (call :number 1) (call :number 2)) (step-parallel (call :number 3) (call :number 4)))"
    program = compiling(source)
    endings = []
    for pick in (0, -1):
        step = start(load(program.module), {})
        keys = []
        while isinstance(step, Suspended):
            request = step.requests[pick]
            keys.append(request.key)
            step = resume(step.state, {request.key: Returned(request.arguments["n"])})
        endings.append((step, sorted(keys)))
    assert endings[0] == endings[1]
    assert endings[0][1] == ["0/0/0", "0/0/1", "0/1/0/0/0", "0/1/0/1/0"]
    assert endings[0][0].value == [3, [3, 4]]


@pytest.mark.parametrize(("policy", "value"), [(":overwrite", "{:a 3 :b 2}"), (":keep-existing", "{:a 1 :b 2}")])
def test_lanes_are_merged_in_the_order_of_the_text_whichever_ends_first(compiling, policy, value):
    source = (
        f"(step-parallel :merge-policy {policy}"
        " {:x {:a (call :number 1)} :y {:b (call :number 2)} :z (let [n (call :number 3)] {:a n})})"
    )
    program = compiling(source)
    for pick in (0, -1):
        step = start(load(program.module), {})
        while isinstance(step, Suspended):
            request = step.requests[pick]
            step = resume(step.state, {request.key: Returned(request.arguments["n"])})
        assert isinstance(step, Finished)
        assert print_value(step.value) == value


def test_a_step_loop_asks_until_its_condition_no_longer_holds(run):
    left = iter([2, 1, 0])
    outcome = run(
        '(step-loop :name "drain" (< 0 (call :number 0)) (call :say "next"))',
        answering=lambda request: Returned(next(left) if request.capability == "number" else None),
    )
    assert [request.capability for request in outcome.requests] == ["number", "say", "number", "say", "number"]
    assert outcome.program.source_map.step(outcome.requests[1].site) == "drain"
    assert outcome.text == "nil"


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("(defn f [id [:enum :number :ratio]] (call id {:n 2})) (f :ratio)", [("ratio", {"n": 2.0})]),
        ("(defn f [id [:union [:val :number] [:val :ratio]]] (call id 2)) (f :number)", [("number", {"n": 2})]),
        ("(call (one-of (first [:number]) :number :ratio) 3)", [("number", {"n": 3})]),
        ('(call (one-of (first ["number"]) "number" "ratio") 3)', [("number", {"n": 3})]),
        ("(call (if (= 1 2) :number :ratio) 1)", [("ratio", {"n": 1.0})]),
        ("(let [tool (if (= 1 2) :number :ratio)] (call tool 1))", [("ratio", {"n": 1.0})]),
        (
            "(let [tool (if (= 1 2) :number :ratio) f (fn [x] (call tool x))] (map (fn [x] (f x)) [1]))",
            [("ratio", {"n": 1.0})],
        ),
        (
            "(def tool (one-of (first [:ratio]) :number :ratio)) (defn f [x] (map #(call tool %) [x])) (f 1)",
            [("ratio", {"n": 1.0})],
        ),
        ("(call (cond (= 1 2) :number :else :ratio) 1)", [("ratio", {"n": 1.0})]),
        (
            "(call (one-of (first [:ratio]) :number :ratio) (call :number 7))",
            [("number", {"n": 7}), ("ratio", {"n": 7.0})],
        ),
        (
            "(call (do (call :number 1) (one-of :ratio :ratio :number)) 2)",
            [("number", {"n": 1}), ("ratio", {"n": 2.0})],
        ),
    ],
)
def test_a_capability_may_be_drawn_from_a_declared_set(run, source, asked):
    outcome = run(source)
    assert [(request.capability, request.arguments) for request in outcome.requests] == asked
    assert [each.name for each in outcome.program.effects] == ["number", "ratio"]


def test_what_is_drawn_is_checked_and_hinted_like_any_call(run):
    error = run("(call (one-of (first [:say]) :number :ratio) 3)").error
    assert (error.type, error.message) == ("type-mismatch", "expected [:enum :number :ratio], found :keyword :say")
    (request,) = run("^{:k 1} (call (one-of (first [:ratio]) :number :ratio) 3)").requests
    assert request.hints == {"k": 1}


def test_the_lowest_lane_with_an_error_wins_after_all_have_settled(run):
    def fail_odd(request):
        n = request.arguments["n"]
        return Raised("odd", f"{n}") if n % 2 else Returned(n)

    source = "(try (step-parallel (call :number 2) (do (call :number 4) (call :number 5)) (call :number 7)) (catch :odd e e))"
    outcome = run(source, answering=fail_odd)
    assert outcome.keys == ["0/0/0", "0/1/0", "0/2/0", "0/1/1"]
    assert outcome.text == '{:effect "0/1/1" :message "5" :type :odd}'


def test_errors_of_effects_carry_their_key_and_place(run):
    outcome = run("(+ 1\n   (call :number 3))", answering=lambda _: Raised("tool-failed", "no"))
    assert (outcome.error.type, outcome.error.message, outcome.error.effect) == ("tool-failed", "no", "0")
    assert outcome.program.source_map.position(outcome.error.site) == (2, 4)
    assert outcome.program.source_map.position(outcome.requests[0].site) == (2, 4)


def test_host_errors_are_told_from_those_of_the_program(run):
    source = "(try (do (call :number 1) (/ 1 0)) (catch HostError e :host) (catch RuntimeError e :program))"
    assert run(source).text == ":program"
    assert run(source, answering=lambda _: Raised("gone", "")).text == ":host"


def test_results_are_checked_against_the_declared_type(run):
    outcome = run("(call :number 1)", answering=lambda _: Returned("one"))
    assert outcome.error.type == "type-mismatch"
    assert outcome.error.effect == "0"
    assert outcome.error.message == '`number` gave what it does not declare: expected :int, found :string "one"'
    assert run("(try (call :number 1) (catch :type-mismatch e 0))", answering=lambda _: Returned("one")).value == 0


def test_arguments_are_checked_before_anything_is_asked(run):
    outcome = run('(call :number (get (parse-json "[1.5]") 0))')
    assert outcome.requests == []
    assert outcome.error.message == "`number`, argument `n`: expected :int, found :float 1.5"
    assert run("(call :say (fn [] 1))").error.type == "function-in-data"


def test_a_state_can_be_gone_on_from_again(compiling):
    program = compiling("(let [xs (map (fn [n] (call :number n)) [1 2 3])] (reduce + xs))")
    step = start(load(program.module), {})
    assert isinstance(step, Suspended)
    states = [step]
    while isinstance(step, Suspended):
        step = resume(step.state, {step.requests[0].key: Returned(10)})
        states.append(step)
    assert step.value == 30
    for place, kept in enumerate(states[:-1]):
        again = kept
        while isinstance(again, Suspended):
            again = resume(again.state, {again.requests[0].key: Returned(1)})
        assert again.value == 10 * place + (3 - place)


def test_replaying_answers_gives_the_same_requests_and_fuel(run):
    source = "(map (fn [n] (call :number (* n n))) (range 20))"
    first, second = run(source), run(source, slice_fuel=7)
    assert first.requests == second.requests
    assert first.step == second.step
    assert second.slices > 0


def test_answers_that_nobody_asked_for_are_refused(compiling):
    step = start(load(compiling("(call :number 1)").module), {})
    assert isinstance(step, Suspended)
    with pytest.raises(UnexpectedAnswer, match="effect 7 is not open; open are 0"):
        resume(step.state, {"7": Returned(1)})


def test_arguments_of_the_module_are_checked(compiling):
    module = load(compiling("(:a inputs)", {"inputs": parse_type("[:map [:a :int]]")}).module)
    for arguments in ({}, {"inputs": 1}, {"inputs": {Keyword("a"): 1}, "more": 1}):
        with pytest.raises(ArgumentsInvalid):
            start(module, arguments)
    assert start(module, {"inputs": {Keyword("a"): 1}}) == Finished(1, 2)


def test_the_output_is_checked_and_widened(run):
    assert run('(get (parse-json "[1]") 0)', output=":float").text == "1.0"
    error = run('(parse-json "{\\"a\\": 1}")', output="[:map [:a :int]]").error
    assert error.type == "output-mismatch"
    assert "the key :a (:int) is missing" in error.message


def test_steps_are_named_in_the_source_map(run):
    outcome = run('(do (step "fetch" (map (fn [n] (call :number n)) [1])) (call :number 2))')
    names = [outcome.program.source_map.step(request.site) for request in outcome.requests]
    assert names == ["fetch", None]


def test_postconditions_see_inputs_and_output(compiling):
    parameters = {"inputs": parse_type("[:map [:n :int]]"), "output": parse_type("[:vector :int]")}
    module = load(compiling("(= (count output) (:n inputs))", parameters, parse_type(":bool")).module)
    step = start(module, {"inputs": {Keyword("n"): 2}, "output": [1, 2]})
    assert isinstance(step, Finished)
    assert step.value is True


def test_trapped_programs_say_what_they_used(run):
    step = run("(/ 1 0)").step
    assert isinstance(step, Trapped)
    assert step.fuel > 0


@pytest.mark.parametrize(
    ("source", "hint", "place"),
    [
        ("(let [a (count [1])]\n  {:a a\n   :b inc})", "it is the function `inc`, at :b", (2, 3)),
        ('(let [a 1]\n  [a {"k" (fn [] a)}])', 'it is a function, at [1] "k"', (2, 3)),
        ("(do 1\n  inc)", "it is the function `inc`", (2, 3)),
        ("(defn f [x] x)\n[1 f]", "it is a function, at [1]", (2, 1)),
    ],
)
def test_a_function_in_data_is_pointed_at(run, source, hint, place):
    ended = run(source)
    assert ended.error.message == "a function cannot leave the program; give what it returns instead"
    assert ended.error.hint == hint
    assert ended.program.source_map.place(ended.error.site)[1:] == place
