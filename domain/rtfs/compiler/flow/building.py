"""What is made out of values of known types: maps with further keys, joined maps, longer vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.flow.reading import ANY_MAP, UNKNOWN, base, entry, field_of, items
from domain.rtfs.types import ANY, NEVER, NIL, Array, Field, MapOf, Record, Tuple, Type, Union, Vector, type_of
from domain.rtfs.types.narrowing import bounded, join

MAX_FIELDS: Final = 256
"""Keys of a record that was put together; beyond, it is some map."""

NO_KEYS: Final = Record((), NEVER)


def record(fields: dict[str, Field], rest: Type | None) -> Type:
    """Make a record, its fields in order."""
    if len(fields) > MAX_FIELDS:
        return ANY_MAP
    return bounded(Record(tuple(fields[key] for key in sorted(fields)), rest))


def _each(given: Type, build: Callable[[Type], Type]) -> Type:
    given = base(given)
    return join(*map(build, given.members)) if isinstance(given, Union) else build(given)


def with_key(given: Type, key: Any, key_type: Type, value: Type) -> Type:
    """Give the type of a map with one more key, or of a vector with another item."""
    return _each(given, lambda each: _with_key(each, key, key_type, value))


def _with_key(given: Type, key: Any, key_type: Type, value: Type) -> Type:
    match given:
        case Record(fields, rest):
            return _record_with(fields, rest, (key, key_type), value)
        case MapOf(keys, values):
            return bounded(MapOf(join(keys, key_type), join(values, value)))
        case Tuple(elements) if type(key) is int and 0 <= key < len(elements):
            return bounded(Tuple((*elements[:key], value, *elements[key + 1 :])))
        case Vector() | Tuple() | Array():
            return bounded(Vector(join(items(given), value)))
        case _:
            return _record_with((), NEVER, (key, key_type), value) if given is NIL else ANY


def _record_with(fields: tuple[Field, ...], rest: Type | None, key: tuple[Any, Type], value: Type) -> Type:
    known, key_type = key
    if isinstance(known, Keyword):
        return record({**{each.key: each for each in fields}, known.name: Field(known.name, value)}, rest)
    if not fields and rest is NEVER:
        return bounded(MapOf(key_type, value))
    # The key may be any of the fields.
    widened = {each.key: Field(each.key, join(each.type, value), each.required) for each in fields}
    return record(widened, None if rest is None else join(rest, value))


def without_key(given: Type, key: Any) -> Type:
    """Give the type of a map with one key less."""
    return _each(given, lambda each: _without_key(each, key))


def _without_key(given: Type, key: Any) -> Type:
    if not isinstance(given, Record):
        return given
    if isinstance(key, Keyword):
        return Record(tuple(each for each in given.fields if each.key != key.name), given.rest)
    if key is not UNKNOWN:
        return given
    return Record(tuple(Field(each.key, each.type, required=False) for each in given.fields), given.rest)


def merged(first: Type, second: Type) -> Type:
    """Give the type of two maps joined; the second wins."""
    return _each(first, lambda each: _each(second, lambda other: _merged(each, other)))


def _merged(first: Type, second: Type) -> Type:
    if NIL in (first, second):
        return NO_KEYS if first == second else second if first is NIL else first
    if isinstance(first, Record) and isinstance(second, Record):
        rest = None if first.rest is None or second.rest is None else join(first.rest, second.rest)
        fields = {each.key: _overwritten(each, second) for each in first.fields}
        for each in second.fields:
            earlier = fields.get(each.key)
            if each.required:
                fields[each.key] = each
            elif earlier is None:
                before = ANY if first.rest is None else first.rest
                fields[each.key] = Field(each.key, join(each.type, before), required=False)
        return record(fields, rest)
    if isinstance(first, MapOf) and isinstance(second, MapOf):
        return bounded(MapOf(join(first.key, second.key), join(first.value, second.value)))
    if NO_KEYS in (first, second):
        return second if first == NO_KEYS else first
    return ANY if ANY in (first, second) else ANY_MAP


def _overwritten(field: Field, later: Record) -> Field:
    """Give a field after a merge with a map that may have its key too."""
    other = field_of(later, field.key)
    over = other.type if other is not None else ANY if later.rest is None else later.rest
    return Field(field.key, join(field.type, over), field.required)


def selected(given: Type, keys: Sequence[Any]) -> Type:
    """Give the type of the part of a map that has these keys."""
    return _each(given, lambda each: _selected(each, keys))


def _selected(given: Type, keys: Sequence[Any]) -> Type:
    if given is NIL:
        return NO_KEYS
    if not isinstance(given, Record) or not all(isinstance(key, Keyword) for key in keys):
        return given if isinstance(given, MapOf) else ANY_MAP
    fields: dict[str, Field] = {}
    for key in keys:
        field = field_of(given, key.name)
        if field is not None:
            fields[key.name] = field
        elif given.rest is not NEVER:
            fields[key.name] = Field(key.name, ANY if given.rest is None else given.rest, required=False)
    return record(fields, NEVER)


def with_items(given: Type, added: Sequence[Type]) -> Type:
    """Give the type of a vector with items at its end, or of a map with entries."""
    return _each(given, lambda each: _with_items(each, added))


def _with_items(given: Type, added: Sequence[Type]) -> Type:
    if given is NIL:
        return bounded(Tuple(tuple(added)))
    if isinstance(given, Tuple):
        return bounded(Tuple((*given.elements, *added)))
    if isinstance(given, Vector | Array):
        return bounded(Vector(join(items(given), *added)))
    if isinstance(given, Record | MapOf):
        for each in added:
            given = _with_entry(given, each)
        return given
    return ANY


def _with_entry(given: Type, added: Type) -> Type:
    if isinstance(added, Tuple) and len(added.elements) == 2:
        return with_key(given, UNKNOWN, *added.elements)
    return merged(given, added) if isinstance(added, Record | MapOf) else ANY_MAP


def with_all(given: Type, source: Type) -> Type:
    """Give the type of a collection with every item of another."""
    return _each(given, lambda each: _with_all(each, items(source)))


def _with_all(given: Type, added: Type) -> Type:
    if isinstance(given, Vector | Tuple | Array) or given is NIL:
        return bounded(Vector(join(items(given), added)))
    if isinstance(given, Record | MapOf):
        return given if added is NEVER else join(given, _with_entry(given, added))
    return ANY


def with_path(given: Type, path: Sequence[Any], value: Type) -> Type:
    """Give the type of a map with a value at the end of a path of known keys."""
    key, *others = path
    if others:
        value = with_path(entry(given, key), others, value)
    return with_key(given, key, type_of(key), value)


def at_path(given: Type, path: Sequence[Any]) -> Type:
    """Give the type of what `get-in` reads along known keys, without its default."""
    for key in path:
        given = entry(given, key)
    return given
