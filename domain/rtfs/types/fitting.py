"""Whether a value is of a type, for the types that most values have, without saying why it is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.types.model import ANY, Primitive, Record, Type, Vector

Fits = Callable[[Any], bool]
"""True: it is of the type. False: it is not, or that must be looked at more closely."""

_ABSENT: Final = object()


def fitting(kinds: dict[str, type]) -> Callable[[Type], Fits]:
    """Give what makes a quick test of a type; ``kinds`` are the Python types of primitive ones."""

    @lru_cache(maxsize=4096)
    def fits(expected: Type) -> Fits:
        if expected is ANY:
            return lambda _: True
        if isinstance(expected, Primitive):
            kind = kinds.get(expected.name)
            return lambda value: type(value) is kind
        if isinstance(expected, Vector):
            return _vector(kinds, expected, fits(expected.element))
        if isinstance(expected, Record):
            return _record(kinds, expected, fits)
        return lambda _: False

    return fits


def _vector(kinds: dict[str, type], expected: Vector, element: Fits) -> Fits:
    kind = kinds.get(expected.element.name) if isinstance(expected.element, Primitive) else None
    if kind is not None:
        only = {kind}
        return lambda value: type(value) is list and {*map(type, value)} <= only
    return lambda value: type(value) is list and all(map(element, value))


def _record(kinds: dict[str, type], expected: Record, fits: Callable[[Type], Fits]) -> Fits:
    if expected.rest is not None and expected.rest is not ANY:
        return lambda _: False
    fields = [
        (Keyword(field.key), field.required, kinds.get(str(field.type)[1:]), fits(field.type))
        for field in expected.fields
    ]

    def all_fields(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for key, required, kind, fits_field in fields:
            item = value.get(key, _ABSENT)
            if type(item) is kind:  # most fields are of a primitive type
                continue
            if required if item is _ABSENT else not fits_field(item):
                return False
        return True

    return all_fields
