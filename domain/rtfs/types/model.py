"""The types of RTFS as data. Structural: two types are the same when they print the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from domain.kernel.values import Value


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type known by its name alone, as ``:int``."""

    name: str


@dataclass(frozen=True, slots=True)
class Vector:
    """``[:vector T]``: any number of elements of one type."""

    element: Type


@dataclass(frozen=True, slots=True)
class Tuple:
    """``[:tuple A B]``: a vector of exactly these elements."""

    elements: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """``[:key T]`` of a record, or ``[:key T ?]`` when it may be absent."""

    key: str
    type: Type
    required: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """``[:map [:k T] [:k2 T ?] [:* T]]``: a map with known keyword keys, kept in order of their names.

    Further keys are allowed; ``rest`` is the type of their values (``None``: any).
    """

    fields: tuple[Field, ...]
    rest: Type | None = None


@dataclass(frozen=True, slots=True)
class MapOf:
    """``[:map-of K V]``: any number of keys of one type."""

    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class Union:
    """``[:union A B]``: a value of any member; ``T?`` is ``[:union T :nil]``. Make it with ``union``."""

    members: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Enum:
    """``[:enum "a" "b"]``: one of these values."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Val:
    """``[:val x]``: exactly this value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Function:
    """``[:fn [A & B] R]``: a function from ``A`` and any number of ``B`` to ``R``."""

    parameters: tuple[Type, ...]
    rest: Type | None
    result: Type


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition of a refined type, as ``[:>= 0]`` or ``[:matches-regex "a+"]``."""

    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Refined:
    """``[:and T predicate…]``: the values of ``T`` for which every predicate holds."""

    base: Type
    predicates: tuple[Predicate, ...]


Type: TypeAlias = Primitive | Vector | Tuple | Record | MapOf | Union | Enum | Val | Function | Refined

INT: Final = Primitive("int")
FLOAT: Final = Primitive("float")
STRING: Final = Primitive("string")
BOOL: Final = Primitive("bool")
NIL: Final = Primitive("nil")
KEYWORD: Final = Primitive("keyword")
SYMBOL: Final = Primitive("symbol")
ANY: Final = Primitive("any")
NEVER: Final = Primitive("never")
TIMESTAMP: Final = Primitive("timestamp")
UUID_TYPE: Final = Primitive("uuid")

PRIMITIVES: Final = {
    primitive.name: primitive
    for primitive in (INT, FLOAT, STRING, BOOL, NIL, KEYWORD, SYMBOL, ANY, NEVER, TIMESTAMP, UUID_TYPE)
}
