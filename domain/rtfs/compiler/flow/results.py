"""What functions of the library give for arguments of known types, where that is more than their signature says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from domain.rtfs.compiler.expressions import LibraryFunction, MakeFunction
from domain.rtfs.compiler.flow.applied import Applied
from domain.rtfs.compiler.flow.building import (
    NO_KEYS,
    at_path,
    merged,
    selected,
    with_all,
    with_items,
    with_key,
    with_path,
    without_key,
)
from domain.rtfs.compiler.flow.reading import UNKNOWN, base, entry, items
from domain.rtfs.types import (
    ANY,
    FLOAT,
    INT,
    KEYWORD,
    NEVER,
    NIL,
    Array,
    Function,
    MapOf,
    Record,
    Tuple,
    Type,
    Union,
    Vector,
    union,
)
from domain.rtfs.types.narrowing import bounded, join, truthy, without
from domain.rtfs.types.relation import fits

Rule = Callable[[Applied], Type | None]
"""Gives the type of the result; ``None``: as the signature says."""


def _numbers(call: Applied) -> Type | None:
    kinds = [base(each) for each in call.types]
    if all(each is INT for each in kinds):
        return INT
    return FLOAT if FLOAT in kinds and all(fits(each, _NUMBER) for each in kinds) else None


_NUMBER: Final = union(INT, FLOAT)


def _extreme(call: Applied) -> Type | None:
    kinds = [base(each) for each in call.types]
    return join(*kinds) if all(fits(each, _NUMBER) for each in kinds) else None


def _divided(call: Applied) -> Type | None:
    kinds = [base(each) for each in call.types]
    return FLOAT if FLOAT in kinds and all(fits(each, _NUMBER) for each in kinds) else None


def _same_items(call: Applied) -> Type:
    return Vector(call.items(-1))


def _vec(call: Applied) -> Type:
    given = call.types[0]
    return given if isinstance(given, Vector | Tuple) else Vector(call.items(0))


def _place(place: int) -> Rule:
    def rule(call: Applied) -> Type:
        given = call.types[0]
        if isinstance(given, Tuple):
            elements = given.elements
            return elements[place] if -len(elements) <= place < len(elements) else NIL
        return join(call.items(0), NIL)

    return rule


def _nth(call: Applied) -> Type:
    given, key = call.types[0], call.constant(1)
    if isinstance(given, Tuple) and type(key) is int and 0 <= key < len(given.elements):
        return given.elements[key]
    return join(call.items(0), *call.types[2:])


def _get(call: Applied) -> Type:
    found = entry(call.types[0], call.constant(1))
    return found if len(call.types) == 2 else join(without(found, NIL) if found is not ANY else ANY, call.types[2])


def _path(call: Applied) -> Sequence[Any] | None:
    path = call.constant(1)
    return path if type(path) is list and path else None


def _get_in(call: Applied) -> Type:
    path = _path(call)
    if path is None:
        return ANY
    if len(call.types) == 3:
        return join(at_path(call.types[0], path), call.types[2])
    found = call.types[0]
    for key in path:
        found = call.flow.read_key(found, key, call.given[1].span)
    return found


def _assoc(call: Applied) -> Type:
    given = call.types[0]
    for place in range(1, len(call.types) - 1, 2):
        given = with_key(given, call.constant(place), call.types[place], call.types[place + 1])
    return given


def _assoc_in(call: Applied) -> Type:
    path = _path(call)
    return ANY if path is None else with_path(call.types[0], path, call.types[2])


def _dissoc(call: Applied) -> Type:
    given = call.types[0]
    for place in range(1, len(call.types)):
        given = without_key(given, call.constant(place))
    return given


def _merge(call: Applied) -> Type:
    given: Type = NO_KEYS
    for each in call.types:
        given = merged(given, each)
    return given


def _select_keys(call: Applied) -> Type:
    keys = call.constant(1)
    return selected(call.types[0], keys if type(keys) is list else [UNKNOWN])


def _hash_map(call: Applied) -> Type:
    given: Type = NO_KEYS
    for place in range(0, len(call.types) - 1, 2):
        given = with_key(given, call.constant(place), call.types[place], call.types[place + 1])
    return given


def _update(call: Applied) -> Type:
    key = call.constant(1)
    made = call.call(2, entry(call.types[0], key), *call.types[3:])
    return with_key(call.types[0], key, call.types[1], made)


def _update_in(call: Applied) -> Type:
    path = _path(call)
    made = call.call(2, ANY if path is None else at_path(call.types[0], path), *call.types[3:])
    return ANY if path is None else with_path(call.types[0], path, made)


def _keys(call: Applied) -> Type:
    given = base(call.types[0])
    if isinstance(given, MapOf):
        return Vector(given.key)
    return Vector(KEYWORD if isinstance(given, Record) and given.rest is NEVER else ANY)


def _values(call: Applied) -> Type:
    pair = call.items(0)
    return Vector(pair.elements[1] if isinstance(pair, Tuple) else ANY)


def _conj(call: Applied) -> Type:
    return with_items(call.types[0], call.types[1:])


def _concat(call: Applied) -> Type:
    return Vector(join(*map(items, call.types)))


def _flatten(call: Applied) -> Type:
    return Vector(_leaves(call.items(0)))


def _leaves(given: Type) -> Type:
    if isinstance(given, Union):
        return join(*map(_leaves, given.members))
    return _leaves(items(given)) if isinstance(given, Vector | Tuple | Array) else given


def _map(call: Applied) -> Type:
    return Vector(call.call(0, *map(items, call.types[1:])))


def _map_indexed(call: Applied) -> Type:
    return Vector(call.call(0, INT, call.items(1)))


def _mapcat(call: Applied) -> Type:
    return Vector(items(call.call(0, *map(items, call.types[1:]))))


def _keep(call: Applied) -> Type:
    return Vector(without(call.call(0, call.items(1)), NIL))


def _filter(call: Applied) -> Type:
    return Vector(call.kept(truth=True))


def _remove(call: Applied) -> Type:
    return Vector(call.kept(truth=False))


def _asked(call: Applied) -> Type:
    call.call(0, call.items(1))
    return call.entry.type.result


def _some(call: Applied) -> Type:
    return join(truthy(call.call(0, call.items(1))), NIL)


def _part_by(call: Applied) -> Type:
    call.call(0, call.items(1))
    return Vector(call.items(1))


def _sort(call: Applied) -> Type:
    item = call.items(-1)
    if len(call.types) == 2:
        call.call(0, item, item)
    return Vector(item)


def _sort_by(call: Applied) -> Type:
    key = call.call(0, call.items(-1))
    if len(call.types) == 3:
        call.call(1, key, key)
    return Vector(call.items(-1))


def _group_by(call: Applied) -> Type:
    item = call.items(1)
    return MapOf(call.call(0, item), Vector(item))


def _partition_by(call: Applied) -> Type:
    return Vector(_part_by(call))


def _frequencies(call: Applied) -> Type:
    return MapOf(call.items(0), INT)


def _reduce(call: Applied) -> Type:
    if len(call.types) == 3:
        return call.folded(call.types[1])
    given, found = call.types[1], call.folded(call.items(1))
    return found if isinstance(given, Tuple) and given.elements else join(found, NIL)


def _apply(call: Applied) -> Type | None:
    last, function = call.types[-1], call.function(0)
    if isinstance(last, Tuple):
        return call.call(0, *call.types[1:-1], *last.elements)
    if isinstance(function, LibraryFunction) and function.entry.name in _GATHERING:
        fixed = call.types[1:-1]
        several = call.call(0, *fixed, items(last), items(last))
        return join(several, call.call(0, *fixed)) if function.entry.accepts(len(fixed)) else several
    made = call.flow.infer(function) if isinstance(function, MakeFunction) else call.types[0]
    return made.result if isinstance(made, Function) else None


_GATHERING: Final = frozenset({"+", "*", "min", "max", "merge", "concat", "str"})
"""Functions whose result has the same type for any number of arguments above none."""


def _interleave(call: Applied) -> Type:
    return Vector(join(*map(items, call.types)))


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("+", "-", "*", "inc", "dec", "abs"), _numbers),
    **dict.fromkeys(("min", "max"), _extreme),
    "/": _divided,
    "identity": lambda call: call.types[0],
    "not-empty": lambda call: join(call.types[0], NIL),
    "get": _get,
    "get-in": _get_in,
    "nth": _nth,
    "first": _place(0),
    "second": _place(1),
    "last": _place(-1),
    **dict.fromkeys(("rest", "butlast", "take", "drop", "take-last", "reverse", "distinct"), _same_items),
    "subvec": lambda call: Vector(call.items(0)),
    "vec": _vec,
    "vector": lambda call: bounded(Tuple(tuple(call.types))),
    "list": lambda call: bounded(Tuple(tuple(call.types))),
    "cons": lambda call: Vector(join(call.types[0], call.items(1))),
    "conj": _conj,
    "into": lambda call: with_all(call.types[0], call.types[1]),
    "concat": _concat,
    "interleave": _interleave,
    "interpose": lambda call: Vector(join(call.types[0], call.items(1))),
    "repeat": lambda call: Vector(call.types[1]),
    "flatten": _flatten,
    **dict.fromkeys(("partition", "partition-all"), lambda call: Vector(Vector(call.items(-1)))),
    "assoc": _assoc,
    "assoc-in": _assoc_in,
    "dissoc": _dissoc,
    "merge": _merge,
    "select-keys": _select_keys,
    "zipmap": lambda call: MapOf(call.items(0), call.items(1)),
    "hash-map": _hash_map,
    "keys": _keys,
    "vals": _values,
    "update": _update,
    "update-in": _update_in,
    **dict.fromkeys(("map", "mapv"), _map),
    "map-indexed": _map_indexed,
    "mapcat": _mapcat,
    "keep": _keep,
    **dict.fromkeys(("filter", "filterv"), _filter),
    "remove": _remove,
    **dict.fromkeys(("every?", "not-any?", "for-each"), _asked),
    "some": _some,
    **dict.fromkeys(("take-while", "drop-while"), _part_by),
    "sort": _sort,
    "sort-by": _sort_by,
    "group-by": _group_by,
    "partition-by": _partition_by,
    "frequencies": _frequencies,
    "reduce": _reduce,
    "apply": _apply,
}
"""By the name in the library's table."""

_HIGHER: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("map", "mapv", "map-indexed", "mapcat", "keep", "filter", "filterv", "remove"), (0,)),
    **dict.fromkeys(("every?", "not-any?", "for-each", "some", "take-while", "drop-while"), (0,)),
    **dict.fromkeys(("group-by", "partition-by", "reduce", "apply", "sort"), (0,)),
    "sort-by": (0, 1),
    "update": (2,),
    "update-in": (2,),
}
"""Where functions stand among the arguments of those that apply them."""


def function_places(name: str, count: int) -> tuple[int, ...]:
    """Give which arguments of a call of a library function are functions that it applies."""
    places = _HIGHER.get(name, ())
    # Of those that sort, the collection comes last, whether or not a comparison stands before it.
    return places if name not in ("sort", "sort-by") or len(places) < count else places[: count - 1]
