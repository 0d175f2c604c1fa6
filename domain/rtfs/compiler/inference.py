"""What analysis knows of the type of an expression; ``:any`` where nothing is.

It decides which checks patterns leave out, and so what is in the bytecode: a program's digest hangs on it. What else
is known of types is found by `flow`, which may grow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from domain.kernel.values import Keyword, Value
from domain.rtfs.compiler.expressions import Constant, Expression
from domain.rtfs.functions import Entry
from domain.rtfs.types import (
    ANY,
    FLOAT,
    INT,
    NEVER,
    NIL,
    STRING,
    Field,
    Function,
    MapOf,
    Record,
    Tuple,
    Type,
    Vector,
    infer,
    union,
)
from domain.rtfs.types.sizes import is_bounded


def literal_type(value: Value) -> Type:
    """Give the type of a literal that is no collection."""
    return infer(value)


def vector_type(items: Sequence[Expression]) -> Type:
    """Give the type of a vector whose items are written out."""
    if not items:
        return Vector(NEVER)
    made = Tuple(tuple([item.type for item in items]))
    return made if is_bounded(made) else Vector(ANY)


def map_type(pairs: Sequence[tuple[Expression, Expression]]) -> Type:
    """Give the type of a map whose keys are written out; with keywords only, a record without further keys."""
    fields: dict[str, Field] = {}
    for key, value in pairs:
        if not (isinstance(key, Constant) and isinstance(key.value, Keyword)):
            return MapOf(union(*(key.type for key, _ in pairs)), union(*(value.type for _, value in pairs)))
        fields[key.value.name] = Field(key.value.name, value.type)
    made = Record(tuple([fields[name] for name in sorted(fields)]), NEVER)
    return made if is_bounded(made) else Record(tuple([Field(name, ANY) for name in sorted(fields)]), NEVER)


def element_type(collection: Type) -> Type:
    """Give the type of what a vector holds."""
    if isinstance(collection, Vector):
        return collection.element
    if isinstance(collection, Tuple):
        return union(*collection.elements)
    return ANY


def field_type(collection: Type, key: Expression) -> Type:
    """Give the type of what is under a key; the default is not counted."""
    if isinstance(collection, Record) and isinstance(key, Constant) and isinstance(key.value, Keyword):
        for field in collection.fields:
            if field.key == key.value.name:
                return field.type if field.required else union(field.type, NIL)
        return NIL if collection.rest == NEVER else ANY
    if isinstance(collection, MapOf):
        return union(collection.value, NIL)
    if isinstance(collection, Vector):
        return union(collection.element, NIL)
    if isinstance(collection, Tuple) and isinstance(key, Constant) and type(key.value) is int:
        return collection.elements[key.value] if 0 <= key.value < len(collection.elements) else NIL
    return ANY


def _number(arguments: Sequence[Expression]) -> Type | None:
    types = [argument.type for argument in arguments]
    if all(each == INT for each in types):
        return INT
    return FLOAT if all(each in (INT, FLOAT) for each in types) else None


def _get(arguments: Sequence[Expression]) -> Type:
    found = field_type(arguments[0].type, arguments[1])
    return union(found, arguments[2].type) if len(arguments) == 3 else found


def _item(arguments: Sequence[Expression]) -> Type:
    return union(element_type(arguments[0].type), NIL)


def _same_items(arguments: Sequence[Expression]) -> Type:
    return Vector(element_type(arguments[-1].type))


def _results(arguments: Sequence[Expression]) -> Type:
    function = arguments[0].type
    return Vector(function.result if isinstance(function, Function) else ANY)


def _groups(arguments: Sequence[Expression]) -> Type:
    function = arguments[0].type
    key = function.result if isinstance(function, Function) else ANY
    return MapOf(key, Vector(element_type(arguments[1].type)))


def _counts(arguments: Sequence[Expression]) -> Type:
    element = STRING if arguments[0].type == STRING else element_type(arguments[0].type)
    return MapOf(element, INT)


def _values(arguments: Sequence[Expression]) -> Type:
    collection = arguments[0].type
    return Vector(collection.value if isinstance(collection, MapOf) else ANY)


_REFINED: Final[dict[str, Callable[[Sequence[Expression]], Type | None]]] = {
    **dict.fromkeys(("+", "-", "*", "inc", "dec", "min", "max", "abs"), _number),
    **dict.fromkeys(("first", "second", "last"), _item),
    **dict.fromkeys(
        ("rest", "butlast", "take", "drop", "take-last", "reverse", "distinct", "filter", "filterv"), _same_items
    ),
    **dict.fromkeys(("remove", "sort", "sort-by", "take-while", "drop-while"), _same_items),
    **dict.fromkeys(("map", "mapv"), _results),
    "get": _get,
    "group-by": _groups,
    "frequencies": _counts,
    "vals": _values,
}
"""Functions whose result is known better from their arguments than from their signature."""


def result_type(entry: Entry, arguments: Sequence[Expression]) -> Type:
    """Give the type of what a function of the library gives for these arguments."""
    refine = _REFINED.get(entry.name)
    refined = refine(arguments) if refine is not None else None
    return entry.type.result if refined is None else refined
