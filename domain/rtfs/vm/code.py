"""Functions ready to run, and function values."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from domain.rtfs.bytecode.module import FunctionCode, Handler

CREDIT: Final = 4_000
"""Fuel: some twenty interruptions."""


class Entrance:
    """One way into a function: its beginning, or the head of a loop. What is often gone through is compiled."""

    __slots__ = ("code", "compiled", "credit", "head", "heat", "warm")

    def __init__(self, code: Code, head: int | None) -> None:
        self.code = code
        self.head = head
        """Instruction at which it begins; none: that is the beginning of the function."""
        self.heat = 0
        """Fuel that is still spent from here on before it is compiled; 0: nothing more is decided."""
        self.warm: Callable[[Entrance], None] = never
        """What compiles it."""
        self.compiled: FunctionType | None = None
        self.credit = CREDIT
        """Fuel spent well in compiled code, less what interruptions cost: below 0 it is given up."""


def never(*_: Any) -> None:
    """Stand for what is there only when functions are compiled."""
    raise AssertionError("nothing of this module is compiled")


class Code:
    """A function ready to run."""

    __slots__ = (
        "capture_end",
        "capture_start",
        "cost",
        "entrance",
        "handlers",
        "instructions",
        "number",
        "parameters",
        "rest",
        "run",
        "site",
        "tail",
    )

    def __init__(self, number: int, site: int, code: FunctionCode, constants: list[Any]) -> None:
        self.number = number
        self.site = site
        """Site of the first instruction; sites count the instructions of the whole module."""
        self.parameters = code.parameters
        self.rest = code.rest
        self.capture_start = code.parameters + code.rest
        self.capture_end = code.first_constant
        self.tail = [*constants, *([None] * code.locals)]
        """What follows parameters and captured values in the registers on entry."""
        self.cost = len(code.instructions)
        """Fuel for one entry: code runs backwards only in loops, which pay for themselves."""
        self.handlers: tuple[Handler, ...] = code.handlers
        self.instructions: tuple[tuple[Any, ...], ...] = ()
        self.entrance = Entrance(self, None)
        self.run: Callable[..., Any] = never
        """What compiled code calls; see ``compiled``."""


class Closure:
    """A function value: code and the values it holds."""

    __slots__ = ("captures", "code")

    def __init__(self, code: Code, captures: list[Any]) -> None:
        self.code = code
        self.captures = captures

    @property
    def takes(self) -> tuple[int, int | None]:
        """The fewest and the most arguments; ``None``: any number."""
        fixed = self.code.parameters
        return fixed, None if self.code.rest else fixed
