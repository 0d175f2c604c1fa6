"""What a program may use up: fuel and memory, counted in abstract units so that every machine counts the same.

One unit of fuel is one instruction, or one cell looked at by a function of the library. One cell of memory is one
element of a vector, one entry of a map, or eight characters of a string.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from domain.kernel.values import MAX_DEPTH, Keyword, key_order

LONG: Final = 16
"""Items from which on a collection is looked at as a whole first."""


class Fault(Exception):
    """The running program fails here; the machine turns this into an error value that the program may catch.

    A fatal one (a limit is reached) cannot be caught. Programs see the message and histories keep it, so its text stays
    as it is; what would say more is the ``hint``, which neither do.
    """

    def __init__(
        self, kind: str, message: str, *, effect: str | None = None, fatal: bool = False, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.effect = effect
        self.fatal = fatal
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one execution may use. Each limit that is reached has its own error type."""

    fuel: int = 20_000_000
    """Units of work in all (``fuel-exhausted``)."""
    memory: int = 8_000_000
    """Cells that are alive at once (``memory-exhausted``)."""
    depth: int = 2_000
    """Calls that wait for one another (``depth-exceeded``)."""
    output: int = 1_000_000
    """Cells of a value that leaves the program: the result, the arguments of one effect (``output-too-large``)."""


class Meter:
    """Counts one lane's fuel and memory."""

    __slots__ = ("ceiling", "floor", "fuel", "limits", "memory")

    def __init__(self, limits: Limits, fuel: int, memory: int) -> None:
        self.limits = limits
        self.fuel = fuel
        """Units left."""
        self.memory = memory
        """Cells allocated since what is alive was last counted."""
        self.ceiling = 2 * limits.memory
        """When so many cells are allocated, what is alive is counted."""
        self.floor = 0
        """The slice of fuel is used when less than this is left."""

    def spend(self, units: int) -> None:
        """Take fuel; raises the fatal ``fuel-exhausted`` when there is none."""
        self.fuel -= units
        if self.fuel < 0:
            raise fuel_exhausted(self.limits)

    def allocate(self, cells: int) -> None:
        """Count memory before it is taken; raises the fatal ``memory-exhausted`` when it can never fit."""
        if cells > self.limits.memory:
            raise memory_exhausted(self.limits)
        self.memory += cells
        self.fuel -= cells >> 3
        if self.fuel < 0:
            raise fuel_exhausted(self.limits)

    def walk(self, value: Any, *, leaving: bool = False) -> int:
        """Pay for looking at a whole value, and give its size in cells.

        After this, recursion over the value is safe: values nested too deeply fail here. A value that leaves the
        program holds no functions.
        """
        kind = type(value)
        if kind is not list and kind is not dict:
            if leaving and kind not in _DATA:
                _refuse_function(value, value)
            return 1 + (len(value) >> 3) if kind is str else 1
        cells = 1
        level = [value]
        for _ in range(MAX_DEPTH):
            level, seen = _contents(level, value if leaving else None)
            cells += seen
            self.spend(seen)
            if not level:
                return cells
        raise Fault("nested-too-deeply", f"a value is nested deeper than {MAX_DEPTH} levels; flatten it")


def _contents(level: list[Any], leaving: Any) -> tuple[list[Any], int]:
    """Give the collections one level further in, and the cells of this level. ``leaving``: what leaves, or None."""
    inner: list[Any] = []
    cells = 0
    for collection in level:
        cells += len(collection)
        if type(collection) is dict:
            cells += sum(len(key) >> 3 for key in collection if type(key) is str)
            items: Any = collection.values()
        else:
            items = collection
        if len(items) > LONG and _UNWEIGHED.issuperset(map(type, items)):
            continue
        for item in items:
            kind = type(item)
            if kind is list or kind is dict:
                inner.append(item)
            elif kind is str:
                cells += len(item) >> 3
            elif leaving is not None and kind not in _DATA:
                _refuse_function(item, leaving)
    return inner, cells


_UNWEIGHED: Final = frozenset({int, bool, float, type(None), Keyword})
"""What is one cell, and holds nothing."""

_DATA: Final = _UNWEIGHED | {str}


def _refuse_function(value: Any, whole: Any) -> None:
    if hasattr(value, "isoformat") or hasattr(value, "hex"):  # times and UUIDs
        return
    place, function = _first_function(whole)
    name = getattr(function, "name", None)
    what = f"the function `{name}`" if name else "a function"
    where = f"it is {what}, at {place}" if place else f"it is {what}"
    raise Fault("function-in-data", "a function cannot leave the program; give what it returns instead", hint=where)


def _first_function(whole: Any) -> tuple[str, Any]:
    """Find the first function of a value that has one, and its place within; in canonical order, level by level."""
    level: list[tuple[str, Any]] = [("", whole)]
    while True:
        inner: list[tuple[str, Any]] = []
        for place, each in level:
            if type(each) is list:
                inner += [(f"{place}[{number}]", item) for number, item in enumerate(each)]
            elif type(each) is dict:
                inner += [(f"{place} {_spelt(key)}", each[key]) for key in sorted(each, key=key_order)]
            elif type(each) not in _DATA and not hasattr(each, "isoformat") and not hasattr(each, "hex"):
                return place.strip(), each
        level = inner


def _spelt(key: Any) -> str:
    return f":{key.name}" if isinstance(key, Keyword) else f'"{key:.40}"' if type(key) is str else str(key)


def fuel_exhausted(limits: Limits) -> Fault:
    """Make the error of a program that works too long."""
    return Fault("fuel-exhausted", f"the program used its {limits.fuel} units of fuel", fatal=True)


def memory_exhausted(limits: Limits) -> Fault:
    """Make the error of a program that holds too much."""
    return Fault("memory-exhausted", f"the program holds more than its {limits.memory} cells of memory", fatal=True)
