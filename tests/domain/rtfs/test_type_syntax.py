"""Every spelling of a type: what it means, its one canonical spelling, and what is said of a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.printer import print_value
from domain.rtfs.source import ReadError
from domain.rtfs.types import (
    ANY,
    NIL,
    PRIMITIVES,
    Array,
    Field,
    Function,
    MapOf,
    Predicate,
    Record,
    Tuple,
    Type,
    Val,
    Vector,
    intersection,
    mismatch,
    named_type,
    parse_type,
    print_type,
    union,
)
from domain.rtfs.types.combining import refine


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("int", ":int"),
        ("Int", ":int"),
        ("Integer", ":int"),
        (":integer", ":int"),
        ("Float", ":float"),
        ("String", ":string"),
        ("Boolean", ":bool"),
        ("Keyword", ":keyword"),
        ("Any", ":any"),
        ("Nil", ":nil"),
        ("nil", ":nil"),
        ("Never", ":never"),
        (":symbol", ":symbol"),
        (":timestamp", ":timestamp"),
        ("UUID", ":uuid"),
        ("Integer?", ":int?"),
        (":number", "[:union :float :int]"),
        (":number?", "[:union :float :int :nil]"),
        (":map", "[:map-of :any :any]"),
        (":vector", "[:vector :any]"),
        ("list", "[:vector :any]"),
        (":function", "[:fn [& :any] :any]"),
        ("[:map]", "[:map]"),
        ("[:record [:b :int] [:a :string ?]]", "[:map [:a :string ?] [:b :int]]"),
        ("[:map {:name :string :age :int}]", "[:map [:age :int] [:name :string]]"),
        ("[:map {:name :string ? :age :int?}]", "[:map [:age :int?] [:name :string ?]]"),
        ("[:map {:a :int} [:b :int ?] [:* :string]]", "[:map [:a :int] [:b :int ?] [:* :string]]"),
        ("[:map [:a [:vector :int] ?]]", "[:map [:a [:vector :int] ?]]"),
        ("[:dict :string :any]", "[:map-of :string :any]"),
        ("[:dict (or :string :keyword) :int]", "[:map-of [:union :keyword :string] :int]"),
        ("[:array :float [2 ?]]", "[:array :float [2 ?]]"),
        ("[:array :float]", "[:array :float [?]]"),
        ("[:array [:vector :int] [3]]", "[:array [:vector :int] [3]]"),
        ("[:vector :int]?", "[:union [:vector :int] :nil]"),
        ("[:tuple :int ? :string]", "[:tuple :int? :string]"),
        ("[:list :int]", "[:vector :int]"),
        ("(or :string :integer nil)", "[:union :int :string :nil]"),
        ("(and :int [:> 0])", "[:and :int [:> 0]]"),
        ("[:=> [String] Boolean]", "[:fn [:string] :bool]"),
        ("[:fn [:int & :string ?] :nil]", "[:fn [:int & :string?] :nil]"),
        ("[:resource my.app/Handle]", '[:and :string [:matches-regex "resource://.+"]]'),
        ("[:and :int :any [:>= 1]]", "[:and :int [:>= 1]]"),
        ("[:and [:map [:a :int]] [:map [:b :int]]]", "[:map [:a :int] [:b :int]]"),
        ("[:and [:map [:a :int ?]] [:map [:a :any]] [:has-key :z]]", "[:and [:map [:a :int]] [:has-key :z]]"),
        ("[:and :number :int]", ":int"),
        ("[:and [:and :int [:> 0]] [:and :int [:< 9]]]", "[:and :int [:< 9] [:> 0]]"),
        ("[:and :string [:length 3] [:min-length 1] [:max-length 9]]", None),
        ("[:and [:vector :int] [:count 3] [:max-count 9] [:min-count 1] [:non-empty]]", None),
        ("[:and :int [:!= 0] [:< 9] [:<= 8] [:= 3] [:> 0] [:>= 1] [:in-range 1 8]]", None),
        ("[:and [:map-of :any :any] [:has-key :a] [:required-keys [:a :b]]]", None),
        ("[:val {:a [1 nil]}]", None),
    ],
)
def test_spellings_of_types(text, canonical):
    canonical = canonical or print_type(parse_type(text))
    assert print_type(parse_type(text)) == canonical
    assert print_type(parse_type(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("Integr", "did you mean :Integer", 1),
        (":lst", "did you mean :list", 1),
        (":tuple", r"write \[:tuple …\]", 1),
        ("[:or :int :string]", r"write \[:union A B\]", 2),
        ("[:maybe :int]", r"write T\?", 2),
        (":object", r"write \[:map", 1),
        ("(vector :int)", "this is no type", 1),
        ("[]", "this is no type", 1),
        ("[:array]", "takes 1", 1),
        ("[:array :int [-1]]", "no dimension", 15),
        ("[:array :int [a]]", "no dimension", 15),
        ("[:array :int []]", "this is no type", 14),
        ("[:map-of :int]", "takes 2", 1),
        ("[:map {:a :int ? ?}]", "no type", 11),
        ("[:map [:a :int !]]", r"only `\?` may follow", 16),
        ('[:map {"a" :int}]', "is a keyword", 8),
        ("[:fn :int :int]", "stand in brackets", 6),
        ("[:fn [&] :int]", "exactly one type", 7),
        ("[:fn [& :int :int] :int]", "exactly one type", 7),
        ("[:fn [:int]]", "takes 2", 1),
        ("[:union]", "no members", 1),
        ("[:enum]", "no values", 1),
        ("[:enum x]", "a literal is expected", 8),
        ("[:val]", "takes 1", 1),
        ("[:resource 5]", "is a name", 12),
        ("[:and]", "no type", 1),
        ("[:and :int :string]", "no type is both :int and :string", 12),
        ("[:and :int [> 0]]", r"did you mean \[:> …\]", 13),
        ("[:and :string [:is-email]]", "checked by the program", 16),
        ("[:and :string [:min-lenght 1]]", "did you mean .:min-length", 16),
        ("[:and :string [5]]", "no predicate", 15),
        ("[:and :int [:> 1 2]]", "takes 1 arguments, here are 2", 12),
        ('[:and :int [:in-range "a" 2]]', "compares with a number", 12),
        ("[:and :string [:length 1.5]]", "takes an integer", 15),
        ("[:and :string [:matches-regex 5]]", "takes a string", 15),
        ("[:and :any [:required-keys :a]]", "takes a vector", 12),
        ("'int", "this is no type", 1),
        ("^:a :int", "this is no type", 1),
        ("5", "this is no type", 1),
    ],
)
def test_wrong_types_are_refused_where_they_stand(text, message, column):
    with pytest.raises(ReadError, match=message) as raised:
        parse_type(text)
    assert (raised.value.line, raised.value.column) == (1, column)


def test_names_with_and_without_a_capital():
    assert named_type("Integer") is named_type("int") is PRIMITIVES["int"]
    assert named_type("String?") == parse_type(":string?")
    assert named_type("INT") is None


KEYS = st.sampled_from(["a", "b", "c-d", "x/y", "long-name?"])
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(max_size=5),
        st.uuids(),
        KEYS.map(Keyword),
        st.just(datetime(2026, 11, 21, 8, tzinfo=UTC)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS.map(Keyword), inner, max_size=3)),
    max_leaves=5,
)
PREDICATES = st.one_of(
    st.tuples(st.sampled_from([">", ">=", "<", "<="]), st.tuples(st.integers(-9, 9) | st.floats(allow_nan=False))),
    st.tuples(st.sampled_from(["=", "!="]), st.tuples(VALUES)),
    st.tuples(st.sampled_from(["length", "min-count", "max-length"]), st.tuples(st.integers(0, 9))),
    st.just(("non-empty", ())),
    st.just(("matches-regex", ('[a-z"]+\\d',))),
    st.just(("required-keys", ([Keyword("a"), Keyword("b")],))),
).map(lambda parts: Predicate(*parts))


def enum(values: list[object]) -> Type:
    return parse_type(f"[:enum {' '.join(map(print_value, values))}]")


def record(fields: dict[str, tuple[Type, bool]], rest: Type | None) -> Type:
    return Record(tuple(Field(key, *fields[key]) for key in sorted(fields)), rest)


TYPES: st.SearchStrategy[Type] = st.recursive(
    st.one_of(
        st.sampled_from(list(PRIMITIVES.values())), VALUES.map(Val), st.lists(VALUES, min_size=1, max_size=3).map(enum)
    ),
    lambda inner: st.one_of(
        inner.map(Vector),
        st.lists(inner, max_size=3).map(lambda types: Tuple(tuple(types))),
        st.builds(Array, inner, st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=3).map(tuple)),
        st.builds(record, st.dictionaries(KEYS, st.tuples(inner, st.booleans()), max_size=3), st.none() | inner),
        st.builds(MapOf, inner, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda types: union(*types)),
        st.builds(Function, st.lists(inner, max_size=3).map(tuple), st.none() | inner, inner),
        st.builds(refine, inner, st.lists(PREDICATES, max_size=3)),
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(TYPES)
def test_what_is_printed_reads_back(given_type):
    text = print_type(given_type)
    assert parse_type(text) == given_type
    assert print_type(parse_type(text)) == text


@settings(deadline=None)
@given(TYPES, TYPES, VALUES)
def test_what_is_of_both_types_is_of_their_intersection(first, second, value):
    both = intersection(first, second)
    if both is None:
        return
    fits = mismatch(value, first) is None and mismatch(value, second) is None
    assert (mismatch(value, both) is None) is fits


@given(TYPES)
def test_intersection_with_anything_and_with_itself(given_type):
    assert intersection(given_type, ANY) == intersection(ANY, given_type) == given_type
    assert intersection(given_type, given_type) == given_type
    assert intersection(union(given_type, NIL), NIL) == NIL or given_type == ANY


@settings(deadline=None)
@given(st.text(alphabet="[](){}:?&= intvecormap0123\"'^@~#|;\n", max_size=60))
def test_any_text_gives_a_type_or_a_located_error(text):
    try:
        found = parse_type(text)
    except ReadError as error:
        place = (error.line, error.column)
    else:
        assert parse_type(print_type(found)) == found
        return
    assert min(place) >= 1
