"""Types in messages: as they are spelt while that is short, else their outer parts and how much is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.rtfs.types.model import (
    NEVER,
    Array,
    Enum,
    Field,
    Function,
    MapOf,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
    brackets,
    shape_text,
)

SHOWN: Final = 120
"""Characters of a type that a message shows."""

_WIDTHS: Final = ((8, 3), (5, 2), (4, 1), (3, 0))
"""How many parts are shown and how deep, from much to little."""


def outline(given: Type) -> str:
    """Show a type in a message. That a record has no further keys is left out: literal maps are such, unasked."""
    text = _outline(given, SHOWN, SHOWN)
    for width, depth in _WIDTHS:
        if len(text) <= SHOWN:
            break
        text = _outline(given, width, depth)
    return text if len(text) <= 2 * SHOWN else f"{text[: 2 * SHOWN]}…"


def _outline(given: Type, width: int, depth: int) -> str:
    if len(given.text) <= SHOWN >> 2 and ":never" not in given.text:
        return given.text
    match given:
        case Record(fields, rest):
            more = [] if rest is None or rest == NEVER else [f"[:* {_inner(rest, width, depth)}]"]
            return brackets(
                ":map", *[_field(each, width, depth) for each in fields[:width]], *_left(fields, width), *more
            )
        case Tuple(parts):
            return _parts(":tuple", parts, width, depth)
        case Union(parts):
            return _parts(":union", parts, width, depth)
        case Vector(element):
            return f"[:vector {_inner(element, width, depth)}]"
        case MapOf(key, value):
            return f"[:map-of {_inner(key, width, depth)} {_inner(value, width, depth)}]"
        case Array(element, shape):
            return f"[:array {_inner(element, width, depth)} {shape_text(shape)}]"
        case Refined(base, predicates):
            return brackets(":and", _inner(base, width, depth), *predicates[:width], *_left(predicates, width))
        case Enum(values):
            return brackets(":enum", *[Val(each).text[6:-1] for each in values[:width]], *_left(values, width))
        case Function(parameters, rest, result):
            others = () if rest is None else ("&", _inner(rest, width, depth))
            shown = [_inner(each, width, depth) for each in parameters[:width]]
            return f"[:fn {brackets(*shown, *_left(parameters, width), *others)} {_inner(result, width, depth)}]"
        case _:
            return given.text


def _inner(given: Type, width: int, depth: int) -> str:
    return _outline(given, width, depth - 1) if depth > 0 or len(given.text) <= SHOWN >> 3 else "…"


def _field(field: Field, width: int, depth: int) -> str:
    mark = "" if field.required else " ?"
    return f"[:{field.key} {_inner(field.type, width, depth)}{mark}]" if depth > 0 else f":{field.key}"


def _parts(name: str, parts: Sequence[Type], width: int, depth: int) -> str:
    return brackets(name, *[_inner(each, width, depth) for each in parts[:width]], *_left(parts, width))


def _left(parts: Sequence[object], width: int) -> list[str]:
    """Say how many parts are not shown."""
    return [f"… {len(parts) - width} more"] if len(parts) > width else []
