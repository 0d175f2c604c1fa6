"""The types of RTFS as data. Structural: two types are the same when they print the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

from domain.kernel.values import Keyword, Value
from domain.rtfs.equality import equal
from domain.rtfs.printer import print_value


class Spelt:
    """What every type has: one canonical spelling, by which it is compared and found in tables.

    Python counts ``1``, ``1.0`` and ``True`` as equal, so that types made of values cannot be compared by their parts.
    """

    __slots__ = ("_hash", "_size", "_text")

    _hash: int
    _text: str
    _size: tuple[int, int]

    @property
    def text(self) -> str:
        """The canonical spelling; it is worked out once."""
        try:
            return self._text
        except AttributeError:
            text = self.spelling()
            object.__setattr__(self, "_text", text)
            return text

    def __str__(self) -> str:
        """Give the canonical spelling."""
        return self.text

    def __eq__(self, other: object) -> bool:
        """Compare by the spelling."""
        return self is other or (isinstance(other, Spelt) and self.text == other.text)

    def __hash__(self) -> int:
        """Hash the spelling."""
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash(self.text))
            return self._hash

    def spelling(self) -> str:
        """Put the spelling together out of those of the parts."""
        raise NotImplementedError


def shape_text(shape: tuple[int | None, ...]) -> str:
    """``[2 ?]``."""
    return brackets(*("?" if size is None else size for size in shape))


def brackets(*parts: object) -> str:
    """Write parts in brackets."""
    return f"[{' '.join(map(str, parts))}]"


_MADE: Final[dict[str, Any]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Primitive(Spelt):
    """A type known by its name alone, as ``:int``. There is one of each name, so that ``is`` tells them apart."""

    name: str

    def __new__(cls, name: str) -> Self:
        """Give the one of this name."""
        made: Self = _MADE.setdefault(name, object.__new__(cls))
        return made

    def spelling(self) -> str:
        """``:int``."""
        return f":{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Vector(Spelt):
    """``[:vector T]``: any number of elements of one type."""

    element: Type

    def spelling(self) -> str:
        """``[:vector :int]``."""
        return f"[:vector {self.element}]"


@dataclass(frozen=True, slots=True, eq=False)
class Tuple(Spelt):
    """``[:tuple A B]``: a vector of exactly these elements."""

    elements: tuple[Type, ...]

    def spelling(self) -> str:
        """``[:tuple :int :string]``."""
        return brackets(":tuple", *self.elements)


@dataclass(frozen=True, slots=True, eq=False)
class Array(Spelt):
    """``[:array T [2 ?]]``: vectors within vectors, of these lengths from the outside in; ``None`` is any length."""

    element: Type
    shape: tuple[int | None, ...]

    def spelling(self) -> str:
        """``[:array :int [2 ?]]``."""
        return f"[:array {self.element} {shape_text(self.shape)}]"

    def inner(self) -> Type:
        """Give the type of what its outermost vector holds."""
        return Array(self.element, self.shape[1:]) if len(self.shape) > 1 else self.element


@dataclass(frozen=True, slots=True)
class Field:
    """``[:key T]`` of a record, or ``[:key T ?]`` when it may be absent."""

    key: str
    type: Type
    required: bool = True

    def __str__(self) -> str:
        """``[:key T ?]``."""
        return f"[:{self.key} {self.type}{'' if self.required else ' ?'}]"


@dataclass(frozen=True, slots=True, eq=False)
class Record(Spelt):
    """``[:map [:k T] [:k2 T ?] [:* T]]``: a map with known keyword keys, kept in order of their names.

    Further keys are allowed; ``rest`` is the type of their values (``None``: any).
    """

    fields: tuple[Field, ...]
    rest: Type | None = None

    def spelling(self) -> str:
        """``[:map [:k :int] [:* :string]]``."""
        return brackets(":map", *self.fields, *([f"[:* {self.rest}]"] if self.rest is not None else []))


@dataclass(frozen=True, slots=True, eq=False)
class MapOf(Spelt):
    """``[:map-of K V]``: any number of keys of one type."""

    key: Type
    value: Type

    def spelling(self) -> str:
        """``[:map-of :string :int]``."""
        return f"[:map-of {self.key} {self.value}]"


@dataclass(frozen=True, slots=True, eq=False)
class Union(Spelt):
    """``[:union A B]``: a value of any member; ``T?`` is ``[:union T :nil]``. Make it with ``union``."""

    members: tuple[Type, ...]

    def spelling(self) -> str:
        """``[:union :int :string]``, or ``:int?``."""
        match self.members:
            case (Primitive(name), Primitive("nil")):
                return f":{name}?"
            case members:
                return brackets(":union", *members)


def _hashes(value: object) -> bool:
    """Tell whether a value is the same as another exactly when Python finds both in a set, kinds being the same."""
    return value is None or type(value) in (str, int, bool, Keyword)


@dataclass(frozen=True, slots=True, eq=False)
class Enum(Spelt):
    """``[:enum "a" "b"]``: one of these values."""

    values: tuple[Value, ...]
    _scalars: frozenset[tuple[type, Value]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make values that hash easy to find: an enumeration may have thousands."""
        object.__setattr__(self, "_scalars", frozenset((type(each), each) for each in self.values if _hashes(each)))

    def __contains__(self, value: object) -> bool:
        """Tell whether a value is one of these."""
        if _hashes(value):
            return (type(value), value) in self._scalars
        return any(equal(value, each) for each in self.values)

    def spelling(self) -> str:
        """``[:enum "a" "b"]``."""
        return brackets(":enum", *map(print_value, self.values))


@dataclass(frozen=True, slots=True, eq=False)
class Val(Spelt):
    """``[:val x]``: exactly this value."""

    value: Value

    def spelling(self) -> str:
        """``[:val 1]``."""
        return f"[:val {print_value(self.value)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Function(Spelt):
    """``[:fn [A & B] R]``: a function from ``A`` and any number of ``B`` to ``R``."""

    parameters: tuple[Type, ...]
    rest: Type | None
    result: Type

    def spelling(self) -> str:
        """``[:fn [:int & :string] :any]``."""
        rest = ("&", self.rest) if self.rest is not None else ()
        return f"[:fn {brackets(*self.parameters, *rest)} {self.result}]"


@dataclass(frozen=True, slots=True, eq=False)
class Predicate(Spelt):
    """A condition of a refined type, as ``[:>= 0]`` or ``[:matches-regex "a+"]``."""

    name: str
    arguments: tuple[Value, ...]

    def spelling(self) -> str:
        """``[:> 0]``."""
        return brackets(f":{self.name}", *map(print_value, self.arguments))


@dataclass(frozen=True, slots=True, eq=False)
class Refined(Spelt):
    """``[:and T predicate…]``: the values of ``T`` for which every predicate holds."""

    base: Type
    predicates: tuple[Predicate, ...]

    def spelling(self) -> str:
        """``[:and :int [:> 0]]``."""
        return brackets(":and", self.base, *self.predicates)


Type: TypeAlias = Primitive | Vector | Tuple | Array | Record | MapOf | Union | Enum | Val | Function | Refined

INT: Final = Primitive("int")
FLOAT: Final = Primitive("float")
STRING: Final = Primitive("string")
BOOL: Final = Primitive("bool")
NIL: Final = Primitive("nil")
KEYWORD: Final = Primitive("keyword")
SYMBOL: Final = Primitive("symbol")
ANY: Final = Primitive("any")
NEVER: Final = Primitive("never")
SOME_FUNCTION: Final = Function((), ANY, ANY)
"""Any function, whatever it takes."""

TIMESTAMP: Final = Primitive("timestamp")
UUID_TYPE: Final = Primitive("uuid")

PRIMITIVES: Final = {
    primitive.name: primitive
    for primitive in (INT, FLOAT, STRING, BOOL, NIL, KEYWORD, SYMBOL, ANY, NEVER, TIMESTAMP, UUID_TYPE)
}
