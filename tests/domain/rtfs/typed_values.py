"""Values put together at random, types that they are of, and types that they may not be of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.types import ANY, Enum, Field, MapOf, Record, Tuple, Type, Val, Vector, parse_type, type_of, union
from domain.rtfs.types.combining import refine
from domain.rtfs.types.model import Array

NAMES = st.sampled_from(["a", "b", "c", "size"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 1.0, 2.5, float("inf"), float("nan")]),
    st.sampled_from(["", "a", "b", "text"]),
    NAMES.map(Keyword),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    st.just(UUID(int=5)),
)
KEYS = st.one_of(NAMES.map(Keyword), st.sampled_from(["a", "b"]), st.integers(0, 2))


def values(least: int = 0) -> st.SearchStrategy[Any]:
    """Give values whose collections hold so many items at least."""
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, min_size=least, max_size=3),
            st.dictionaries(NAMES.map(Keyword), inner, min_size=least, max_size=3),
            st.dictionaries(KEYS, inner, min_size=least, max_size=2),
        ),
        max_leaves=6,
    )


LEAVES = st.sampled_from(
    [
        *(":int", ":float", ":string", ":bool", ":nil", ":keyword", ":any", ":never", ":timestamp", ":uuid", ":number"),
        *(":int?", "[:enum 1 2]", '[:enum "a" :a nil]', "[:val 1]", "[:val 1.0]", "[:val true]", "[:val [1]]"),
        *("[:and :int [:> 0]]", "[:and :string [:min-length 1]]", '[:and :string [:matches-regex "[a-z]*"]]'),
        *("[:vector :never]", "[:map [:* :never]]", "[:fn [:int] :int]", "[:fn [& :any] :any]", "[:map]", "[:tuple]"),
    ]
).map(parse_type)


def _record(fields: dict[str, tuple[Type, bool]], rest: Type | None) -> Type:
    return Record(tuple(Field(key, *fields[key]) for key in sorted(fields)), rest)


TYPES: st.SearchStrategy[Type] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Vector),
        st.lists(inner, max_size=3).map(lambda parts: Tuple(tuple(parts))),
        st.builds(Array, inner, st.lists(st.one_of(st.none(), st.integers(0, 2)), min_size=1, max_size=2).map(tuple)),
        st.builds(MapOf, st.sampled_from([":keyword", ":string", ":any", ":int"]).map(parse_type), inner),
        st.builds(
            _record,
            st.dictionaries(NAMES, st.tuples(inner, st.booleans()), max_size=3),
            st.one_of(st.none(), inner, st.just(parse_type(":never"))),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: union(*members)),
        st.builds(lambda base: refine(base, [parse_type("[:and :any [:non-empty]]").predicates[0]]), inner),
    ),
    max_leaves=6,
)
"""Any types."""


@st.composite
def types_of(draw: st.DrawFn, value: Any) -> Type:
    """Give a type that a value is of."""
    ways = ["any", "inferred", "wider"] + (["value", "enum"] if not isinstance(value, list | dict) else ["parts"] * 4)
    way = draw(st.sampled_from(ways))
    if way == "any":
        return ANY
    if way == "inferred":
        return type_of(value)
    if way == "wider":
        return union(draw(types_of(value)), draw(LEAVES))
    if way == "value":
        return Val(value)
    if way == "enum":
        return Enum(tuple({str(Val(each)): each for each in (value, 1, "a")}.values()))
    return draw(_of_vector(value) if isinstance(value, list) else _of_map(value))


@st.composite
def _of_vector(draw: st.DrawFn, value: list[Any]) -> Type:
    parts = tuple(draw(types_of(item)) for item in value)
    way = draw(st.sampled_from(["vector", "tuple", "array"]))
    if way == "tuple":
        return Tuple(parts)
    element = union(*parts) if parts else draw(LEAVES)
    return Vector(element) if way == "vector" else Array(element, (draw(st.sampled_from([None, len(value)])),))


@st.composite
def _of_map(draw: st.DrawFn, value: dict[Any, Any]) -> Type:
    if not all(isinstance(key, Keyword) for key in value) or draw(st.booleans()):
        return MapOf(
            union(*[type_of(key) for key in value]) if value else draw(LEAVES),
            union(*[draw(types_of(item)) for item in value.values()]) if value else draw(LEAVES),
        )
    named = draw(st.lists(st.sampled_from(sorted(value, key=str)), unique=True)) if value else []
    fields = {key.name: (draw(types_of(value[key])), draw(st.booleans())) for key in named}
    others = [draw(types_of(item)) for key, item in value.items() if key not in named]
    if draw(st.booleans()):
        fields.setdefault("absent", (draw(LEAVES), False))
    return _record(fields, draw(st.sampled_from([None, union(*others)])))
