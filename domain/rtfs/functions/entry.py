"""One row of the library's table: what the compiler checks, the machine runs and the documents say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, overload

from domain.rtfs.metering import Meter
from domain.rtfs.types import Function, Type, parse_type

Arguments: TypeAlias = tuple[Any, ...] | list[Any]


class Singles(Sequence[Arguments]):
    """Argument lists of one argument each, made only when they are looked at."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> Arguments: ...
    @overload
    def __getitem__(self, place: slice) -> Singles: ...
    def __getitem__(self, place: int | slice) -> Arguments | Singles:
        return Singles(self.items[place]) if isinstance(place, slice) else (self.items[place],)

    def __iter__(self) -> Iterator[Arguments]:
        return zip(self.items, strict=True)


Applications: TypeAlias = Singles | list[Arguments]
"""Argument lists to which a function is applied, one after the other."""

Finish = Callable[[Meter, Any, Applications, list[Any]], Any]
"""Meter, context, the argument lists that were applied, their results: gives the value of the whole."""

Begin = Callable[[Meter, tuple[Any, ...]], tuple[Any, Any, Applications]]
"""Meter and arguments: gives the function to apply, a context, and the argument lists to apply it to."""


@dataclass(frozen=True, slots=True)
class Each:
    """A function that applies another to argument lists, one after the other, and makes something of the results."""

    begin: Begin
    finish: Finish
    stop_on: bool | None = None
    """Truth of a result after which no more are needed; ``None``: all are."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A function that applies another to what it gave before and the next item: ``reduce``."""

    begin: Callable[[Meter, tuple[Any, ...]], tuple[Any, Any, list[Any]]]
    """Gives the function, the first accumulated value, and the items."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """A function that arranges items: by a key that one function gives, in an order that another one gives."""

    begin: Callable[[Meter, tuple[Any, ...]], tuple[Any, Any, bool, list[Any]]]
    """Gives the key function (``None``: an item is its own key), the comparison (``None``: canonical order), whether
    that order is turned around, and the items."""


Applying: TypeAlias = Each | Fold | Sorting
"""Implementations that the machine runs in frames, since they apply functions that may make effects."""


@dataclass(frozen=True)
class Entry:
    """A function of the library."""

    name: str
    signature: str
    doc: str
    implementation: Callable[..., Any] | Applying
    example: str
    """An expression and its value, ``source => value``: shown in documents, run as a test."""
    optional: int | None = None
    """How many arguments of the rest type may follow; ``None``: any number, when the signature has a rest."""
    metered: bool = False
    """Whether the implementation takes the meter first."""
    binary: Callable[..., Any] | None = None
    """A faster implementation for exactly two arguments, with the same values and the same meter."""
    edges: tuple[str, ...] = ()
    """Further examples, of edges and of errors (``source !! error-type``): shown and run as the first one is."""

    @cached_property
    def type(self) -> Function:
        """The signature as a type."""
        parsed = parse_type(self.signature)
        if not isinstance(parsed, Function):
            raise TypeError(f"{self.name}: {self.signature} is no function type")
        return parsed

    @cached_property
    def least(self) -> int:
        """The fewest arguments."""
        return len(self.type.parameters)

    @cached_property
    def most(self) -> int | None:
        """The most arguments; ``None``: any number."""
        if self.type.rest is None:
            return self.least
        return None if self.optional is None else self.least + self.optional

    @property
    def takes(self) -> tuple[int, int | None]:
        """The fewest and the most arguments."""
        return self.least, self.most

    @property
    def errors(self) -> tuple[str, ...]:
        """Types of its own errors, as its examples show them; arguments of a wrong type are a ``type-mismatch``."""
        shown = {edge.rpartition(" !! ")[2] for edge in self.edges if " !! " in edge}
        return tuple(sorted(shown))

    def parameter(self, index: int) -> Type:
        """Give the type of an argument, counted from 0."""
        fixed = self.type.parameters
        if index < len(fixed):
            return fixed[index]
        assert self.type.rest is not None
        return self.type.rest

    def accepts(self, count: int) -> bool:
        """Tell whether so many arguments may be given."""
        return self.least <= count and (self.most is None or count <= self.most)

    def arity(self) -> str:
        """Say how many arguments are taken."""
        if self.most == self.least:
            return f"{self.least} argument{'s' if self.least != 1 else ''}"
        return f"at least {self.least} arguments" if self.most is None else f"{self.least} to {self.most} arguments"
