"""Between plain JSON or YAML data and typed values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from domain.kernel.errors import PrecedentError
from domain.kernel.values import MAX_DEPTH, Keyword, Value, format_time, key_order, parse_time
from domain.rtfs.printer import print_float, print_value
from domain.rtfs.types.checking import describe, mismatch
from domain.rtfs.types.combining import union
from domain.rtfs.types.model import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    KEYWORD,
    NIL,
    STRING,
    TIMESTAMP,
    UUID_TYPE,
    Array,
    Enum,
    Field,
    MapOf,
    Primitive,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
)
from domain.rtfs.types.syntax import print_type


class TypeMismatch(PrecedentError):
    """Give data of the expected type: the message says where it differs."""

    code: ClassVar[str] = "rtfs.type-mismatch"


def coerce(data: Any, expected: Type) -> Value:
    """Make the value of a type out of plain data.

    String keys become keywords where the type is a record, an integer becomes a float where the type is ``:float``,
    text becomes a keyword, time or UUID where the type is one. Raises ``TypeMismatch``.
    """
    value: Value = _convert(data, expected, 0)
    problem = mismatch(value, expected)
    if problem is not None:
        raise TypeMismatch(problem)
    return value


def _convert(data: Any, expected: Type, depth: int) -> Any:
    """Convert what can be converted; what cannot is left for ``mismatch`` to describe."""
    if depth > MAX_DEPTH:
        raise TypeMismatch(f"data is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(data, tuple):
        data = list(data)
    convert = _CONVERSIONS.get(type(expected))
    if convert is None or expected is ANY:
        return _convert_any(data, depth)
    return convert(data, expected, depth + 1)


def _convert_any(data: Any, depth: int) -> Any:
    if isinstance(data, list | tuple):
        return [_convert(item, ANY, depth + 1) for item in data]
    if isinstance(data, Mapping):
        return {_any_key(key): _convert(item, ANY, depth + 1) for key, item in data.items()}
    return _scalar(data)


def _any_key(key: Any) -> Any:
    if isinstance(key, bool) or not isinstance(key, str | int | Keyword):
        raise TypeMismatch(f"map key {key!r} is no keyword, string or integer")
    return key


def _scalar(data: Any) -> Any:
    if data is None or isinstance(data, bool | int | float | str | Keyword | datetime | UUID):
        return data
    raise TypeMismatch(f"{type(data).__name__} is no value of the language: {data!r:.80}")


def _convert_primitive(data: Any, expected: Primitive, depth: int) -> Any:
    kind = type(data)
    if kind is int and expected == FLOAT:
        return float(data) if -(2**53) <= data <= 2**53 else data
    if kind is not str:
        return _convert_any(data, depth)
    if expected == KEYWORD:
        return Keyword(data.removeprefix(":"))
    try:
        if expected == TIMESTAMP:
            return parse_time(data)
        if expected == UUID_TYPE:
            return UUID(data)
    except ValueError as problem:
        raise TypeMismatch(f"expected {print_type(expected)}, found {describe(data)}: {problem}") from problem
    return data


def _convert_vector(data: Any, expected: Vector, depth: int) -> Any:
    if type(data) is not list:
        return _convert_any(data, depth)
    return [_convert(item, expected.element, depth) for item in data]


def _convert_array(data: Any, expected: Array, depth: int) -> Any:
    return _convert_vector(data, Vector(expected.inner()), depth)


def _convert_tuple(data: Any, expected: Tuple, depth: int) -> Any:
    if type(data) is not list or len(data) != len(expected.elements):
        return _convert_any(data, depth)
    return [_convert(item, element, depth) for item, element in zip(data, expected.elements, strict=True)]


def _convert_record(data: Any, expected: Record, depth: int) -> Any:
    if not isinstance(data, Mapping):
        return _convert_any(data, depth)
    types = {field.key: field.type for field in expected.fields}
    record: dict[Any, Any] = {}
    for key, item in data.items():
        name = key.name if isinstance(key, Keyword) else key
        known = Keyword(name) if isinstance(name, str) else _any_key(name)
        if known in record:
            raise TypeMismatch(f"the key {name!r} is there twice, as keyword and as string")
        record[known] = _convert(item, types.get(name, expected.rest or ANY), depth)
    return record


def _convert_map_of(data: Any, expected: MapOf, depth: int) -> Any:
    if not isinstance(data, Mapping):
        return _convert_any(data, depth)
    return {
        _any_key(_convert(key, expected.key, depth)): _convert(item, expected.value, depth)
        for key, item in data.items()
    }


def _convert_union(data: Any, expected: Union, depth: int) -> Any:
    """Take the first member, in canonical order, that the data fits as it is, else the first it can become."""
    for member in sorted(expected.members, key=lambda member: member == FLOAT):
        try:
            value = _convert(data, member, depth)
        except TypeMismatch:
            continue
        if mismatch(value, member) is None and (type(value) is type(data) or not _fits_as_is(data, expected)):
            return value
    return _convert_any(data, depth)


def _fits_as_is(data: Any, expected: Union) -> bool:
    return any(mismatch(data, member) is None for member in expected.members)


def _convert_values(data: Any, expected: Enum | Val, depth: int) -> Any:
    allowed = expected.values if isinstance(expected, Enum) else (expected.value,)
    if type(data) is str and data not in allowed:
        for value in allowed:
            if isinstance(value, Keyword) and value.name == data.removeprefix(":"):
                return value
    return _convert_any(data, depth)


def _convert_refined(data: Any, expected: Refined, depth: int) -> Any:
    return _convert(data, expected.base, depth)


_CONVERSIONS: Final[dict[type, Callable[[Any, Any, int], Any]]] = {
    Primitive: _convert_primitive,
    Vector: _convert_vector,
    Array: _convert_array,
    Tuple: _convert_tuple,
    Record: _convert_record,
    MapOf: _convert_map_of,
    Union: _convert_union,
    Enum: _convert_values,
    Val: _convert_values,
    Refined: _convert_refined,
}


def widen(value: Value, expected: Type) -> Value:
    """Make floats of integers where the type has ``:float``; everything else is left as it is."""
    if mismatch(value, expected) is None:
        return value
    widened: Value = _widen(value, expected)
    return widened


def _widen(value: Any, expected: Type) -> Any:
    kind = type(value)
    if kind is int and expected == FLOAT:
        return float(value)
    if kind is list and isinstance(expected, Vector):
        return [_widen(item, expected.element) for item in value]
    if kind is list and isinstance(expected, Array):
        return [_widen(item, expected.inner()) for item in value]
    if kind is list and isinstance(expected, Tuple) and len(value) == len(expected.elements):
        return [_widen(item, element) for item, element in zip(value, expected.elements, strict=True)]
    if kind is dict and isinstance(expected, MapOf):
        return {key: _widen(item, expected.value) for key, item in value.items()}
    if kind is dict and isinstance(expected, Record):
        types = {Keyword(field.key): field.type for field in expected.fields}
        return {key: _widen(item, types.get(key, expected.rest or ANY)) for key, item in value.items()}
    if isinstance(expected, Refined):
        return _widen(value, expected.base)
    if isinstance(expected, Union):
        fitting = (widened for member in expected.members if mismatch(widened := _widen(value, member), member) is None)
        return next(fitting, value)
    return value


def infer(data: Any) -> Type:
    """Give the type of plain data: maps are records with keyword keys, vectors have the union of what they hold."""
    return _infer(data, 0)


def _infer(data: Any, depth: int) -> Type:
    scalar = _SCALARS.get(type(data))
    if scalar is not None:
        return scalar
    if depth > MAX_DEPTH:
        raise TypeMismatch(f"data is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(data, list | tuple):
        # An empty vector says nothing about its elements.
        return Vector(union(*(_infer(item, depth + 1) for item in data)) if data else ANY)
    if isinstance(data, Mapping):
        return _infer_map(data, depth)
    raise TypeMismatch(f"{type(data).__name__} is no value of the language: {data!r:.80}")


_SCALARS: Final[dict[type, Type]] = {
    str: STRING,
    int: INT,
    bool: BOOL,
    float: FLOAT,
    type(None): NIL,
    Keyword: KEYWORD,
    datetime: TIMESTAMP,
    UUID: UUID_TYPE,
}


def _infer_map(data: Mapping[Any, Any], depth: int) -> Type:
    names = [key.name if isinstance(key, Keyword) else key for key in data]
    if all(isinstance(name, str) and _is_keyword_name(name) for name in names) and len(set(names)) == len(names):
        fields = {name: Field(name, _infer(item, depth + 1)) for name, item in zip(names, data.values(), strict=True)}
        return Record(tuple(fields[name] for name in sorted(fields)))
    keys = union(*(_infer(_any_key(key), depth + 1) for key in data))
    return MapOf(keys, union(*(_infer(item, depth + 1) for item in data.values())))


def type_of(value: Value) -> Type:
    """Give the type of a value as it is: ``infer`` is for plain data, whose keys are yet to become keywords."""
    if isinstance(value, list):
        return Vector(union(*map(type_of, value)) if value else ANY)
    if not isinstance(value, dict):
        return _SCALARS[type(value)]
    if all(isinstance(key, Keyword) for key in value):
        return Record(tuple(Field(key.name, type_of(value[key])) for key in sorted(value, key=key_order)))
    return MapOf(union(*map(type_of, value)), union(*map(type_of, value.values())))


def _is_keyword_name(name: str) -> bool:
    return bool(name) and name[0].isalpha() and name.isascii() and all(c.isalnum() or c in "-_.?!/" for c in name)


def plain(value: Value) -> Any:
    """Give JSON-able data for display: keywords as their names, times and UUIDs as text, NaN and infinities as text."""
    kind = type(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key.name if isinstance(key, Keyword) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Keyword):
        return value.name
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
        return print_float(value)
    return value if kind in _SCALARS else print_value(value)
