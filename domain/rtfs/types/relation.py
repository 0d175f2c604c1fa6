"""Gradual checking: can a value of one type be of another, and must it be? Only certain conflicts are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NamedTuple

from domain.kernel.values import Keyword, Value
from domain.rtfs.printer import print_value
from domain.rtfs.types.checking import explained, mismatch, reading
from domain.rtfs.types.conversion import widen
from domain.rtfs.types.model import (
    ANY,
    FLOAT,
    INT,
    KEYWORD,
    NEVER,
    SOME_FUNCTION,
    STRING,
    Array,
    Enum,
    Field,
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
from domain.rtfs.types.outline import outline

_KEYS_SHOWN: Final = 8

_SHAPES: Final[dict[type, str]] = {
    **dict.fromkeys((Vector, Tuple, Array), "vector"),
    **dict.fromkeys((Record, MapOf), "map"),
    Function: "function",
}
"""What is compared with what."""


class Difference(NamedTuple):
    """Where two types have no value in common. Its text is made only when someone reads it."""

    path: list[str]
    """Innermost step first."""
    found: Type | None
    expected: Type | None
    note: Callable[[], str] | None

    def __str__(self) -> str:
        """``at :a[0] :b: expected :int, found :string``."""
        if self.note is not None:
            text = self.note()
        else:
            assert self.found is not None and self.expected is not None  # noqa: PT018  # both or neither
            text = f"expected {outline(self.expected)}, found {outline(self.found)}"
        return f"at {''.join(reversed(self.path)).lstrip()}: {text}" if self.path else text


def conflict(found: Type, expected: Type) -> str | None:
    """Say why no value of one type (an empty vector or map aside) can be of another; ``None`` when one may be.

    Integers go where floats are expected: they are widened. A record whose rest is ``:never`` has no further keys.
    Takes time in the product of the sizes of both types.
    """
    difference = differ(found, expected)
    return None if difference is None else str(difference)


def differ(found: Type, expected: Type) -> Difference | None:
    """Find where no value of one type can be of another: what ``conflict`` says, before it is put in words."""
    if found is expected or expected is ANY or found is ANY or found is NEVER:
        return None
    kind, wanted = type(found), type(expected)
    if kind is Primitive and wanted is Primitive:
        return None if found is INT and expected is FLOAT else _outer(found, expected)
    compare = _STRUCTURES.get((_SHAPES.get(kind), _SHAPES.get(wanted)))
    if compare is not None:
        return compare(found, expected)
    if isinstance(expected, Union) and found in expected.members:
        return None
    if isinstance(found, Union):
        return _all_members([(member, expected) for member in found.members], found, expected)
    if isinstance(found, Refined):
        return differ(found.base, expected)
    if isinstance(expected, Refined) and not isinstance(found, Val | Enum):
        return differ(found, expected.base)
    if isinstance(expected, Union):
        return _all_members([(found, member) for member in expected.members], found, expected)
    if isinstance(found, Val | Enum):
        return _values(found, expected)
    if isinstance(expected, Val | Enum):
        values = (expected.value,) if isinstance(expected, Val) else expected.values
        return _outer(found, expected) if all(mismatch(widen(each, found), found) for each in values) else None
    return _outer(found, expected)


def _wrong_value(value: Value, expected: Type) -> str:
    return explained(value, expected) or ""


def _wrong_key(key: Keyword, expected: Type) -> str:
    return f"key {print_value(key)}: {mismatch(key, expected)}"


def _other_keys(found: MapOf, expected: Type, key: str) -> str:
    """Keys are not keywords: where they may be strings, as those of JSON are, say how to read them."""
    problem = f"expected {outline(expected)}, found {outline(found)}"
    return problem if differ(STRING, found.key) is not None else f"{problem}; its keys are strings: {reading(key)}"


def _wrong_argument(place: int, takes: Type, gets: Type) -> str:
    return f"argument {place}: it takes {outline(takes)} and is given {outline(gets)}"


def _outer(found: Type, expected: Type) -> Difference:
    return Difference([], found, expected, None)


def _all_members(pairs: Iterable[tuple[Type, Type]], found: Type, expected: Type) -> Difference | None:
    """Report when every pair differs: by the only one that fits outside but not within, else as a whole."""
    within: list[Difference] = []
    for pair in pairs:
        difference = differ(*pair)
        if difference is None:
            return None
        if difference.path or difference.note:
            within.append(difference)
    return within[0] if len(within) == 1 else _outer(found, expected)


def _values(found: Val | Enum, expected: Type) -> Difference | None:
    """Compare values that are known one by one."""
    values = (found.value,) if isinstance(found, Val) else found.values
    if isinstance(expected, Enum):
        return None if any(each in expected for each in values) else _outer(found, expected)
    for value in values:
        if mismatch(widen(value, expected), expected) is None:
            return None
    return Difference([], None, None, partial(_wrong_value, values[0], expected))


def _within(step: str, found: Type, expected: Type) -> Difference | None:
    difference = differ(found, expected)
    if difference is not None:
        difference.path.append(step)
    return difference


def items_of(given: Type) -> Type | tuple[Type, ...]:
    """Give the type of all items of a vector, or the types of each."""
    if isinstance(given, Tuple):
        return given.elements
    if isinstance(given, Array):
        size = given.shape[0]
        return given.inner() if size is None else (given.inner(),) * min(size, _SIZE)
    assert isinstance(given, Vector)
    return given.element


_SIZE: Final = 1_000
"""Items of an array that are looked at one by one: they are all the same."""


def _vectors(found: Type, expected: Type) -> Difference | None:
    if _length(found) is not None and _length(expected) is not None and _length(found) != _length(expected):
        return _outer(found, expected)
    mine, theirs = items_of(found), items_of(expected)
    if isinstance(mine, tuple):
        pairs = zip(mine, theirs if isinstance(theirs, tuple) else (theirs,) * len(mine), strict=False)
        different = (_within(f"[{place}]", *pair) for place, pair in enumerate(pairs))
    else:
        different = (_within("[0]", mine, each) for each in (theirs if isinstance(theirs, tuple) else (theirs,)))
    return next((each for each in different if each is not None), None)


def _length(given: Type) -> int | None:
    if isinstance(given, Tuple):
        return len(given.elements)
    return given.shape[0] if isinstance(given, Array) else None


def _maps(found: Type, expected: Type) -> Difference | None:
    if isinstance(found, MapOf):
        if isinstance(expected, MapOf):
            return _within(" a key", found.key, expected.key) or _within(" a value", found.value, expected.value)
        assert isinstance(expected, Record)
        required = [field for field in expected.fields if field.required]
        if required and differ(found.key, KEYWORD) is not None:
            return Difference([], None, None, partial(_other_keys, found, expected, required[0].key))
        different = (_within(f" :{field.key}", found.value, field.type) for field in required)
        return next((each for each in different if each is not None), None)
    assert isinstance(found, Record)
    return _record_map_of(found, expected) if isinstance(expected, MapOf) else _records(found, expected)


def _record_map_of(found: Record, expected: MapOf) -> Difference | None:
    for field in found.fields:
        if not field.required:
            continue
        key = Keyword(field.key)
        if mismatch(key, expected.key) is not None:
            return Difference([], None, None, partial(_wrong_key, key, expected.key))
        different = _within(f" :{field.key}", field.type, expected.value)
        if different is not None:
            return different
    return None


def _records(found: Record, expected: Any) -> Difference | None:
    held = {field.key: field for field in found.fields}
    for field in expected.fields:
        mine = held.pop(field.key, None)
        if mine is None:
            if not field.required or found.rest is None:
                continue
            if found.rest is NEVER:
                return Difference([], None, None, partial(_missing, field, found))
            mine = Field(field.key, found.rest)
        if field.required or mine.required:
            different = _within(f" :{field.key}", mine.type, field.type)
            if different is not None:
                return different
    if expected.rest is not None:
        for mine in held.values():
            different = _within(f" :{mine.key}", mine.type, expected.rest) if mine.required else None
            if different is not None:
                return different
    return None


def _missing(field: Field, found: Record) -> str:
    names = [f":{each.key}" for each in found.fields]
    shown = " ".join(names[:_KEYS_SHOWN]) or "no keys"
    more = f" and {len(names) - _KEYS_SHOWN} more" if len(names) > _KEYS_SHOWN else ""
    return f"the key :{field.key} ({outline(field.type)}) is missing; there are {shown}{more}"


def _functions(found: Type, expected: Type) -> Difference | None:
    """Functions conflict when they take other numbers of arguments, or when no argument or result would fit."""
    assert isinstance(found, Function)
    assert isinstance(expected, Function)
    if SOME_FUNCTION in (found, expected):
        return None
    least, given = len(found.parameters), len(expected.parameters)
    if given < least or (found.rest is None and (given > least or expected.rest is not None)):
        return _outer(found, expected)
    for place, (takes, gets) in enumerate(zip(found.parameters, expected.parameters, strict=False), start=1):
        if differ(gets, takes) is not None:
            return Difference([], None, None, partial(_wrong_argument, place, takes, gets))
    return _within(" the result", found.result, expected.result)


_STRUCTURES: Final[dict[tuple[str | None, str | None], Callable[[Type, Type], Difference | None]]] = {
    ("vector", "vector"): _vectors,
    ("map", "map"): _maps,
    ("function", "function"): _functions,
}


def fits(found: Type, expected: Type) -> bool:
    """Tell whether every value of one type is surely of another. Reflexive and transitive; integers are no floats."""
    if found is expected or expected is ANY or found is NEVER:
        return True
    kind, wanted = type(found), type(expected)
    if kind is Primitive and wanted is Primitive:
        return False
    if kind is wanted and found == expected:
        return True
    compare = _FITTINGS.get((_SHAPES.get(kind), _SHAPES.get(wanted)))
    if compare is not None:
        return compare(found, expected)
    if isinstance(found, Union):
        return all(fits(member, expected) for member in found.members)
    if isinstance(found, Val | Enum):
        values = (found.value,) if isinstance(found, Val) else found.values
        return all(mismatch(value, expected) is None for value in values)
    if isinstance(expected, Union) and any(fits(found, member) for member in expected.members):
        return True
    if isinstance(found, Refined):
        if isinstance(expected, Refined):
            return fits(found.base, expected.base) and set(expected.predicates) <= set(found.predicates)
        return fits(found.base, expected)
    return False


def _vectors_fit(found: Type, expected: Type) -> bool:
    if _length(expected) is not None and _length(found) != _length(expected):
        return False
    mine, theirs = items_of(found), items_of(expected)
    if not isinstance(mine, tuple):
        return not isinstance(theirs, tuple) and fits(mine, theirs)
    return all(map(fits, mine, theirs if isinstance(theirs, tuple) else (theirs,) * len(mine)))


def _maps_fit(found: Type, expected: Type) -> bool:
    if isinstance(found, MapOf):
        if isinstance(expected, MapOf):
            return fits(found.key, expected.key) and fits(found.value, expected.value)
        # Of a dictionary no key is sure to be there.
        assert isinstance(expected, Record)
        types = [field.type for field in expected.fields] + ([] if expected.rest is None else [expected.rest])
        return all(not field.required for field in expected.fields) and all(fits(found.value, each) for each in types)
    assert isinstance(found, Record)
    rest = ANY if found.rest is None else found.rest
    if isinstance(expected, MapOf):
        keys = KEYWORD if rest is NEVER else ANY
        names = Enum(tuple(Keyword(field.key) for field in found.fields)) if rest is NEVER else keys
        return (
            fits(names, expected.key)
            and all(fits(each.type, expected.value) for each in found.fields)
            and (fits(rest, expected.value))
        )
    held = {field.key: field for field in found.fields}
    assert isinstance(expected, Record)
    for field in expected.fields:
        mine = held.pop(field.key, Field(field.key, rest, required=False))
        if (field.required and not mine.required) or not fits(mine.type, field.type):
            return False
    return expected.rest is None or all(fits(each, expected.rest) for each in (rest, *[f.type for f in held.values()]))


def _functions_fit(found: Type, expected: Type) -> bool:
    if expected == SOME_FUNCTION:
        return True
    assert isinstance(found, Function)
    assert isinstance(expected, Function)
    return (
        len(found.parameters) == len(expected.parameters)
        and (found.rest is None) == (expected.rest is None)
        and all(map(fits, expected.parameters, found.parameters))
        and (found.rest is None or expected.rest is None or fits(expected.rest, found.rest))
        and fits(found.result, expected.result)
    )


_FITTINGS: Final[dict[tuple[str | None, str | None], Callable[[Type, Type], bool]]] = {
    ("vector", "vector"): _vectors_fit,
    ("map", "map"): _maps_fit,
    ("function", "function"): _functions_fit,
}
