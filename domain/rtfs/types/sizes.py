"""How large types are: those that are inferred must not grow without end."""

from __future__ import annotations

from typing import Final

from domain.rtfs.types.model import (
    Array,
    Enum,
    Function,
    MapOf,
    Primitive,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Vector,
)

MAX_PARTS: Final = 4_000
"""Size of a type that was inferred: literals within literals would double it again and again."""

MAX_DEPTH: Final = 50
"""Depth of a type that was inferred."""


def parts_of(given: Type) -> tuple[Type, ...]:
    """Give the types that a type is made of."""
    match given:
        case Vector(element) | Array(element, _) | Refined(element, _):
            return (element,)
        case Tuple(parts) | Union(parts):
            return parts
        case Record(fields, rest):
            return (*[each.type for each in fields], *(() if rest is None else (rest,)))
        case MapOf(key, value):
            return (key, value)
        case Function(parameters, rest, result):
            return (*parameters, *(() if rest is None else (rest,)), result)
        case _:
            return ()


def size(given: Type) -> tuple[int, int]:
    """Give how many parts a type has when it is written out, one object counted each time, and how deep they lie."""
    try:
        return given._size  # noqa: SLF001  # kept with the type, as its text is
    except AttributeError:
        parts, depth = len(given.values) if isinstance(given, Enum) else 1, 0
        for part in parts_of(given):
            more, deeper = (1, 1) if isinstance(part, Primitive) else size(part)
            parts += more
            depth = max(depth, deeper)
        made = parts, depth + 1
        object.__setattr__(given, "_size", made)
        return made


def is_bounded(given: Type) -> bool:
    """Tell whether an inferred type is small enough to go on with."""
    if isinstance(given, Primitive):
        return True
    parts, depth = size(given)
    return parts <= MAX_PARTS and depth <= MAX_DEPTH
