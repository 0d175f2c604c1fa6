"""Gradual checking: can a value of one type be of another? Only certain conflicts are reported."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.types.checking import mismatch
from domain.rtfs.types.model import (
    ANY,
    FLOAT,
    INT,
    KEYWORD,
    NEVER,
    Enum,
    Function,
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


def conflict(found: Type, expected: Type) -> str | None:
    """Say why no value of one type (an empty vector or map aside) can be of another; ``None`` when one may be.

    Integers go where floats are expected: they are widened. A record whose rest is ``:never`` has no further keys.
    """
    if found in (ANY, NEVER) or expected in (ANY, found):
        return None
    if isinstance(found, Union):
        problems = [conflict(member, expected) for member in found.members]
        return _outer(found, expected) if all(problems) else None
    if isinstance(found, Refined):
        return conflict(found.base, expected)
    if isinstance(expected, Refined):
        return conflict(found, expected.base)
    if isinstance(expected, Union):
        problems = [conflict(found, member) for member in expected.members]
        return _outer(found, expected) if all(problems) else None
    if isinstance(found, Val):
        return mismatch(found.value, expected)
    if isinstance(found, Enum):
        problems = [mismatch(value, expected) for value in found.values]
        return problems[0] if all(problems) else None
    if isinstance(expected, Val | Enum):
        values = (expected.value,) if isinstance(expected, Val) else expected.values
        return _outer(found, expected) if all(mismatch(value, found) for value in values) else None
    return _structure(found, expected)


def _outer(found: Type, expected: Type) -> str:
    return f"expected {print_type(expected)}, found {print_type(_shown(found))}"


def _shown(found: Type) -> Type:
    """Hide that a literal map is closed: the reader of a message has not written that."""
    return Record(found.fields) if isinstance(found, Record) and found.rest == NEVER else found


def _structure(found: Type, expected: Type) -> str | None:
    if isinstance(found, Primitive) and isinstance(expected, Primitive):
        return None if found == INT and expected == FLOAT else _outer(found, expected)
    if isinstance(found, Vector | Tuple) and isinstance(expected, Vector | Tuple):
        return _vectors(found, expected)
    if isinstance(found, Record | MapOf) and isinstance(expected, Record | MapOf):
        return _maps(found, expected)
    if isinstance(found, Function) and isinstance(expected, Function):
        return None
    return _outer(found, expected)


def _vectors(found: Vector | Tuple, expected: Vector | Tuple) -> str | None:
    if isinstance(found, Vector):
        elements = (expected.element,) if isinstance(expected, Vector) else expected.elements
        return next((_within("[0]", found.element, element) for element in elements), None)
    if isinstance(expected, Vector):
        pairs = [(element, expected.element) for element in found.elements]
    elif len(found.elements) != len(expected.elements):
        return _outer(found, expected)
    else:
        pairs = list(zip(found.elements, expected.elements, strict=True))
    problems = (_within(f"[{place}]", *pair) for place, pair in enumerate(pairs))
    return next((problem for problem in problems if problem), None)


def _maps(found: Record | MapOf, expected: Record | MapOf) -> str | None:
    if isinstance(found, MapOf):
        if isinstance(expected, MapOf):
            return _within("a key", found.key, expected.key) or _within("a value", found.value, expected.value)
        required = any(field.required for field in expected.fields)
        return _outer(found, expected) if required and conflict(found.key, KEYWORD) else None
    if isinstance(expected, MapOf):
        for field in found.fields:
            problem = mismatch(Keyword(field.key), expected.key) if expected.key != ANY else None
            problem = (
                f"key :{field.key}: {problem}" if problem else _within(f":{field.key}", field.type, expected.value)
            )
            if problem:
                return problem
        return None
    held = {field.key: field for field in found.fields}
    for field in expected.fields:
        if field.key in held:
            problem = _within(f":{field.key}", held[field.key].type, field.type)
            if problem and (field.required or held[field.key].required):
                return problem
        elif field.required and found.rest == NEVER:
            keys = " ".join(f":{key}" for key in held) or "no keys"
            return f"the key :{field.key} ({print_type(field.type)}) is missing; there are {keys}"
    return None


def _within(place: str, found: Type, expected: Type) -> str | None:
    problem = conflict(found, expected)
    if problem is None:
        return None
    if not problem.startswith("at "):
        return f"at {place}: {problem}"
    inner = problem.removeprefix("at ")
    return f"at {place}{inner}" if inner.startswith("[") else f"at {place} {inner}"
