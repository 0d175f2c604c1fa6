"""From Python annotations to RTFS types, with the conversions between both worlds.

| Python | RTFS |
| --- | --- |
| `str int float bool None` | `:string :int :float :bool :nil` |
| `datetime`, `UUID`, `Keyword`, `Any` | `:timestamp :uuid :keyword :any` |
| `list[T]`, `tuple[T, ...]`, `tuple[A, B]` | `[:vector T]`, `[:vector T]`, `[:tuple A B]` |
| `dict[str, T]` | `[:map-of :string T]` |
| `Literal["a", "b"]` | `[:enum "a" "b"]` |
| `A | B`, `T | None` | `[:union A B]`, `T?` |
| TypedDict, dataclass, pydantic model | `[:map [:by-licence T] …]` |

Names of parameters and fields lose a trailing underscore (`class_`) and write `-` for `_`: `by_licence` becomes
`:by-licence`.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from domain.kernel.values import Keyword
from domain.rtfs.capability import kebab
from domain.rtfs.printer import print_value
from domain.rtfs.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    KEYWORD,
    NIL,
    STRING,
    TIMESTAMP,
    UUID_TYPE,
    Enum,
    Field,
    MapOf,
    Record,
    Tuple,
    Type,
    Vector,
    union,
)
from domain.tools import ToolNotDeclarable

Convert: TypeAlias = Callable[[Any], Any]

_PRIMITIVES: dict[Any, Type] = {
    str: STRING,
    int: INT,
    float: FLOAT,
    bool: BOOL,
    None: NIL,
    type(None): NIL,
    Any: ANY,
    datetime: TIMESTAMP,
    UUID: UUID_TYPE,
    Keyword: KEYWORD,
}
_BARE: dict[Any, Type] = {list: Vector(ANY), tuple: Vector(ANY), dict: MapOf(ANY, ANY)}


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """An annotation understood: its type, and what to do to a value on its way in and out (None: nothing)."""

    type: Type
    load: Convert | None = None
    """From a value of the type to what the Python function expects."""
    dump: Convert | None = None
    """From what the Python function returns to something that `coerce` makes a value of the type."""


def shape_of(annotation: Any, *, result: bool, where: str) -> Shape:
    """Understand an annotation. Raises `ToolNotDeclarable`, naming `where` and what is allowed.

    `result` says whether values of it are made by the tool: then every field of a record is there.
    """
    return _Reader(result, where).read(annotation, ())


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """One field of a record-like class."""

    python: str
    annotation: Any
    required: bool


class _Reader:
    def __init__(self, result: bool, where: str) -> None:
        self._result = result
        self._where = where

    def read(self, annotation: Any, inside: tuple[Any, ...]) -> Shape:
        if (known := _known(annotation)) is not None:
            return Shape(known)
        if annotation in inside:
            raise self._refused(annotation, "it contains itself, and types here are finite")
        inside = (*inside, annotation)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is Literal:
            return self._literal(annotation, arguments)
        if origin in (typing.Union, types.UnionType):
            return self._union(annotation, [self.read(argument, inside) for argument in arguments])
        if origin is list:
            return _vector(self.read(arguments[0], inside), list)
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return _vector(self.read(arguments[0], inside), tuple)
        if origin is tuple:
            return self._tuple(annotation, [self.read(argument, inside) for argument in arguments])
        if origin is dict:
            return self._map(annotation, arguments, inside)
        return self._record(annotation, inside)

    def _literal(self, annotation: Any, values: tuple[Any, ...]) -> Shape:
        if not all(type(value) in (str, int, bool) for value in values):
            raise self._refused(annotation, "literals are strings, integers and booleans")
        return Shape(Enum(tuple(sorted(values, key=print_value))))

    def _union(self, annotation: Any, members: list[Shape]) -> Shape:
        converted = [member for member in members if member.load or member.dump]
        joined = union(*(member.type for member in members))
        if not converted:
            return Shape(joined)
        if len(converted) > 1 or len(members) > 2 or NIL not in [member.type for member in members]:
            raise self._refused(annotation, "a record or a container of records may be joined with None only")
        return Shape(joined, _unless_none(converted[0].load), _unless_none(converted[0].dump))

    def _tuple(self, annotation: Any, members: list[Shape]) -> Shape:
        if any(member.load or member.dump for member in members):
            raise self._refused(annotation, "a tuple holds plain values only; use a record with fields")
        return Shape(Tuple(tuple(member.type for member in members)), tuple, None)

    def _map(self, annotation: Any, arguments: tuple[Any, ...], inside: tuple[Any, ...]) -> Shape:
        if arguments[0] not in (str, int, Keyword):
            raise self._refused(annotation, "keys of a map are str, int or Keyword")
        value = self.read(arguments[1], inside)
        return Shape(
            MapOf(_PRIMITIVES[arguments[0]], value.type),
            _each_value(value.load),
            _each_value(value.dump),
        )

    def _record(self, annotation: Any, inside: tuple[Any, ...]) -> Shape:
        members = self._members(annotation)
        shapes = {member.python: self.read(member.annotation, inside) for member in members}
        keys = [kebab(member.python) for member in members]
        if len(set(keys)) < len(keys):
            raise self._refused(annotation, f"two of its fields have the same name: {', '.join(sorted(keys))}")
        fields = [Field(kebab(member.python), shapes[member.python].type, member.required) for member in members]
        return Shape(
            Record(tuple(sorted(fields, key=lambda field: field.key))),
            _record_loader(annotation, shapes),
            _record_dumper(annotation, shapes),
        )

    def _members(self, annotation: Any) -> list[_Member]:
        if _is_typed_dict(annotation):
            hints = typing.get_type_hints(annotation)
            return [_Member(name, hint, name in annotation.__required_keys__) for name, hint in hints.items()]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            hints = typing.get_type_hints(annotation)
            return [
                _Member(field.name, hints[field.name], self._result or _without_default(field))
                for field in dataclasses.fields(annotation)
            ]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return [
                _Member(name, field.annotation, self._result or field.is_required())
                for name, field in annotation.model_fields.items()
            ]
        raise self._refused(
            annotation,
            "use str, int, float, bool, None, datetime, UUID, Any, list[T], tuple, dict[str, T], Literal, X | None, "
            "or a TypedDict, dataclass or pydantic model of these",
        )

    def _refused(self, annotation: Any, reason: str) -> ToolNotDeclarable:
        shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        return ToolNotDeclarable(f"{self._where}: {shown} has no RTFS type; {reason}")


def _is_typed_dict(annotation: Any) -> bool:
    # typing's own test does not know those of typing_extensions, which pydantic asks for.
    return isinstance(annotation, type) and issubclass(annotation, dict) and hasattr(annotation, "__required_keys__")


def _known(annotation: Any) -> Type | None:
    try:
        return _PRIMITIVES.get(annotation) or _BARE.get(annotation)
    except TypeError:  # an annotation need not be hashable
        return None


def _without_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _vector(element: Shape, kind: type) -> Shape:
    load, dump = element.load, element.dump
    if load is not None:
        each = load
        return Shape(Vector(element.type), lambda items: kind(each(item) for item in items), _each(dump))
    return Shape(Vector(element.type), tuple if kind is tuple else None, _each(dump))


def _each(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda items: [convert(item) for item in items] if isinstance(items, list | tuple) else items


def _each_value(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda items: {k: convert(v) for k, v in items.items()} if isinstance(items, dict) else items


def _unless_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda item: None if item is None else convert(item)


def _record_loader(make: Callable[..., Any], shapes: Mapping[str, Shape]) -> Convert:
    steps = [(Keyword(kebab(name)), name, shape.load) for name, shape in shapes.items()]

    def load(value: dict[Any, Any]) -> Any:
        return make(
            **{name: convert(value[key]) if convert else value[key] for key, name, convert in steps if key in value}
        )

    return load


def _record_dumper(kind: Any, shapes: Mapping[str, Shape]) -> Convert:
    steps = {name: (kebab(name), shape.dump) for name, shape in shapes.items()}

    def dump_items(items: Mapping[Any, Any]) -> dict[Any, Any]:
        dumped = {}
        for name, item in items.items():
            key, convert = steps.get(name, (name, None))
            dumped[key] = convert(item) if convert else item
        return dumped

    def dump_object(item: Any) -> Any:
        # What is of another class is left as it is, for the type check to describe.
        return dump_items({name: getattr(item, name) for name in steps}) if isinstance(item, kind) else item

    def dump_mapping(item: Any) -> Any:
        return dump_items(item) if isinstance(item, dict) else item

    return dump_mapping if _is_typed_dict(kind) else dump_object
