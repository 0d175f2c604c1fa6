"""The value codec: total, exact, and one spelling a value."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from domain.kernel.values import (
    EXACT_INTEGER,
    MAX_DEPTH,
    Keyword,
    ValueNotDecodable,
    ValueNotEncodable,
    bytes_of_text,
    canonical,
    canonical_json,
    decode,
    digest,
    encode,
    format_time,
    parse_time,
    text_of_bytes,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["$", "$int", "$$kw", "$content", "$map", "", "\x00", "\u2028", "\ue000", "😀", "\U0010ffff", "\ufb33"]
)
keywords = texts.map(Keyword)
integers = st.integers() | st.sampled_from(
    [EXACT_INTEGER, EXACT_INTEGER + 1, -EXACT_INTEGER, -EXACT_INTEGER - 1, 2**4096 - 1, -(2**4096) + 1]
)
floats = st.floats() | st.sampled_from(
    [0.0, -0.0, 1.0, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 123456.7]
)
times = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001  # hypothesis adds the zones
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.timezones() | st.just(UTC),
)
scalars = st.none() | st.booleans() | integers | floats | texts | keywords | st.uuids() | times
keys = texts | keywords | integers
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(texts, inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5)
    ),
    max_leaves=20,
)
trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-EXACT_INTEGER + 1, EXACT_INTEGER - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=8),
    max_leaves=30,
)


def identical(one: Any, other: Any) -> bool:
    """Equal, of the same types throughout; NaN is itself, -0.0 is not 0.0, times are the same moment."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            any(identical(key, there) and identical(one[key], other[there]) for there in other) for key in one
        )
    if isinstance(one, datetime):
        return one.astimezone(UTC) == other.astimezone(UTC)  # in a gap of summer time, == between zones is never true
    return bool(one == other)


@given(values)
def test_decoding_gives_back_the_same_value_of_the_same_type(value: Any) -> None:
    assert identical(decode(encode(value)), value)


@given(values)
def test_it_survives_the_wire(value: Any) -> None:
    assert identical(decode(orjson.loads(orjson.dumps(encode(value)))), value)
    assert identical(decode(orjson.loads(canonical(value))), value)


@given(values)
def test_equal_values_have_equal_bytes(value: Any) -> None:
    again = decode(orjson.loads(orjson.dumps(encode(value))))
    assert canonical(again) == canonical(value)
    assert digest(again) == digest(value)


@given(st.dictionaries(keys, scalars, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_map_does_not_matter(pairs: dict[Any, Any], random: Any) -> None:
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(pairs)


@given(times)
def test_the_zone_of_a_time_does_not_matter(moment: datetime) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert canonical(elsewhere) == canonical(moment)


@given(values, values)
def test_different_values_have_different_bytes(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == identical(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.0, -0.0),
        (1, True),
        (0, False),
        ("a", Keyword("a")),
        ({"1": 0}, {1: 0}),
        ([], {}),
        (None, False),
        ({"$int": "1"}, 1),
        (EXACT_INTEGER, EXACT_INTEGER + 1),
        (float(2**60), 2**60),
        ("nan", math.nan),
    ],
)
def test_what_differs_in_type_differs_in_bytes(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


@given(trees)
@example({"\ue000": 1, "😀": 2})
@example({"\uffff": 1, "\U00010000": 2})
@example([1e-7, 1e21, 5e-324])
@example([1.0, -0.0, 1e15, 0.001, 0.0009999])
@example({"b": "é", "a": "\u2028\x7f\x00\u001f"})
def test_canonical_json_is_rfc_8785(tree: Any) -> None:
    assert canonical_json(tree) == rfc8785.dumps(tree)


@given(values)
def test_the_canonical_form_of_a_value_is_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(encode(value))


def test_integers_are_plain_as_far_as_rfc_7493_has_them_exact() -> None:
    assert encode(2**53 - 1) == 2**53 - 1
    assert encode(-(2**53) + 1) == -(2**53) + 1
    assert encode(2**53) == {"$int": "9007199254740992"}
    assert encode(-(2**53)) == {"$int": "-9007199254740992"}


def test_an_integer_that_takes_too_long_to_write_is_refused() -> None:
    for number in (2**4096, -(2**4096), 10**100_000):
        with pytest.raises(ValueNotEncodable, match="bits"):
            encode(number)


def test_a_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ValueNotEncodable, match="years 1 to 9999"):
        encode(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    with pytest.raises(ValueError, match="years 1 to 9999"):
        parse_time("0001-01-01T00:00:00+01:00")


@pytest.mark.parametrize(
    "value",
    [
        {1.5: 1},
        {None: 1},
        {True: 1},
        {(1,): 1},
        {1, 2},
        b"bytes",
        pytest.param(object(), id="object"),
        "\ud800",
        {"\udfff": 1},
        datetime(2026, 1, 1),  # noqa: DTZ001  # no zone
    ],
    ids=repr,
)
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(ValueNotEncodable):
        encode(value)
    with pytest.raises(ValueNotEncodable):
        encode([value])


@pytest.mark.parametrize("value", [Keyword("\ud800"), {Keyword("\udfff"): 1}], ids=repr)
def test_a_keyword_that_utf8_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueNotEncodable, match="surrogate"):
        encode(value)


def nested(depth: int, of: type) -> Any:
    value: Any = Keyword("bottom")
    for _ in range(depth):
        value = [value] if of is list else {"a": value} if of is str else {Keyword("a"): value}
    return value


@pytest.mark.parametrize("of", [list, str, Keyword])
def test_nesting_is_bounded_and_what_is_encoded_can_be_written_and_read(of: type) -> None:
    value = nested(MAX_DEPTH, of)
    event = {"data": {"entries": [{"result": encode(value)}]}}
    assert identical(decode(orjson.loads(orjson.dumps(event))["data"]["entries"][0]["result"]), value)
    assert canonical(value) == rfc8785.dumps(encode(value))
    for depth in (MAX_DEPTH + 1, 5000):
        with pytest.raises(ValueNotEncodable, match="nested deeper"):
            encode(nested(depth, of))


MALFORMED = [
    {"$int": "1"},  # exact as plain JSON
    {"$int": "09007199254740993"},
    {"$int": "+9007199254740993"},
    {"$int": "9_007_199_254_740_993"},
    {"$int": " 9007199254740993"},
    {"$int": "٩٠٠٧١٩٩٢٥٤٧٤٠٩٩٣"},
    {"$int": "-0"},
    {"$int": "1e30"},
    {"$int": "9" * 1300},
    {"$int": "9" * 100_000},
    {"$int": 5},
    {"$float": "1"},
    {"$float": "1.5"},  # plain JSON is exact
    {"$float": "NaN"},
    {"$float": "infinity"},
    {"$float": "1.00"},
    {"$float": 1.0},
    {"$kw": None},
    {"$time": "2026-01-01"},
    {"$time": "2026-01-01T00:00:00"},
    {"$time": "2026-01-01T00:00:00Z"},  # six digits of a second
    {"$time": "2026-01-01T01:00:00.000000+01:00"},  # UTC
    {"$time": "never"},
    {"$uuid": "6F1D0F2E-7B0A-5C38-9D43-0C5D6A1F8E21"},
    {"$uuid": "{6f1d0f2e-7b0a-5c38-9d43-0c5d6a1f8e21}"},
    {"$uuid": "6f1d0f2e7b0a5c389d430c5d6a1f8e21"},
    {"$uuid": "x"},
    {"$map": {}},
    {"$map": [[1]]},
    {"$map": [[1, 2, 3]]},
    {"$map": [[1, 1], [1, 2]]},
    {"$map": [[1.5, 1]]},
    {"$map": [[None, 1]]},
    {"$map": [[True, 1]]},
    {"$map": [[2, 1], [1, 2]]},  # not in canonical order
    {"$map": [["a", 1], [{"$kw": "a"}, 2]]},
    {"$map": [["a", 1]]},  # plain JSON is exact
    {"$map": []},
    {"$content": "sha256:00"},
    {"$sealed": {}},
    {"$unheard": "x"},
    {"$int": "9007199254740993", "more": 1},
    {"a": 1, "$b": 2},
    {"$": 1},
    1.0,  # whole floats are tagged
    -0.0,
    math.inf,
    math.nan,
    EXACT_INTEGER + 1,
    -EXACT_INTEGER - 1,
    "\ud800",
]


@pytest.mark.parametrize("tree", MALFORMED, ids=repr)
def test_what_encode_never_writes_is_refused(tree: Any) -> None:
    for wrapped in (tree, [tree], {"a": tree}):
        with pytest.raises(ValueNotDecodable):
            decode(wrapped)


@given(
    st.recursive(
        trees,
        lambda inner: st.dictionaries(
            st.sampled_from(["$int", "$float", "$map", "$kw", "$time", "$uuid", "$x", "a"]), inner
        ),
    )
)
def test_decoding_is_the_inverse_or_refused(tree: Any) -> None:
    try:
        value = decode(tree)
    except ValueNotDecodable:
        return
    assert identical(encode(value), tree)


@pytest.mark.parametrize("wrap", [lambda tree: [tree], lambda tree: {"a": tree}, lambda tree: {"$map": [[1, tree]]}])
def test_decoding_hostile_nesting_is_bounded(wrap: Any) -> None:
    for depth in (MAX_DEPTH + 1, 100_000):
        tree: Any = 0
        for _ in range(depth):
            tree = wrap(tree)
        with pytest.raises(ValueNotDecodable, match="nested deeper"):
            decode(tree)


def test_keywords_are_interned_immutable_and_themselves() -> None:
    assert Keyword("a") is Keyword("a")
    assert Keyword("a") is not Keyword("b")
    with pytest.raises(AttributeError, match="immutable"):
        Keyword("a").name = "b"
    assert repr(Keyword("a")) == ":a"
    import copy
    import pickle

    assert copy.deepcopy(Keyword("a")) is pickle.loads(pickle.dumps(Keyword("a"))) is Keyword("a")


@given(times)
def test_times_have_one_spelling(moment: datetime) -> None:
    text = format_time(moment)
    assert len(text) == 27
    assert text.endswith("Z")
    assert parse_time(text) == moment.astimezone(UTC)


def test_early_years_keep_four_digits() -> None:
    assert format_time(datetime(33, 4, 3, tzinfo=UTC)) == "0033-04-03T00:00:00.000000Z"


@given(st.binary())
def test_bytes_have_one_spelling(data: bytes) -> None:
    assert bytes_of_text(text_of_bytes(data)) == data


@pytest.mark.parametrize("text", ["a", "YQ", "YQ=", "Y Q==", "YQ==\n", "YR==", "_w==", "ü"])
def test_other_spellings_of_bytes_are_refused(text: str) -> None:
    with pytest.raises(ValueNotDecodable):
        bytes_of_text(text)


def test_the_digest_of_a_known_value_never_changes() -> None:
    value = {
        "n": [1, 1.0, -0.0, 2**60, math.nan],
        Keyword("k"): {"$x": UUID(int=5)},
        3: datetime(2026, 1, 1, tzinfo=UTC),
    }
    assert canonical(value) == (
        b'{"$map":[[3,{"$time":"2026-01-01T00:00:00.000000Z"}],'
        b'[{"$kw":"k"},{"$$x":{"$uuid":"00000000-0000-0000-0000-000000000005"}}],'
        b'["n",[1,{"$float":"1.0"},{"$float":"-0.0"},{"$int":"1152921504606846976"},{"$float":"nan"}]]]}'
    )
    assert digest(value) == digest(dict(reversed(value.items())))
