"""Types: read and printed, values checked and made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.source import ReadError
from domain.rtfs.types import TypeMismatch, coerce, infer, mismatch, parse_type, plain, print_type, widen
from domain.rtfs.types.relation import conflict

K = Keyword


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (":int", ":int"),
        ("string", ":string"),
        (":string?", ":string?"),
        ("[:union :nil :int]", ":int?"),
        ("[:union :string [:union :int :string]]", "[:union :int :string]"),
        ("[:union :int :any]", ":any"),
        ("[:vector [:tuple :int :string]]", "[:vector [:tuple :int :string]]"),
        ("[:map {:b :int :a :string}]", "[:map [:a :string] [:b :int]]"),
        ("[:map [:a :int ?] [:* :float]]", "[:map [:a :int ?] [:* :float]]"),
        ("[:map-of :string :int]", "[:map-of :string :int]"),
        ('[:enum "b" :a 3 "b"]', '[:enum "b" 3 :a]'),
        ("[:val 1.0]", "[:val 1.0]"),
        ("[:fn [:int & :string] :any]", "[:fn [:int & :string] :any]"),
        ("[:=> [] :nil]", "[:fn [] :nil]"),
        ("[:and :int [:> 0] [:<= 5]]", "[:and :int [:<= 5] [:> 0]]"),
        (
            '[:and :string [:matches-regex "a+"] [:min-length 1]]',
            '[:and :string [:matches-regex "a+"] [:min-length 1]]',
        ),
    ],
)
def test_canonical_spelling(text, canonical):
    assert print_type(parse_type(text)) == canonical
    assert print_type(parse_type(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":strin", "did you mean :string"),
        (":nubmer", "did you mean :number"),
        ("[:vectr :int]", r"did you mean \[:vector"),
        ("[:vector]", "takes 1"),
        ("[:map :a]", "no field"),
        ("[:map [:a :int] [:a :int]]", "twice"),
        ("[:and :int [:huge 3]]", "not known"),
        ('[:and :string [:matches-regex "("]]', "missing \\)"),
        ('[:and :int [:> "a"]]', "compares with a number"),
        ("", "one type is expected"),
        (":int :int", "one type is expected"),
    ],
)
def test_errors_of_types_say_the_way_out(text, message):
    with pytest.raises(ReadError, match=message):
        parse_type(text)


@pytest.mark.parametrize(
    "pattern", ["(a)\\\\1", "(?=a)b", "(?<!a)b", "a{1001}", "(a{99}){99}", "[[:wrong:]]", "a" * 501]
)
def test_patterns_that_no_linear_time_engine_matches_are_refused(pattern):
    with pytest.raises(ReadError, match="cannot be used"):
        parse_type(f'[:and :string [:matches-regex "{pattern}"]]')


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|b)*", "(a*a*)*(a*)*a*", "([a-z]+\\\\s?)*"])
def test_patterns_are_matched_in_time_linear_in_the_text(pattern):
    refined = parse_type(f'[:and :string [:matches-regex "{pattern}"]]')
    assert mismatch("a" * 50_000 + "!", refined) is not None


@pytest.mark.parametrize(
    ("value", "type_text", "problem"),
    [
        (1, ":int", None),
        (True, ":int", "expected :int, found :bool true"),
        (1, ":float", "expected :float, found :int 1"),
        (None, ":string?", None),
        ([1, "a"], "[:vector :int]", 'at [1]: expected :int, found :string "a"'),
        (
            {K("a"): [{K("b"): 1}]},
            "[:map [:a [:vector [:map [:b :string]]]]]",
            "at :a[0] :b: expected :string, found :int 1",
        ),
        ({}, "[:map [:a :int]]", "the key :a (:int) is missing from {}"),
        ({K("a"): 1, K("c"): 2}, "[:map [:a :int]]", None),
        ({K("a"): 1, K("c"): "x"}, "[:map [:a :int] [:* :int]]", 'at :c: expected :int, found :string "x"'),
        ({"a": 1}, "[:map-of :keyword :int]", 'at key "a": expected :keyword, found :string "a"'),
        ([1], "[:tuple :int :int]", "expected [:tuple :int :int], found a vector [1]"),
        (0, "[:and :int [:> 0]]", "expected [:and :int [:> 0]], found :int 0"),
        ("abc", '[:and :string [:matches-regex "[a-c]+"] [:max-length 3]]', None),
        ("c", '[:enum "a" "b"]', 'expected [:enum "a" "b"], found :string "c"'),
        (1, "[:enum 1.0 true]", "expected [:enum 1.0 true], found :int 1"),
        ([], ":never", "expected :never, found a vector []"),
    ],
)
def test_mismatch_names_the_place(value, type_text, problem):
    assert mismatch(value, parse_type(type_text)) == problem


@pytest.mark.parametrize(
    ("data", "type_text", "value"),
    [
        ({"by-licence": {"MIT": 3}}, "[:map [:by-licence [:map-of :string :int]]]", {K("by-licence"): {"MIT": 3}}),
        ({"a": {"b": 1}}, "[:map [:a [:map [:b :int]]]]", {K("a"): {K("b"): 1}}),
        ({"a": 1, "more": {"x": 1}}, "[:map [:a :int]]", {K("a"): 1, K("more"): {"x": 1}}),
        ({"a": 1}, ":any", {"a": 1}),
        ([1, 2.5], "[:vector :float]", [1.0, 2.5]),
        (3, "[:union :float :nil]", 3.0),
        (3, "[:union :float :int]", 3),
        ("red", "[:enum :red :blue]", K("red")),
        ("2026-11-21T08:00:00+01:00", ":timestamp", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        ((1, 2), "[:tuple :int :int]", [1, 2]),
    ],
)
def test_coercion_makes_values_of_plain_data(data, type_text, value):
    made = coerce(data, parse_type(type_text))
    assert made == value
    assert print_type(infer(made)) == print_type(infer(value))


@pytest.mark.parametrize(
    ("data", "type_text"),
    [
        ("1", ":int"),
        (1.0, ":int"),
        (True, ":float"),
        ({"a": "x"}, "[:map [:a :int]]"),
        (object(), ":any"),
        ("x", ":timestamp"),
        ({True: 1}, ":any"),
    ],
)
def test_coercion_refuses_what_does_not_fit(data, type_text):
    with pytest.raises(TypeMismatch):
        coerce(data, parse_type(type_text))


def test_inference_gives_records_with_keyword_keys():
    inferred = infer({"site": ".venv", "depth": 2, "names": ["a", None], "odd": {"A b": 1.5}, "none": []})
    assert print_type(inferred) == (
        "[:map [:depth :int] [:names [:vector :string?]] [:none [:vector :any]] [:odd [:map-of :string :float]] [:site :string]]"
    )


def test_plain_is_for_display():
    assert plain({K("a"): [K("b"), datetime(2026, 1, 1, tzinfo=UTC), float("nan")], 1: None}) == {
        "a": ["b", "2026-01-01T00:00:00.000000Z", "##NaN"],
        "1": None,
    }


def test_widening_makes_floats_only():
    type_ = parse_type("[:map [:a :float] [:b [:vector :float]]]")
    assert print_type(infer(widen({K("a"): 1, K("b"): [2]}, type_))) == "[:map [:a :float] [:b [:vector :float]]]"
    assert widen("1", parse_type(":float")) == "1"


@pytest.mark.parametrize(
    ("found", "expected", "certain"),
    [
        (":int", ":string", True),
        (":int", ":float", False),
        (":any", ":string", False),
        (":string?", ":string", False),
        (":string?", ":int", True),
        ("[:vector :int]", "[:vector :string]", True),
        ("[:map [:a :int] [:* :never]]", "[:map [:b :int]]", True),
        ("[:map [:a :int]]", "[:map [:b :int]]", False),
        ("[:map [:a :int]]", "[:map-of :string :int]", True),
        ("[:tuple :int :string]", "[:vector [:union :int :string]]", False),
        ("[:and :int [:> 0]]", ":int", False),
        ("[:fn [] :int]", ":int", True),
    ],
)
def test_only_certain_conflicts_are_reported(found, expected, certain):
    assert (conflict(parse_type(found), parse_type(expected)) is not None) is certain


DATA = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=15,
)


@given(DATA)
def test_data_fits_the_type_inferred_from_it(data):
    inferred = infer(data)
    value = coerce(data, inferred)
    assert mismatch(value, inferred) is None
    assert coerce(value, inferred) == value
    assert print_type(parse_type(print_type(inferred))) == print_type(inferred)
