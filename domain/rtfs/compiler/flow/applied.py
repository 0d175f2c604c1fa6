"""A function of the library with its arguments, for the rules that say what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from domain.rtfs.compiler.expressions import Constant, Expression
from domain.rtfs.compiler.flow.reading import UNKNOWN, items
from domain.rtfs.functions import Entry
from domain.rtfs.source import Span
from domain.rtfs.types import Type


class Applying(Protocol):
    """What applies function values at compile time."""

    def infer(self, expression: Expression) -> Type:
        """Give the type of an expression."""
        ...

    def read_key(self, collection: Type, key: Any, span: Span) -> Type:
        """Give the type of what is under a key, and note when it cannot be there."""
        ...

    def applied(self, function: Expression | None, type_: Type, types: Sequence[Type]) -> Type:
        """Give the type of a function's result."""
        ...

    def kept(self, function: Expression | None, type_: Type, item: Type, *, truth: bool) -> Type:
        """Give the type of the items for which a function gives a true value, or one that is not."""
        ...

    def settle(self, first: Type, turn: Callable[[Type], Type], key: object) -> Type:
        """Give a type that stays the same when what a turn makes of it is added."""
        ...


class Applied:
    """A function of the library with its arguments."""

    __slots__ = ("entry", "flow", "given", "types")

    def __init__(self, flow: Applying, entry: Entry, types: Sequence[Type], given: Sequence[Expression]) -> None:
        self.flow = flow
        self.entry = entry
        self.types = types
        self.given = given
        """The arguments themselves; empty when only their types are known."""

    def constant(self, place: int) -> Any:
        """Give the value of an argument that is written out."""
        if place < len(self.given):
            argument = self.given[place]
            if isinstance(argument, Constant):
                return argument.value
        return UNKNOWN

    def items(self, place: int) -> Type:
        """Give the type of what an argument holds."""
        return items(self.types[place])

    def function(self, place: int) -> Expression | None:
        """Give an argument that is a function; none when only its type is known."""
        return self.given[place] if place < len(self.given) else None

    def call(self, place: int, *types: Type) -> Type:
        """Give the type of what an argument that is a function gives."""
        return self.flow.applied(self.function(place), self.types[place], types)

    def kept(self, *, truth: bool) -> Type:
        """Give the type of the items for which the first argument gives something true, or something that is not."""
        return self.flow.kept(self.function(0), self.types[0], self.items(1), truth=truth)

    def folded(self, first: Type) -> Type:
        """Give the type of what the first argument makes of a first value and the items, one after the other."""
        item, function = self.items(-1), self.function(0)
        key = object() if function is None else id(function)
        return self.flow.settle(first, lambda so_far: self.call(0, so_far, item), key)
