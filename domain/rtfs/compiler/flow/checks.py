"""What certainly cannot work, in the words of its message."""

from __future__ import annotations

from collections.abc import Sequence as Several
from functools import lru_cache
from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.expressions import (
    Bind,
    Cast,
    Choose,
    Constant,
    Expression,
    MakeMap,
    MakeVector,
    Read,
    Sequence,
    Step,
)
from domain.rtfs.compiler.flow.reading import COLLECTION, undeclared
from domain.rtfs.compiler.flow.results import function_places
from domain.rtfs.compiler.scope import Definition, Variable
from domain.rtfs.functions import FUNCTIONS, Entry
from domain.rtfs.printer import print_value
from domain.rtfs.source import Related
from domain.rtfs.spelling import nearest
from domain.rtfs.types import (
    ANY,
    FLOAT,
    INT,
    KEYWORD,
    STRING,
    TIMESTAMP,
    Array,
    MapOf,
    Record,
    Tuple,
    Type,
    Vector,
    explained,
    union,
    widen,
)
from domain.rtfs.types.model import SOME_FUNCTION
from domain.rtfs.types.outline import outline
from domain.rtfs.types.relation import conflict, differ

CALLABLE: Final = union(SOME_FUNCTION, KEYWORD, MapOf(ANY, ANY))
_COMPARABLE: Final = (union(INT, FLOAT), STRING, TIMESTAMP)
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">="})

_COLLECTIONS: Final[dict[str, int]] = {
    **dict.fromkeys(("get", "get-in", "count", "empty?", "first", "second", "last", "rest", "butlast", "reverse"), 0),
    **dict.fromkeys(("distinct", "vec", "frequencies", "not-empty"), 0),
    **dict.fromkeys(("map", "mapv", "map-indexed", "mapcat", "keep", "filter", "filterv", "remove", "every?"), 1),
    **dict.fromkeys(("not-any?", "some", "for-each", "take-while", "drop-while", "group-by", "partition-by"), 1),
    **dict.fromkeys(("take", "drop", "take-last", "cons"), 1),
    **dict.fromkeys(("reduce", "sort", "sort-by", "partition", "partition-all"), -1),
}
"""Where functions of the library take what has items."""


_WITH_ITEMS: Final = frozenset({Vector, Tuple, Record, MapOf, Array})


_IN_WORDS: Final = {
    CALLABLE.text: "a function, a keyword or a map",
    COLLECTION.text: "a vector, a map, a string or nil",
    _COMPARABLE[0].text: "a number",
}
"""What a message calls these types."""


@lru_cache(maxsize=1024)
def _expected(name: str, count: int) -> tuple[tuple[int, Type], ...]:
    """Give the places of a call's arguments that ask for a type, and the type."""
    entry = FUNCTIONS[name]
    expected = {place: entry.parameter(place) for place in range(count)}
    if name in _COLLECTIONS:
        place = _COLLECTIONS[name] % count
        expected[place] = COLLECTION if expected[place] is ANY else expected[place]
    for place in function_places(name, count):
        expected[place] = CALLABLE if expected[place] is ANY else expected[place]
    return tuple((place, each) for place, each in expected.items() if each is not ANY)


def argument_problem(entry: Entry, types: Several[Type]) -> tuple[int, str] | None:
    """Find the first argument that a function of the library cannot take: its place and what is wrong with it."""
    for place, expected in _expected(entry.name, len(types)):
        found = types[place]
        if found is expected or (expected is COLLECTION and type(found) in _WITH_ITEMS):
            continue
        difference = differ(found, expected)
        if difference is not None:
            words = _IN_WORDS.get(expected.text)
            return place, str(difference) if words is None else f"expected {words}, found {outline(found)}"
    if entry.name in _COMPARISONS:
        for place in range(1, len(types)):
            left, right = types[place - 1], types[place]
            if all(differ(left, kind) is not None or differ(right, kind) is not None for kind in _COMPARABLE):
                return place, f"{outline(left)} and {outline(right)} cannot be compared"
    return None


def unfit(expression: Expression, found: Type, expected: Type) -> str | None:
    """Say why an expression cannot be of a type; what is written out is checked as the value that it is."""
    if isinstance(expression, Constant) and not isinstance(expression.value, dict | list):
        return explained(widen(expression.value, expected), expected)
    problem = conflict(found, expected)
    value = result_of(expression)
    if problem is None and isinstance(value, Constant):
        return explained(widen(value.value, expected), expected)
    if problem is None and isinstance(value, MakeMap | MakeVector):
        return _part_unfit(value, expected)
    return problem


def result_of(expression: Expression) -> Expression:
    """Give the last part of an expression, whose value is that of the whole."""
    while True:
        if isinstance(expression, Choose) and len(expression.clauses) == 1 and expression.otherwise is None:
            expression = expression.clauses[0].body
        elif isinstance(expression, Sequence):
            expression = expression.items[-1]
        elif isinstance(expression, Step):
            expression = expression.body
        else:
            return expression


def _part_unfit(expression: MakeMap | MakeVector, expected: Type) -> str | None:
    """Check the values that are written out within a map or vector whose other parts are worked out."""
    if isinstance(expression, MakeMap) and isinstance(expected, Record):
        types = {field.key: field.type for field in expected.fields}
        for key, value in expression.pairs:
            name = key.value.name if isinstance(key, Constant) and isinstance(key.value, Keyword) else ""
            problem = unfit(value, ANY, types.get(name, ANY))
            if problem is not None:
                return _deeper(f":{name}", problem)
    if isinstance(expression, MakeVector) and isinstance(expected, Vector | Tuple):
        for place, item in enumerate(expression.items):
            element = expected.element if isinstance(expected, Vector) else expected.elements[place]
            problem = unfit(item, ANY, element)
            if problem is not None:
                return _deeper(f"[{place}]", problem)
    return None


def _deeper(step: str, problem: str) -> str:
    if not problem.startswith("at "):
        return f"at {step}: {problem}"
    inner = problem.removeprefix("at ")
    return f"at {step}{inner}" if inner.startswith("[") else f"at {step} {inner}"


def misspelt(collection: Type, key: Any) -> tuple[str, str] | None:
    """Say that a map is not known to have a key, and what was probably meant."""
    place = undeclared(collection, key)
    if place is None:
        return None
    shown = print_value(key)
    if not isinstance(place, Record):
        message = f"the map has keys of {outline(place.key)}, so that there is nothing under {shown}"
        if isinstance(key, Keyword) and differ(STRING, place.key) is None:
            return message, f"write (get map {print_value(key.name)})"
        if isinstance(key, str) and differ(KEYWORD, place.key) is None:
            return message, f"write (get map :{key})"
        return message, f"(keys map) gives the keys, each {outline(place.key)}"
    names = [field.key for field in place.fields]
    near = nearest(key.name, names)
    known = " ".join(f":{name}" for name in names[:_SHOWN]) or "no keys"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    default = f"if it may be there all the same, give a default: ({shown} map nil)"
    message = f"the map is not known to have {shown}; its type has {known}{more}"
    return message, f"did you mean :{near}? {default}" if near else default


_SHOWN: Final = 20
"""Keys of a type that a message shows."""


def declared(definition: Definition, parameter: Variable) -> Related | None:
    """Show where the type of a parameter is declared."""
    body = definition.body
    for step in body.clauses[0].steps if isinstance(body, Choose) else ():
        if isinstance(step, Bind) and isinstance(step.value, Cast):
            value = step.value.value
            if isinstance(value, Read) and value.variable is parameter:
                return Related(value.span, f"`{parameter.name}` is declared as {outline(parameter.type)} here")
    return None
