"""What is read out of a value of a type: items, keys, places."""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.types import (
    ANY,
    KEYWORD,
    NEVER,
    NIL,
    STRING,
    Array,
    Enum,
    Field,
    MapOf,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
    type_of,
    union,
)
from domain.rtfs.types.narrowing import join
from domain.rtfs.types.relation import differ

ANY_MAP: Final = MapOf(ANY, ANY)
COLLECTION: Final = union(NIL, STRING, Vector(ANY), ANY_MAP)
"""What has items."""

UNKNOWN: Final = object()
"""In place of a value that is not known before the program runs."""


def base(given: Type) -> Type:
    """Give the type that a refined type refines, and that of a known value."""
    if type(given) not in _DERIVED:
        return given
    while isinstance(given, Refined):
        given = given.base
    if isinstance(given, Val):
        return type_of(given.value)
    return join(*map(type_of, given.values)) if isinstance(given, Enum) else given


_DERIVED: Final = frozenset({Refined, Val, Enum})


def items(given: Type) -> Type:
    """Give the type of what a collection holds; ``:never`` for what holds nothing or is no collection."""
    match base(given):
        case Vector(element):
            return element
        case Tuple(elements):
            return join(*elements)
        case Array() as array:
            return array.inner()
        case MapOf(key, value):
            return Tuple((key, value))
        case Record(fields, rest):
            key = KEYWORD if rest is NEVER else ANY
            return Tuple((key, ANY if rest is None else join(*[each.type for each in fields], rest)))
        case Union(members):
            return join(*map(items, members))
        case other:
            return other if other in (ANY, STRING) else NEVER


def entry(given: Type, key: Any = UNKNOWN) -> Type:
    """Give the type of what `get` reads; ``:nil`` is among it where there may be nothing."""
    match base(given):
        case Record() as record:
            return _of_record(record, key)
        case Tuple(elements):
            return _of_tuple(elements, key)
        case Vector() | Array() as vector:
            return join(items(vector), NIL)
        case MapOf(_, value):
            return join(value, NIL)
        case Union(members):
            return join(*[entry(member, key) for member in members])
        case other:
            return join(STRING, NIL) if other is STRING else NIL if other is NIL else ANY


def _of_record(record: Record, key: Any) -> Type:
    if isinstance(key, Keyword):
        field = field_of(record, key.name)
        if field is not None:
            return field.type if field.required else join(field.type, NIL)
    elif key is UNKNOWN and record.rest is NEVER:
        return join(*[field.type for field in record.fields], NIL)
    if record.rest is NEVER:
        return NIL
    return ANY if record.rest is None or key is UNKNOWN else join(record.rest, NIL)


def _of_tuple(elements: tuple[Type, ...], key: Any) -> Type:
    if type(key) is int:
        return elements[key] if 0 <= key < len(elements) else NIL
    return join(*elements, NIL) if key is UNKNOWN else NIL


def field_of(record: Record, name: str) -> Field | None:
    """Give the declaration of a key."""
    return next((field for field in record.fields if field.key == name), None)


def undeclared(given: Type, key: Any) -> Record | MapOf | None:
    """Give the type in which a key cannot be found, when that is nearly always a misspelt name.

    Values may have more keys than a declared record says; of literal maps everything is known, and asking them for
    what they lack is how a program says nil.
    """
    if isinstance(given, Union):
        missing = [undeclared(member, key) for member in given.members if member is not NIL]
        return missing[0] if missing and all(each is not None for each in missing) else None
    if isinstance(given, Record) and given.rest is None and isinstance(key, Keyword):
        return None if field_of(given, key.name) is not None else given
    if isinstance(given, MapOf) and isinstance(key, Keyword | str) and differ(type_of(key), given.key) is not None:
        return given
    return None
