"""Does a value belong to a type? And if not: where, what was expected, what is there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import Keyword, Value, key_order
from domain.rtfs.equality import equal
from domain.rtfs.printer import print_scalar, print_value
from domain.rtfs.types.fitting import fitting
from domain.rtfs.types.model import (
    ANY,
    SOME_FUNCTION,
    Array,
    Enum,
    Field,
    Function,
    MapOf,
    Predicate,
    Primitive,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
)
from domain.rtfs.types.outline import outline
from domain.rtfs.types.patterns import compiled_pattern

SHOWN: Final = 60
"""Characters of a value that a message shows."""

_KINDS: Final[dict[str, type]] = {
    "int": int,
    "float": float,
    "string": str,
    "bool": bool,
    "nil": type(None),
    "keyword": Keyword,
    "timestamp": datetime,
    "uuid": UUID,
}

_fits: Final = fitting(_KINDS)

_KEY_IS_STRING: Final = "; there the key is a string"
_MISSING_KEY: Final = re.compile(r"the key :([^\s()]+) \(.* is missing from ")

Finding = tuple[list[str], str]
"""Where a value does not fit, innermost step first, and what is wrong there."""


def mismatch(value: Value, expected: Type) -> str | None:
    """Say where and how a value is not of a type; ``None`` when it is."""
    if type(expected) is not Primitive and _fits(expected)(value):
        return None
    found = _find(value, expected)
    if found is None:
        return None
    path, problem = found
    return f"at {''.join(reversed(path)).lstrip()}: {problem}" if path else problem


def type_name(value: Any) -> str:
    """Name the kind of a value, as ``:int`` or ``a vector``."""
    kind = type(value)
    if kind is list:
        return "a vector"
    if kind is dict:
        return "a map"
    for name, python in _KINDS.items():
        if kind is python:
            return f":{name}"
    return "a function"


def describe(value: Any) -> str:
    """Show a value's kind and its beginning, for messages."""
    shown = print_value(value, SHOWN)
    return shown if value is None else f"{type_name(value)} {shown}"


def _expected(expected: Type, value: Value) -> Finding:
    return [], f"expected {outline(expected)}, found {describe(value)}"


def _find(value: Any, expected: Type) -> Finding | None:
    return _FINDERS[type(expected)](value, expected)


def _find_primitive(value: Any, expected: Primitive) -> Finding | None:
    if expected.name == "any" or type(value) is _KINDS.get(expected.name):
        return None
    return _expected(expected, value)


def _find_vector(value: Any, expected: Vector) -> Finding | None:
    if type(value) is not list:
        return _expected(expected, value)
    element = expected.element
    if isinstance(element, Primitive) and element.name in _KINDS:
        kind = _KINDS[element.name]
        if all(type(item) is kind for item in value):
            return None
    return _find_items(value, element)


def _find_items(value: list[Any], element: Type) -> Finding | None:
    for index, item in enumerate(value):
        found = _find(item, element)
        if found is not None:
            found[0].append(f"[{index}]")
            return found
    return None


def _find_tuple(value: Any, expected: Tuple) -> Finding | None:
    if type(value) is not list or len(value) != len(expected.elements):
        return _expected(expected, value)
    for index, (item, element) in enumerate(zip(value, expected.elements, strict=True)):
        found = _find(item, element)
        if found is not None:
            found[0].append(f"[{index}]")
            return found
    return None


def _find_record(value: Any, expected: Record) -> Finding | None:
    if type(value) is not dict:
        return _expected(expected, value)
    for field in expected.fields:
        key = Keyword(field.key)
        if key not in value:
            if field.required:
                return [], _missing(field, value)
            continue
        found = _find(value[key], field.type)
        if found is not None:
            found[0].append(f" :{field.key}")
            return found
    if expected.rest is not None and expected.rest is not ANY:
        known = {Keyword(field.key) for field in expected.fields}
        for key in sorted(value, key=key_order):
            found = None if key in known else _find(value[key], expected.rest)
            if found is not None:
                found[0].append(f" {print_scalar(key)}")
                return found
    return None


def reading(key: str) -> str:
    """Say how what is under a string in a map is read, and made into a map with keywords."""
    return f'(get map "{key}") reads one, {{:{key} (get map "{key}")}} makes a map with keywords'


def _missing(field: Field, value: dict[Any, Any]) -> str:
    problem = f"the key :{field.key} ({outline(field.type)}) is missing from {_keys(value)}"
    if field.key not in value:
        return problem
    return problem + _KEY_IS_STRING


def advice(problem: str) -> str | None:
    """Say what helps where ``mismatch`` found this, beyond what its text tells."""
    found = _MISSING_KEY.search(problem) if problem.endswith(_KEY_IS_STRING) else None
    return None if found is None else f"the keys of JSON are strings: {reading(found[1])}"


def explained(value: Value, expected: Type) -> str | None:
    """Say what keeps a value from having a type, and what helps; for messages that no program can see."""
    problem = mismatch(value, expected)
    helps = None if problem is None else advice(problem)
    return problem if helps is None else f"{problem}; {helps}"


def _keys(value: dict[Any, Any]) -> str:
    if not value:
        return "{}"
    return f"the map with keys {print_value(sorted(value, key=key_order), SHOWN)}"


def _find_map_of(value: Any, expected: MapOf) -> Finding | None:
    if type(value) is not dict:
        return _expected(expected, value)
    # In canonical order, so that equal maps have equal findings.
    for key in sorted(value, key=key_order):
        found = _find(key, expected.key)
        if found is not None:
            return [*found[0], f" key {print_scalar(key)}"], found[1]
        found = _find(value[key], expected.value)
        if found is not None:
            found[0].append(f" {print_scalar(key)}")
            return found
    return None


def _find_union(value: Any, expected: Union) -> Finding | None:
    closest: Finding | None = None
    for member in expected.members:
        found = _find(value, member)
        if found is None:
            return None
        if found[0] or not found[1].startswith("expected"):
            closest = found
    # A member that fits outside but not within says more than the whole union does.
    return closest or _expected(expected, value)


def _find_enum(value: Any, expected: Enum) -> Finding | None:
    return None if value in expected else _expected(expected, value)


def _find_val(value: Any, expected: Val) -> Finding | None:
    return None if equal(value, expected.value) else _expected(expected, value)


def _find_function(value: Any, expected: Function) -> Finding | None:
    """A function is asked only for how many arguments it takes: what becomes of them shows when it is called."""
    if type_name(value) != "a function":
        return _expected(expected, value)
    takes: tuple[int, int | None] | None = getattr(value, "takes", None)
    if takes is None or expected == SOME_FUNCTION:
        return None
    least, most = takes
    count = len(expected.parameters)
    if least <= count and (most is None or (expected.rest is None and count <= most)):
        return None
    number = f"at least {least}" if most is None else str(least) if most == least else f"{least} to {most}"
    arguments = "argument" if most == least == 1 else "arguments"
    return [], f"expected {outline(expected)}, found a function that takes {number} {arguments}"


def _find_array(value: Any, expected: Array) -> Finding | None:
    size = expected.shape[0]
    if type(value) is not list or (size is not None and len(value) != size):
        return _expected(expected, value)
    return _find_items(value, expected.inner())


def _find_refined(value: Any, expected: Refined) -> Finding | None:
    found = _find(value, expected.base)
    if found is not None:
        return found
    for predicate in expected.predicates:
        if not holds(predicate, value):
            return _expected(expected, value)
    return None


_FINDERS: Final[dict[type, Callable[[Any, Any], Finding | None]]] = {
    Primitive: _find_primitive,
    Vector: _find_vector,
    Tuple: _find_tuple,
    Record: _find_record,
    MapOf: _find_map_of,
    Union: _find_union,
    Enum: _find_enum,
    Val: _find_val,
    Function: _find_function,
    Array: _find_array,
    Refined: _find_refined,
}


def holds(predicate: Predicate, value: Any) -> bool:
    """Tell whether a predicate holds; one that does not apply to the kind of the value does not hold."""
    name, arguments = predicate.name, predicate.arguments
    first: Any = arguments[0] if arguments else None
    if name in ("=", "!="):
        return equal(value, first) is (name == "=")
    if name == "matches-regex":
        return type(value) is str and compiled_pattern(first).fullmatch(value) is not None
    if name in ("has-key", "required-keys"):
        keys = first if name == "required-keys" else [first]
        return type(value) is dict and all(type(key) in (str, int, Keyword) and key in value for key in keys)
    if name.endswith(("length", "count")) or name == "non-empty":
        return type(value) in (str, list, dict) and _COUNTS[name](len(value), first)
    return type(value) in (int, float) and not math.isnan(value) and _COMPARISONS[name](value, *arguments)


_COMPARISONS: Final[dict[str, Callable[..., bool]]] = {
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    "in-range": lambda value, low, high: low <= value <= high,
}

_COUNTS: Final[dict[str, Callable[[int, Any], bool]]] = {
    "min-length": lambda size, bound: size >= bound,
    "max-length": lambda size, bound: size <= bound,
    "length": lambda size, bound: size == bound,
    "min-count": lambda size, bound: size >= bound,
    "max-count": lambda size, bound: size <= bound,
    "count": lambda size, bound: size == bound,
    "non-empty": lambda size, _: size > 0,
}
