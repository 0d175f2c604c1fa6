"""What holds between types, whatever they are: conflicts, fitting, joining and narrowing agree with the values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.values import Keyword, canonical
from domain.rtfs.types import ANY, NEVER, coerce, infer, mismatch, parse_type, print_type, type_of, union, widen
from domain.rtfs.types.narrowing import falsy, join, meet, truthy, without
from domain.rtfs.types.outline import SHOWN, outline
from domain.rtfs.types.relation import conflict, fits
from tests.domain.rtfs.typed_values import TYPES, types_of, values


@given(st.data())
def test_no_conflict_between_types_that_share_a_value(data):
    value = data.draw(values(least=1))
    one, other = data.draw(types_of(value)), data.draw(types_of(value))
    assert mismatch(value, one) is None
    assert mismatch(value, other) is None
    assert conflict(one, other) is None


@given(st.data(), TYPES)
def test_what_fits_within_a_type_is_of_it(data, wider):
    value = data.draw(values())
    narrower = data.draw(types_of(value))
    if fits(narrower, wider):
        assert mismatch(value, wider) is None
        assert conflict(narrower, wider) is None


@given(TYPES, TYPES)
def test_fitting_is_reflexive_and_between_never_and_any(one, other):
    assert fits(one, one)
    assert fits(NEVER, one)
    assert fits(one, ANY)
    assert fits(one, union(one, other))


@given(TYPES, TYPES, TYPES)
def test_fitting_is_transitive(one, other, third):
    for middle in (other, union(one, other), join(one, other)):
        for last in (third, union(middle, third), join(middle, third)):
            if fits(one, middle) and fits(middle, last):
                assert fits(one, last)


@given(st.data(), TYPES)
def test_a_join_holds_what_either_holds(data, other):
    value = data.draw(values())
    one = data.draw(types_of(value))
    assert mismatch(value, join(one, other)) is None
    assert mismatch(value, join(other, one)) is None


@given(st.data())
def test_what_is_of_two_types_is_of_where_they_meet(data):
    value = data.draw(values(least=1))
    one, other = data.draw(types_of(value)), data.draw(types_of(value))
    assert mismatch(value, meet(one, other)) is None


@given(st.data(), TYPES)
def test_what_is_not_of_a_type_stays_when_that_is_taken_away(data, other):
    value = data.draw(values())
    one = data.draw(types_of(value))
    if mismatch(value, other) is not None:
        assert mismatch(value, without(one, other)) is None


@given(st.data())
def test_what_counts_as_true_or_not_keeps_its_type(data):
    value = data.draw(values())
    part = falsy if value is None or value is False else truthy
    assert mismatch(value, part(data.draw(types_of(value)))) is None


@given(st.data(), TYPES)
def test_widening_leaves_what_fits_and_is_done_after_one_turn(data, other):
    value = data.draw(values())
    assert widen(value, data.draw(types_of(value))) is value
    widened = widen(value, other)
    assert canonical(widen(widened, other)) == canonical(widened)


@given(values())
def test_a_value_is_of_the_type_inferred_from_it(value):
    assert mismatch(value, type_of(value)) is None
    plain = coerce(value, infer(value))
    assert mismatch(plain, infer(value)) is None
    assert type_of(plain) == infer(plain)


@given(TYPES)
def test_the_spelling_reads_back(given_type):
    text = print_type(given_type)
    assert print_type(parse_type(text)) == text
    assert parse_type(text) == given_type


@given(TYPES, TYPES)
def test_types_are_the_same_when_they_are_spelt_the_same(one, other):
    assert (one == other) is (print_type(one) == print_type(other))
    assert one != other or hash(one) == hash(other)


@pytest.mark.parametrize(
    "text", ["[:val 1]", "[:val 1.0]", "[:val true]", "[:val -0.0]", "[:enum 1 true]", "[:val [1]]"]
)
def test_values_that_python_counts_as_equal_make_other_types(text):
    others = {print_type(parse_type(each)) for each in ("[:val 1]", "[:val 1.0]", "[:val true]", "[:val 0.0]")}
    assert print_type(parse_type(text)) == text
    assert (text in others) is (text in ("[:val 1]", "[:val 1.0]", "[:val true]"))


WIDE = "[:map " + " ".join(f"[:field-{number} [:map [:count :int] [:name :string]]]" for number in range(40)) + "]"


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (
            WIDE,
            WIDE.replace(":field-7 [:map [:count :int]", ":field-7 [:map [:count :string]"),
            "at :field-7 :count: expected :string, found :int",
        ),
        (f"[:vector {WIDE}]", f"[:vector {WIDE.replace(':field-3 [:map', ':other [:map')}]", None),
        ("[:map [:a :int] [:* :never]]", "[:map [:b :int]]", "the key :b (:int) is missing; there are :a"),
        ("[:map [:a :int]]", "[:map [:* :string]]", "at :a: expected :string, found :int"),
        ("[:map [:a :int]]", "[:map [:* :never]]", "at :a: expected :never, found :int"),
        ("[:map [:* :int]]", "[:map [:a :string]]", "at :a: expected :string, found :int"),
        ("[:map-of :keyword :int]", "[:map [:a :string]]", "at :a: expected :string, found :int"),
        (
            "[:map-of :string :int]",
            "[:map [:a :int]]",
            (
                "expected [:map [:a :int]], found [:map-of :string :int]; its keys are strings: "
                '(get map "a") reads one, {:a (get map "a")} makes a map with keywords'
            ),
        ),
        ("[:map-of :int :int]", "[:map [:a :int]]", "expected [:map [:a :int]], found [:map-of :int :int]"),
        ("[:map [:a :int]]", "[:map-of :string :int]", "key :a: expected :string, found :keyword :a"),
        ("[:union :nil [:map [:a :int]]]", "[:map [:a :string]]", "at :a: expected :string, found :int"),
        ("[:vector [:tuple :int :string]]", "[:vector [:tuple :int :int]]", "at [0][1]: expected :int, found :string"),
        ("[:array :int [2 ?]]", "[:array :int [3 ?]]", "expected [:array :int [3 ?]], found [:array :int [2 ?]]"),
        ("[:array :int [2 2]]", "[:vector [:vector :string]]", "at [0][0]: expected :string, found :int"),
        ("[:tuple :int :int]", "[:array :int [?]]", None),
        ("[:fn [:int] :int]", "[:fn [:int] :string]", "at the result: expected :string, found :int"),
        ("[:fn [:int] :int]", "[:fn [:string] :int]", "argument 1: it takes :int and is given :string"),
        ("[:fn [:int :int] :int]", "[:fn [:int] :int]", "expected [:fn [:int] :int], found [:fn [:int :int] :int]"),
        ("[:fn [:int & :int] :int]", "[:fn [:int] :int]", None),
        ("[:fn [:int] :int]", "[:fn [& :any] :any]", None),
        ('[:enum "a" "b"]', "[:enum :a :b]", 'expected [:enum :a :b], found [:enum "a" "b"]'),
        ("[:val 1]", ":float", None),
        ("[:val 0]", "[:and :int [:> 0]]", "expected [:and :int [:> 0]], found :int 0"),
    ],
)
def test_a_conflict_says_which_part_differs(found, expected, message):
    assert conflict(parse_type(found), parse_type(expected)) == message


@given(TYPES)
def test_types_in_messages_are_short(given_type):
    assert len(outline(given_type)) <= 2 * SHOWN + 1
    if len(print_type(given_type)) <= SHOWN and ":never" not in print_type(given_type):
        assert outline(given_type) == print_type(given_type)


def test_huge_types_are_outlined():
    assert outline(parse_type(WIDE)).endswith("… 37 more]")
    many = parse_type("[:enum " + " ".join(f'"value-{number}"' for number in range(5_000)) + "]")
    assert outline(many).endswith("… 4992 more]")
    assert conflict(many, parse_type(":int")) == 'expected :int, found :string "value-0"'
    assert mismatch("value-4999", many) is None
    assert len(mismatch("value", many) or "") < 300


def test_comparing_takes_time_in_the_sizes_of_both():
    """Each would take for ever if members were tried within members again and again."""
    level = ":int"
    for depth in range(45):
        level = f"[:union [:vector {level}] [:map [:k{depth} :string]] :nil]"
    deep = parse_type(level)
    other = parse_type(level.replace(":int", ":string"))
    assert conflict(deep, other) is None
    assert not fits(deep, parse_type("[:vector :string]"))
    records = [f'[:map [:kind [:val "{number}"]] [:a :int]]' for number in range(150)]
    wide = parse_type(f"[:union {' '.join(records)}]")
    assert conflict(wide, parse_type(f"[:union {' '.join(records).replace(':int', ':string')}]")) is not None
    assert join(wide, deep) == ANY
    value = None
    for depth in range(45):
        value = [value, {Keyword(f"k{depth}"): 1}]
    assert mismatch(value, deep) is not None
    assert widen(value, deep) is value
