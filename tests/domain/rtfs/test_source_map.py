"""The source map: what registers are called, where; apart from the module, and readable across releases."""

from __future__ import annotations

import orjson
import pytest

from domain.rtfs.bytecode.module import ModuleInvalid
from domain.rtfs.bytecode.source_map import LocalName, SourceMap
from domain.rtfs.vm import Suspended, Yielded, load, resume, start


def at_first_effect(program, arguments=None):
    step = start(load(program.module), arguments or {})
    while isinstance(step, Yielded):
        step = resume(step.state, {})
    assert isinstance(step, Suspended)
    return step


def seen(compiling, source):
    """Names and values that are seen where the program waits for the first time, in its root function or deeper."""
    program = compiling(source)
    (lane,) = (lane for lane in at_first_effect(program).state.lanes if lane.request is not None)
    names = program.source_map.names_at(lane.request.site)
    return {name: lane.registers[register] for name, register in names.items()}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("(let [x 1 y (inc x)] (+ x y (call :number 1)))", {"x": 1, "y": 2}),
        ("(let [x 1] (let [x 2] (+ x (call :number x))))", {"x": 2}),
        ("(do (let [x 1] (inc x)) (call :number 1))", {}),
        ("(let [y (let [x 1] (inc x))] (call :number y))", {"y": 2}),
        ("(let [x (call :number 1)] x)", {}),
        ("(let [[a & more] [1 2 3]] (call :number a))", {"a": 1, "more": [2, 3]}),
        ("(let [{:keys [a]} {:a 7} _ 3] (call :number a))", {"a": 7}),
        ("(loop [n 0] (if (< n 3) (recur (inc n)) (call :number n)))", {"n": 3}),
        ("((fn [a & others] (call :number a)) 5 6 7)", {"a": 5, "others": [6, 7]}),
        ("(let [k 4] ((fn [a] (+ k (call :number a))) 5))", {"a": 5, "k": 4}),
        ("(match [1 2] [a b] (call :number b))", {"a": 1, "b": 2}),
        ("(match [1 2] [a 3] a [c b] (call :number b))", {"c": 1, "b": 2}),
        ('(try (throw "no") (catch e (call :say (:type e))))', None),
        ("(#(call :number %) 9)", {"%1": 9}),
    ],
)
def test_names_are_seen_where_the_source_sees_them(compiling, source, names):
    found = seen(compiling, source)
    if names is None:
        assert set(found) == {"e"}
    else:
        assert found == names


def test_names_leave_the_bytes_of_the_module_alone(compiling):
    one = compiling("(let [x 1] (defn f [a] (call :number (+ a x))) (f 2))")
    other = compiling("(let [y 1] (defn g [b] (call :number (+ b y))) (g 2))")
    assert one.module == other.module
    assert one.source_map != other.source_map
    assert "f" in one.source_map.functions
    assert "g" in other.source_map.functions


def test_maps_come_back_as_they_were_stored(compiling):
    program = compiling('(let [x 1] (step "ask" (map (fn [n] (call :number n)) [x])))')
    assert SourceMap.decode(program.source_map.encode()) == program.source_map


def test_a_map_from_before_names_still_reads():
    old = SourceMap.decode(b'{"positions": [[1, 2], [3, 4]], "steps": [null, "s"]}')
    assert old == SourceMap(((1, 2), (3, 4)), (None, "s"))
    assert old.names_at(0) == {}
    assert old.function(0) == ""


def test_tables_that_are_not_known_are_left_out():
    given = {"positions": [[1, 2]], "steps": [None], "functions": [""], "locals": [["x", 0, 0, 1]], "files": ["a"]}
    assert SourceMap.decode(orjson.dumps(given)).locals == (LocalName("x", 0, 0, 1),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"positions": 1, "steps": []}',
        b'{"positions": [[1]], "steps": []}',
        b'{"positions": [], "steps": [], "functions": 3}',
        b'{"positions": [], "steps": [], "locals": [["x", 0]]}',
        b'{"positions": [], "steps": [], "locals": [["x", "y", 0, 1]]}',
        b'{"positions": [[1e999, 2]], "steps": []}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_map_is_refused(data):
    with pytest.raises(ModuleInvalid, match="source map"):
        SourceMap.decode(data)


def test_sites_outside_of_the_map_have_no_names(compiling):
    names = compiling("(let [x (call :number 1)] (inc x))").source_map
    assert names.names_at(-1) == {}
    assert names.names_at(10**9) == {}
    assert names.function(-1) == ""
    assert names.function(10**9) == ""


def test_names_that_macros_bring_in_hide_none_of_the_source(compiling):
    source = """
    (defmacro doubled [body] `(let [x 100 f (fn [n] (+ n x))] (f ~body)))
    (let [x 1] (doubled (call :number x)))
    """
    assert seen(compiling, source) == {"x": 1}
