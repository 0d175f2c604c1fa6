"""Modules: what is imported, how it is found, what stays of it, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.metadata import Delegation, Description
from domain.rtfs.modules import Import, ModuleSource, resolver_of
from domain.rtfs.program import CompileError, ReadError, compile_program
from domain.rtfs.source import Span, UnfinishedError
from domain.rtfs.types import INT, parse_type
from domain.rtfs.vm import Raised
from tests.domain.rtfs.conftest import CAPABILITIES, drive, echo
from tests.domain.rtfs.programs import NESTED

MATH = """(module math.utils
  (:exports [add multiply square lcm PI area])
  (def PI 3.14)
  (defn add [a b] (+ a b))
  (defn square [x] (multiply x x))
  (defn lcm [a b] (quot (* a b) (gcd a b)))
  (defn area [r] (* PI (square r)))
  (defn gcd [a b] (if (= b 0) a (gcd b (mod a b))))
  (defn multiply [a b] (* a b)))
"""

TEXTS = {
    "math.utils": MATH,
    "my.app/core": "(module my.app/core (defn one [] 1))",
    "all": "(module all (export :all) (defn a [] 1) (defn ^:private b [] 2) (defn c [] (b)))",
    "macros": "(module macros (export unless twice) (defn helper [x] (* 2 x))"
    " (defmacro unless [test & body] `(if (not ~test) (do ~@body))) (defmacro twice [x] `(helper ~x)))",
    "makers": '(module makers (defmacro getter [k] `(defn ~(symbol (str "get-" (name k))) [m] (~k m))) (getter :a) (getter :b))',
    "types": "(module types (defstruct P :x :int) (deftype N [:and :int [:> 0]]) (defn make [x] (P {:x x})))",
    "private-types": "(module private-types (:exports [P]) (defstruct P :x :int) (defstruct Q :x :int))",
    "left": "(module left (import math.utils :only [add]) (defn l [x] (add x 1)))",
    "right": "(module right (import [math.utils :as m]) (defn r [x] (m/square x)))",
    "again": "(module again (:exports [add]) (import math.utils :only [add]))",
    "order": "(module order (defn f [] (g)) (def k (h 2)) (defn g [] k) (defn h [x] (* x 10)))",
    "even": "(module even (def zero 0) (defn even? [n] (if (= n zero) true (odd? (dec n))))"
    " (def unused 1) (defn odd? [n] (if (= n zero) false (even? (dec n)))))",
    "alike": "(module alike (def a (f)) (defn f [] (let [a 1] a)))",
    "net": "(module net (:exports [fetch handlers all]) (defn fetch [n] (call :number n)) (def handlers {:f fetch})"
    " (defn all [ns] (map fetch ns)))",
    "told": '(module told "about this" ^:delegation :local (defn f "does" [x] x))',
    "empty": "(module empty)",
}


def linked(source, texts=TEXTS, **options):
    given = {"parameters": {}, "output": None, "capabilities": CAPABILITIES, "modules": resolver_of(texts)}
    return compile_program(source, **{**given, **options})


def text_of(source, arguments=None, texts=TEXTS, **options):
    return drive(linked(source, texts, **options), arguments or {}, echo, None, 200_000).text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("(import math.utils :as m) [(m/add 1 (m/square 3)) m/PI (m/area 2)]", "[10 3.14 12.56]"),
        ("(import math.utils :only [add PI]) [(add 1 2) PI]", "[3 3.14]"),
        ("(import [math.utils :as m]) (map m/square [1 2])", "[1 4]"),
        ("(import [math.utils :refer [lcm]]) (lcm 4 6)", "12"),
        ("(import math.utils) (math.utils/lcm 4 6)", "12"),
        ("(import [math.utils :as m] [left :as l]) (m/add 1 (l/l 2))", "4"),
        ("(import math.utils :as m :only [add]) [(add 1 2) (m/add 3 4)]", "[3 7]"),
        ("(import my.app/core :as c) (c/one)", "1"),
        ("(import my.app/core) (my.app/core/one)", "1"),
        ("(import all :as x) [(x/a) (x/c)]", "[1 2]"),
        ("(import again :only [add]) (add 1 2)", "3"),
        ("(import macros :only [unless twice]) (let [helper 1 if 2] [(unless false helper) (twice 4)])", "[1 8]"),
        ("(import macros :as m) (m/twice 4)", "8"),
        ("(import makers :as m) [(m/get-a {:a 1}) (m/get-b {:b 2})]", "[1 2]"),
        (
            "(import types :as t) (defn f [p t/P] (:x p)) [(f (t/make 3)) (t/P? 1) (map t/N? [0 1])]",
            "[3 false [false true]]",
        ),
        ("(import types :only [P]) [(P {:x 1}) (P? 2)]", "[{:x 1} false]"),
        ("(import private-types :only [P]) (P? {:x 1})", "true"),
        ("(import left :as l) (import right :as r) [(l/l 1) (r/r 3)]", "[2 9]"),
        ("(import order :as o) (o/f)", "20"),
        ("(import even :as e) [(e/even? 10) (e/odd? 10)]", "[true false]"),
        ("(import alike :as a) a/a", "1"),
        ("(import math.utils :only [add]) (defn add [x] (* 10 x)) (add 2)", "20"),
        ("(import math.utils :only [add]) (let [add 3] add)", "3"),
        ("(import math.utils :as m) (defn f [x] (map (fn [y] (m/add x y)) [1 2])) (f 10)", "[11 12]"),
        ("(let [k 1] (+ k 1)) (import math.utils :as m) (m/add 1 2)", "3"),
        ("(import empty) 1", "1"),
        ("(module lib (defn f [] 1)) (import lib :as l) (l/f)", "1"),
        ("(module a (import b :as b) (defn f [] (b/g))) (module b (defn g [] 2)) (import a :as a) (a/f)", "2"),
        (
            "(module math.utils (defn add [a b] :mine)) (import math.utils :as m) (import left :as l) [(m/add 1 2) (l/l 1)]",
            "[:mine 2]",
        ),
        ("(module app (import math.utils :as m) (defn f [] (m/add 1 1)) (f))", "2"),
        ("(module app (:exports [main]) (import math.utils :as m) (defn main [] (m/add 1 2)))", "3"),
        ("(module app (defn main [] 1) (def k 2))", "1"),
    ],
)
def test_imports(source, value):
    assert text_of(source) == value


def test_a_module_that_is_run_may_take_the_inputs():
    source = "(module app (defn main [inputs] (+ 1 (:n inputs))))"
    program = linked(source, parameters={"inputs": parse_type("[:map [:n :int]]")}, output=INT)
    from domain.kernel.values import Keyword

    assert drive(program, {"inputs": {Keyword("n"): 4}}, echo, None, 1000).text == "5"


@pytest.mark.parametrize(
    ("source", "place", "message", "hint"),
    [
        (
            "(import math.utils :as m)\n(m/gcd 1 2)",
            (None, 2, 2),
            "the module `math.utils` does not export its `gcd`",
            "it exports PI, add",
        ),
        (
            "(import math.utils :as m) (m/ad 1 2)",
            (None, 1, 28),
            "the module `math.utils` has no `ad`",
            "did you mean `add`?",
        ),
        ("(import math.utils :only [gcd]) 1", (None, 1, 27), "the module `math.utils` does not export its `gcd`", None),
        ("(import all :as x) (x/b)", (None, 1, 21), "the module `all` does not export its `b`", "it exports a, c"),
        (
            "(import private-types :as t) (t/Q {})",
            (None, 1, 31),
            "the module `private-types` does not export its `Q`",
            None,
        ),
        ("(import nothing) 1", (None, 1, 9), "the module `nothing` is not found", "no module of this name is given"),
        (
            "(module a (def x 1)) (import b) 1",
            (None, 1, 30),
            "the module `b` is not found",
            "modules of this text are a",
        ),
        ('(import math.utils :as m :digest "sha256:00") 1', (None, 1, 34), "this is no digest", "64 hexadecimal"),
        (
            f'(import math.utils :digest "sha256:{"0" * 64}") 1',
            (None, 1, 9),
            "the module `math.utils` is sha256:",
            "has changed",
        ),
        ("(let [x 1] (import math.utils))", (None, 1, 12), "modules are put together at the top of a text", None),
        ("(import math.utils :as m) (import left :as m) 1", (None, 1, 35), "two modules are called `m` here", None),
        ("(import math.utils :only [add add]) 1", (None, 1, 31), "`add` is imported twice", None),
        ("(import 3) 1", (None, 1, 9), "`import` takes the name of a module", None),
        ("(import) 1", (None, 1, 1), "`import` takes the name of a module", None),
        ("(import math.utils :foo 1) 1", (None, 1, 20), "this is no option of `import`", ":digest pins the text"),
        ("(import math.utils :as) 1", (None, 1, 20), "this option has no value", None),
        ("(import math.utils :only [1]) 1", (None, 1, 27), "this is no name", None),
        ("(import math.utils :as m)", (None, 1, 1), "the program only imports", None),
        (
            "(module a (defn f [] 1))",
            (None, 1, 1),
            "the module `a` does nothing when it is run",
            "(defn main [inputs] …)",
        ),
        ("(module a) (module a) 1", (None, 1, 12), "the module `a` is there twice", None),
        ("(module a (module b)) 1", (None, 1, 11), "a module within a module", None),
        ("(module 1) 1", (None, 1, 9), "`module` takes a name", None),
        ("(module a (:exports [1])) 1", (None, 1, 22), "exports are names", None),
        ("(import types :only [P])\n(P {:x :a})", (None, 2, 4), "this is no P: at :x: expected :int", None),
    ],
)
def test_messages_about_imports(source, place, message, hint):
    with pytest.raises(CompileError) as raised:
        linked(source)
    error = raised.value
    assert error.message.startswith(message)
    assert (error.source.name, error.line, error.column) == place
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "(module x (defn f [x]\n (inc :a)))",
            (2, 7),
            "`inc`, argument 1: expected",
        ),
        ("(module x (defn unused []\n (foo)))", (2, 3), "`foo` is not defined"),
        ("(module x\n (+ 1 2))", (2, 2), "a module holds definitions, and this is none"),
        ("(module x (defn f [] 1)\n (defn f [] 2))", (2, 8), "`f` is defined twice"),
        ("(module x (:exports [f\n g]) (defn f [] 1))", (2, 2), "`g` is exported, but not defined"),
        ("(module x (def a (b))\n (defn b [] a))", (2, 13), "`a` is not defined"),
        ("(module x (def a\n a))", (2, 2), "`a` is not defined"),
        ("(module x (defn f []\n inputs))", (2, 2), "`inputs` is not defined"),
        ("(module x (defn f []\n (call :nothing 1)))", (2, 8), "the capability :nothing is not allowed here"),
        ("(module x (defmacro m [] `(bar))\n (defn f [] (m)))", (2, 13), "`bar` is not defined"),
        ("(module x (defn f []\n (loop [i 0] (inc (recur i)))) (def k (f)))", (2, 19), None),
        ("(module x (import x))", (1, 19), "modules import one another in a circle: x → x"),
        ("(module x (def a\n (call :number 1)))", (2, 2), "the value of `a` asks the world; values of modules do not"),
        ("(module x (defn f [] (call :number 1)) (def a\n (f)))", (2, 2), "the value of `a` asks the world"),
        ("(module x (defn f [n] (call :number n)) (def a\n (map f [1])))", (2, 2), "the value of `a` asks the world"),
        (
            "(module x (defn f [n] (call :number n)) (def h {:f f}) (def a\n ((:f h) 1)))",
            (2, 2),
            "the value of `a` asks",
        ),
        ("(module x (def 1\n 2))", (1, 11), "`def` takes a name and a value"),
    ],
)
def test_errors_in_modules_point_into_their_text(text, place, message):
    with pytest.raises(CompileError) as raised:
        linked(f"; one\n; two\n(import x :as x) {'1' if message else 'x/k'}", {"x": text})
    error = raised.value
    assert message is None or error.message.startswith(message)
    assert (error.source.name, error.line, error.column) == ("x", *place)
    assert error.render().startswith(f"x, line {place[0]}, column {place[1]}: ")


def test_texts_that_are_no_modules_are_refused():
    for text, message in {
        "(def x 1)": "the text of `x` is no module",
        "": "the text of `x` is no module",
        "(module x) (module y)": "the text of `x` is no module",
        "(module y (def a 1))": "the text of `x` is the module `y`",
    }.items():
        with pytest.raises(CompileError, match=message):
            linked("(import x) 1", {"x": text})


@pytest.mark.parametrize(
    "text", ["(module x (defn f [x]", '(module x "', "(module x ]", "\0", "(" * 5000, "(module x \ud800)"]
)
def test_texts_that_cannot_be_read_are_told_with_their_place(text):
    with pytest.raises(ReadError) as raised:
        linked("(import x) 1", {"x": text})
    assert raised.value.source.name == "x"
    assert not isinstance(raised.value, UnfinishedError)


def test_circles_are_refused_with_their_path():
    texts = {
        "a": "(module a (import b :as b) (defn f [] (b/g)))",
        "b": "(module b (import c :as c) (defn g [] (c/h)))",
        "c": "(module c (import a :as a) (defn h [] (a/f)))",
    }
    with pytest.raises(CompileError) as raised:
        linked("(import a :as a) (a/f)", texts)
    assert raised.value.message == "modules import one another in a circle: a → b → c → a"
    assert (raised.value.source.name, raised.value.line, raised.value.column) == ("c", 1, 19)


def test_long_chains_and_crowds_of_modules_are_refused():
    chain = {f"m{n}": f"(module m{n} (import m{n + 1} :as n) (defn f [] (n/f)))" for n in range(100)}
    with pytest.raises(CompileError, match="too many modules are imported: at most 40 in a row and 200 in all"):
        linked("(import m0 :as m) (m/f)", chain)
    crowd = {f"m{n}": f"(module m{n} (defn f [] {n}))" for n in range(300)}
    with pytest.raises(CompileError, match="too many modules"):
        linked(" ".join(f"(import m{n})" for n in range(300)) + " 1", crowd)


def test_modules_have_a_size_in_all():
    texts = {f"m{n}": f"(module m{n} (def x {n}))" + " " * 900_000 for n in range(4)}
    assert text_of("(import m0 :as a) (import m1 :as b) [a/x b/x]", texts=texts) == "[0 1]"
    with pytest.raises(CompileError, match="the modules of this program have more than 2000000 characters"):
        linked("(import m0) (import m1) (import m2) 1", texts)


def test_only_what_is_used_stays(compiling):
    few = "(module math.utils (defn lcm [a b] (quot (* a b) (gcd a b))) (defn gcd [a b] (if (= b 0) a (gcd b (mod a b)))))"
    source = "(import math.utils :as m) (m/lcm 4 6)"
    whole, small = linked(source), linked(source, {"math.utils": few})
    assert whole.digest == small.digest
    assert whole.imports != small.imports
    assert linked("(import net :as n) (import math.utils) (+ 1 x)", parameters={"x": INT}).digest == (
        compiling("(+ 1 x)", {"x": INT}).digest
    )
    assert len(decode_module(linked("(import math.utils :as m) (m/area 2)").module).functions) == 4
    assert linked("(import net :as n) (+ 1 2)").effects == ()
    assert [each.name for each in linked("(import net :as n) (n/all [1])").effects] == ["number"]


def test_what_two_modules_share_is_there_once():
    texts = {
        "base": "(module base (defn f [x] (* x 2)) (def table (map f [1 2 3])))",
        "left": "(module left (import base :as b) (defn l [] (first b/table)))",
        "right": "(module right (import base :as b) (defn r [] (last b/table)))",
    }
    program = linked("(import left :as l) (import right :as r) [(l/l) (r/r)]", texts, fold=False)
    assert [each.name for each in program.imports] == ["base", "left", "right"]
    assert len(decode_module(program.module).functions) == 4
    assert drive(program, {}, echo, None, 1000).text == "[2 6]"


def test_imports_are_told_with_the_digests_of_their_texts():
    digest = ModuleSource(MATH).digest
    program = linked(f'(import math.utils :as m :digest "{digest}") (m/add 1 2)')
    assert program.imports == (Import("math.utils", digest),)
    assert linked("(module a (defn f [] 1)) (import a :as a) (a/f)").imports == ()


def test_places_tell_their_module():
    texts = {"x": "; a comment\n(module x\n  (defn f [n]\n    (+ 1 (call :number n))))"}
    program = linked("(import x :as x)\n(x/f 3)", texts)
    outcome = drive(program, {}, lambda _: Raised("gone", "no"), None, 1000)
    site = outcome.requests[0].site
    assert outcome.error.effect == "0"
    for source_map in (program.source_map, SourceMap.decode(program.source_map.encode())):
        assert source_map.place(site) == ("x", 4, 10)
        assert source_map.position(site) is None
        assert {source_map.module(each) for each in range(len(source_map.positions))} == {None, "x"}
    assert linked("(+ 1 2)").source_map.modules == ()
    assert b"modules" not in linked("(+ 1 2)").source_map.encode()


def test_what_is_told_of_definitions_names_their_module():
    program = linked('(import told :as t) (defn g "mine" [] 1) (t/f 1)')
    assert program.delegations == (Delegation("f", "local", None, Span(46, 67), "told"),)
    assert program.descriptions == (
        Description("g", {"doc": "mine"}, Span(20, 40)),
        Description("f", {"doc": "does"}, Span(46, 67), "told"),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED, NESTED, NESTED)
def test_any_module_is_linked_or_refused_with_a_place(first, second, third):
    texts = {"x": f"(module x\n (defn f [a] {first})\n (def k {second})\n (defmacro m [a & b] {third}) {third})"}
    try:
        program = linked("(import x :as x) [(x/f 1) (x/m 2 3) x/k]", texts)
    except CompileError as error:
        refused = error
    else:
        assert [each.name for each in program.imports] == ["x"]
        return
    assert refused.source.name in (None, "x")
    assert 1 <= refused.line <= 4
    assert "line " in refused.render()


def test_without_a_resolver_nothing_is_imported(compiling):
    with pytest.raises(CompileError) as raised:
        compiling("(import math.utils :as m) (m/add 1 2)")
    assert raised.value.hint == "no modules are given here"
