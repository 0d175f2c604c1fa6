"""Functions ready to run, and function values."""

from __future__ import annotations

from typing import Any

from domain.rtfs.bytecode.module import FunctionCode, Handler


class Code:
    """A function ready to run."""

    __slots__ = (
        "capture_end",
        "capture_start",
        "cost",
        "handlers",
        "instructions",
        "number",
        "parameters",
        "rest",
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


class Closure:
    """A function value: code and the values it holds."""

    __slots__ = ("captures", "code")

    def __init__(self, code: Code, captures: list[Any]) -> None:
        self.code = code
        self.captures = captures
