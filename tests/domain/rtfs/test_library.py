"""The library: every example of the table holds, and what is refused is refused with a clear error."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.rtfs.card import NAMED_ONLY, language_card
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS, Applying
from domain.rtfs.program import compile_program
from domain.rtfs.types import parse_type
from domain.rtfs.vm import Finished, load, start

EXAMPLES = [example for entry in FUNCTIONS.values() for example in (entry.example, *entry.edges)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_hold(run, example):
    source, _, error = example.rpartition(" !! ")
    if source:
        assert run(source).text == f"!{error}"
        return
    source, _, value = example.rpartition(" => ")
    assert run(source).text == run(value).text


@pytest.mark.parametrize("entry", FUNCTIONS.values(), ids=lambda entry: entry.name)
def test_every_function_is_documented_and_typed(entry):
    assert entry.doc.endswith((".", "?", "nil"))
    assert all(entry.name in example for example in (entry.example, *entry.edges))
    assert entry.least >= 0
    assert isinstance(entry.implementation, Applying) or callable(entry.implementation)


SPECIFIED = """
+ - * / mod inc dec max min abs sqrt pow factorial even? odd? zero? pos? neg? = != > < >= <= and or not str
string-length substring string-contains? starts-with? string-join string-upper string-lower string-trim re-matches
re-find re-seq parse-int parse-float int float vector hash-map map map-indexed filter reduce apply sort sort-by distinct
frequencies group-by contains? keys vals get get-in assoc dissoc update remove cons conj concat first rest last nth
count empty? range numbers take drop reverse merge find nil? bool? int? float? number? string? fn? symbol? keyword?
vector? map? type-name parse-json serialize-json call
""".split()  # noqa: SIM905  # words are read best as words
"""The names of the specification's standard library (10)."""


def test_every_function_of_the_specification_is_there():
    assert [name for name in SPECIFIED if name not in {*FUNCTIONS, *ALIASES, *FORMS}] == []


def test_aliases_name_functions_and_hide_none():
    assert set(ALIASES.values()) <= set(FUNCTIONS)
    assert not set(ALIASES) & set(FUNCTIONS)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("[(+) (*) (- 3) (/ 2) (+ 1.5 1) (- 5 2 1)]", "[0 1 -3 0.5 2.5 2]"),
        ("[(quot 7 -2) (rem 7 -2) (mod 7 -2) (mod -7 2)]", "[-3 1 -1 1]"),
        ("[(round 2.5) (round 3.5) (round -2.5)]", "[2 4 -2]"),
        (
            "[(= 1 1.0) (= 1 true) (= nil false) (= [1 {:a 1}] [1 {:a 1}]) (= ##NaN ##NaN) (= 0.0 -0.0)]",
            "[false false false true true false]",
        ),
        ('[(< 1 2.5) (< "a" "b") (<= 1 1 2) (> 3 2 2) (not= 1 2)]', "[true true true false true]"),
        ('(str nil true 1.0 :k [1 "a"] {:b 1 :a nil})', '"true1.0:k[1 \\"a\\"]{:a nil :b 1}"'),
        ('(str 0.1 " " 1e21 " " (/ 1 3))', '"0.1 1e+21 0.3333333333333333"'),
        (
            '[(subs "abc" 1) (split "abc" "") (split "a,,b" ",") (join [1 2]) (split-lines "a\\r\\n\\nb")]',
            '["bc" ["a" "b" "c"] ["a" "" "b"] "12" ["a" "" "b"]]',
        ),
        (
            '[(parse-int " -12 ") (parse-int "1.5") (parse-int "99999999999999999999") (parse-float "2") (parse-float "x")]',
            "[-12 nil nil 2.0 nil]",
        ),
        (
            '[(first nil) (rest nil) (count nil) (last []) (first "ab") (first {:b 1 :a 2})]',
            '[nil [] 0 nil "a" [:a 2]]',
        ),
        ('(map (fn [[k v]] [v k]) {:b 2 :a 1 "c" 3 5 0})', '[[0 5] [1 :a] [2 :b] [3 "c"]]'),
        (
            "[(get [1 2] 5) (get [1 2] 1) (get nil :a 3) (get-in {:a [1 {:b 2}]} [:a 1 :b]) (get-in {} [:a :b] 0)]",
            "[nil 2 3 2 0]",
        ),
        (
            "[(assoc nil :a 1) (assoc [1 2] 0 9) (assoc [1] 1 2) (assoc-in {:a {:b 1}} [:a :c] 2)]",
            "[{:a 1} [9 2] [1 2] {:a {:b 1 :c 2}}]",
        ),
        (
            "[(conj nil 1) (conj {} [:a 1] {:b 2}) (into [1] {:a 2}) (merge nil {:a 1} nil {:b 2})]",
            "[[1] {:a 1 :b 2} [1 [:a 2]] {:a 1 :b 2}]",
        ),
        (
            "[(range 3) (range 5 1 -2) (range 0) (take 9 [1]) (drop 9 [1]) (take -1 [1]) (take-last 0 [1])]",
            "[[0 1 2] [5 3] [] [1] [] [] []]",
        ),
        ('(sort ["b" :a nil 2 1.5 true [1] "a"])', '[nil true 1.5 2 :a "a" "b" [1]]'),
        ("(sort-by :n [{:n 2 :i 0} {:n 1 :i 1} {:n 2 :i 2}])", "[{:i 1 :n 1} {:i 0 :n 2} {:i 2 :n 2}]"),
        (
            "(map (fn [x] (pow 2.5 x)) [0 1 2 -1 0.5 100])",
            "[1.0 2.5 6.25 0.4 1.5811388300841898 6.223015277861142e+39]",
        ),
        (
            "[(pow -2.0 3) (pow -2.0 2) (pow -2.0 1e300) (pow 1e-300 2) (pow ##NaN 0) (pow 2.0 ##-Inf) (pow 0.0 2)]",
            "[-8.0 4.0 ##Inf 0.0 1.0 0.0 0.0]",
        ),
        (
            "[(pow -1 9223372036854775807) (pow 0 5) (pow 2 62) (pow -2 63)]",
            "[-1 0 4611686018427387904 -9223372036854775808]",
        ),
        ("(sort (fn [a b] (< (:n a) (:n b))) [{:n 2 :i 0} {:n 1} {:n 2 :i 1}])", "[{:n 1} {:i 0 :n 2} {:i 1 :n 2}]"),
        ("(sort - [3 1 2 5 4 1])", "[1 1 2 3 4 5]"),
        ("(sort (fn [a b] (- b a)) (range 7))", "[6 5 4 3 2 1 0]"),
        ("(sort (fn [a b] (> a b)) [])", "[]"),
        (
            "[(sort (fn [a b] nil) [2 1]) (sort (fn [a b] ##NaN) [2 1]) (sort (fn [a b] true) [1 2])]",
            "[[2 1] [2 1] [2 1]]",
        ),
        ("(sort-by :n (fn [a b] (> a b)) [{:n 1} {:n 3} {:n 2}])", "[{:n 3} {:n 2} {:n 1}]"),
        ("(sort-by (fn [x] (- x)) - [1 3 2])", "[3 2 1]"),
        ("(sort-by (fn [x] x) >= [1 3 2])", "[3 2 1]"),
        ("(sort-by :n < nil)", "[]"),
        ("(distinct [1 1.0 true [1] [1] {:a 1} {:a 1} nil nil])", "[1 1.0 true [1] {:a 1} nil]"),
        ("(reduce + [])", "nil"),
        ("(reduce + [5])", "5"),
        ("(reduce (fn [m x] (update m x (fn [n] (inc (or n 0))))) {} [:a :b :a])", "{:a 2 :b 1}"),
        ("(map + [1 2 3] [10 20])", "[11 22]"),
        ("(map map [inc dec] [[1] [2]])", "[[2] [1]]"),
        ("(apply map vector [[1 2] [3 4]])", "[[1 3] [2 4]]"),
        ("(some #{1} [1])", None),
        ("(some {:a 1} [:b :a])", "1"),
        ("(partition 2 1 [1 2 3])", "[[1 2] [2 3]]"),
        ("(filter :on [{:on true :n 1} {:n 2}])", "[{:n 1 :on true}]"),
        ('(to-json {:b 1.5 :a ["x" :k nil]})', '"{\\"a\\":[\\"x\\",\\"k\\",null],\\"b\\":1.5}"'),
        ('(parse-json "{\\"a\\": 1.0, \\"b\\": [true]}")', '{"a" 1.0 "b" [true]}'),
        ("[(type-of 1) (type-of []) (type-of inc) (type-of nil)]", "[:int :vector :function :nil]"),
        ('[(substring "abc" 1 2) (upper-case "a") (boolean? true)]', '["b" "A" true]'),
    ],
)
def test_library(run, compiling, source, value):
    if value is None:
        with pytest.raises(Exception, match="line 1"):
            compiling(source)
    else:
        assert run(source).text == value


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("(+ 9223372036854775807 1)", "integer-overflow", "64 bits"),
        ("(* 3037000500 3037000500)", "integer-overflow", "64 bits"),
        ("(- -9223372036854775808)", "integer-overflow", "64 bits"),
        ("(quot -9223372036854775808 -1)", "integer-overflow", "64 bits"),
        ("(abs -9223372036854775808)", "integer-overflow", "64 bits"),
        ("(int 1e30)", "integer-overflow", "64 bits"),
        ('(parse-json "[123456789012345678901234567890]")', "integer-overflow", "64 bits"),
        ('(parse-json "18446744073709551615")', "integer-overflow", "64 bits"),
        ("(/ 1.0 0)", "division-by-zero", "1.0 is divided by zero"),
        ("(mod 1 0)", "division-by-zero", "divided by zero"),
        ("(nth [1] 1)", "index-out-of-bounds", "1 is no place in a collection of 1"),
        ('(subs "abc" 2 9)', "index-out-of-bounds", "2 to 9"),
        ('(upper (get (parse-json "[1]") 0))', "type-mismatch", "`upper`, argument 1: expected :string, found :int 1"),
        ('(+ 1 (get (parse-json "[true]") 0))', "type-mismatch", "argument 2"),
        ('(map inc (get (parse-json "[1]") 0))', "type-mismatch", "`map` cannot take"),
        ('(< 1 (get (parse-json "[\\"a\\"]") 0))', "type-mismatch", ":int and :string cannot be compared"),
        ("(frequencies [true])", "type-mismatch", "a map key is a keyword, string or integer; found :bool true"),
        ("(sort [{:a 1}])", "type-mismatch", "sort-by"),
        ("(sort (fn [a b] :less) [1 2])", "type-mismatch", "`sort` is given gave :keyword :less, not a boolean"),
        ('(sort (fn [a b] (error :stop a)) ["x" "y"])', "stop", "y"),
        ('(parse-json "{")', "invalid-json", "line 1"),
        ("(range 0 5 0)", "invalid-argument", "never ends"),
        ("(pow 0.0 -1)", "division-by-zero", "0.0 cannot be raised to -1.0"),
        ('(re-find "(a|b" "ab")', "invalid-pattern", "missing )"),
        ('(re-find "[a-z]{900}[a-z]{900}[a-z]{900}" "ab")', "invalid-pattern", "steps"),
        ('(int "1.5")', "invalid-argument", "'1.5' is not written as a value of :int is"),
        ("(sqrt -1)", "invalid-argument", "no square root"),
        ("(mapcat identity [1])", "type-mismatch", "`mapcat`"),
        ('(apply inc (parse-json "[1, 2]"))', "arity", "`inc` takes 1 argument"),
        ('(:a (get (parse-json "[5]") 0))', "type-mismatch", "cannot take"),
    ],
)
def test_refusals(run, source, error, message):
    found = run(source).error
    assert found.type == error
    assert message in found.message


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (
            "(pow 2 63)",
            "the integer 9223372036854775808 needs more than 64 bits",
            "it comes up in 2 to the power of 63; (pow 2.0 63) gives a float",
        ),
        (
            "(pow -10 400)",
            "the integer -10000000000000000000 needs more than 64 bits",
            "it comes up in -10 to the power of 400; (pow -10.0 400) gives a float",
        ),
        ("(int 1e300)", f"the integer {int(1e300)} needs more than 64 bits", "it is 1e+300 as an integer"),
        (
            "(group-by even? [1])",
            "a map key is a keyword, string or integer; found :bool false",
            "(group-by #(if (even? %) :even :odd) [1 2 3])",
        ),
        (
            '(let [x [:map [:a :int]] (parse-json "{\\"a\\": 1}")] x)',
            'the key :a (:int) is missing from the map with keys ["a"]; there the key is a string',
            'the keys of JSON are strings: (get map "a") reads one',
        ),
    ],
)
def test_texts_of_errors_stay_and_hints_say_more(run, source, message, hint):
    found = run(source).error
    assert found.message == message
    assert hint in found.hint
    assert run(f"(try {source} (catch e (keys e)))").text == "[:effect :message :type]"
    assert found == replace(found, hint=None), "histories are compared without it"


def test_card_shows_the_language_and_the_tools(capabilities):
    card = language_card(capabilities)
    assert "(call :py.meta {:site :string :package :string :full :bool (optional)}) gives" in card
    assert all(entry.example in card for entry in FUNCTIONS.values() if entry.name not in NAMED_ONLY)
    assert all(f" {name}" in card for name in NAMED_ONLY)
    assert set(FUNCTIONS) >= NAMED_ONLY
    assert "none; the program can only compute" in language_card({})
    assert len(card) < 6000


def value_of(source, type_, value):
    """Run a program with one input."""
    program = compile_program(source, parameters={"xs": parse_type(type_)}, output=None, capabilities={})
    step = start(load(program.module), {"xs": value})
    assert isinstance(step, Finished), step
    return step.value


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), max_size=40))
def test_sorting_is_stable_whatever_compares(numbers):
    items = [[number, place] for place, number in enumerate(numbers)]
    rising = sorted(items, key=lambda item: item[0])
    falling = sorted(items, key=lambda item: -item[0])
    for source, expected in (
        ("(sort (fn [a b] (< (first a) (first b))) xs)", rising),
        ("(sort (fn [a b] (- (first a) (first b))) xs)", rising),
        ("(sort-by first xs)", rising),
        ("(sort-by first (fn [a b] (> a b)) xs)", falling),
        ("(sort-by (fn [x] (first x)) >= xs)", falling),
        ("(sort-by first (fn [a b] (- b a)) xs)", falling),
    ):
        assert value_of(source, "[:vector :any]", items) == expected


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-30, 1e30), st.floats(-9, 9))
def test_powers_are_as_near_as_floats_can_be(base, exponent):
    found = value_of("(pow (first xs) (second xs))", "[:vector :float]", [base, exponent])
    assert abs(found - math.pow(base, exponent)) <= math.ulp(found)


FLOATS = st.floats(-1e15, 1e15)  # beyond, RFC 8785 writes fewer digits than an integer has
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5), FLOATS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(JSON_VALUES)
def test_json_is_read_back_as_it_was_written(value):
    text = value_of("(to-json xs)", ":any", value)
    assert json.loads(text) == value
    assert value_of("(to-json (parse-json (to-json xs)))", ":any", value) == text
