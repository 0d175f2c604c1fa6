"""What of one loaded module is compiled: made when it is often gone through, given up when that does not pay."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType, FunctionType
from typing import Any, Final, NoReturn

from domain.rtfs.bytecode.module import ModuleParts
from domain.rtfs.vm.code import CREDIT, Code, Entrance
from domain.rtfs.vm.compiled.calls import Interrupted
from domain.rtfs.vm.compiled.shaping import Unstructured
from domain.rtfs.vm.compiled.translation import BASE, Translation, is_too_large

ENTRANCES: Final = "<entrances>"
"""Where a namespace of compiled code says what its functions are; no name of compiled code is spelled like this."""

INTERRUPTION: Final = 200
"""Fuel that the interpreter could use in the time that an interruption takes."""
FRAME: Final = 25
"""The same, for each frame that is rebuilt."""


class Compilation:
    """The compiled code of one module. All of it can be dropped and made again at any time."""

    def __init__(self, parts: ModuleParts, functions: Sequence[Code]) -> None:
        self.parts = parts
        self.functions = functions
        self.namespace: dict[str, Any] = {}
        self.entrances: dict[str, Entrance] = {}
        self.translations: dict[int, Translation | None] = {}

    def first_call(self, code: Code) -> Callable[..., Any]:
        """Give what stands for a function until it is compiled."""
        return partial(self.call_first, code)

    def call_first(self, code: Code, *arguments: Any) -> Any:
        """Compile a function that compiled code calls for the first time, and call it."""
        if code.entrance.heat:
            self.warm(code.entrance)
        return code.run(*arguments)

    def warm(self, entrance: Entrance) -> None:
        """Compile from an entrance on, or note that this cannot be done."""
        entrance.heat = 0
        code = entrance.code
        name = f"f{code.number}" if entrance.head is None else f"f{code.number}_{entrance.head}"
        entrance.compiled = self._compiled(entrance, name)
        if entrance.head is None:
            self._replace(code, entrance.compiled or refuse)

    def _replace(self, code: Code, function: Callable[..., Any]) -> None:
        code.run = self.namespace[f"f{code.number}"] = function

    def _compiled(self, entrance: Entrance, name: str) -> FunctionType | None:
        if not self.namespace:
            self.namespace.update(BASE)
            self.namespace[ENTRANCES] = self.entrances
        try:
            translation = self._translation(entrance.code)
            if translation is None:
                return None
            tree = ast.Module([translation.function(name, entrance.head)], [])
            whole = compile(tree, "<rtfs>", "exec", dont_inherit=True, optimize=0)
        except (Unstructured, SyntaxError, RecursionError):
            # Nested more deeply than Python likes, or jumping as it cannot.
            return None
        (code,) = (each for each in whole.co_consts if isinstance(each, CodeType))
        self.entrances[name] = entrance
        return FunctionType(code, self.namespace, name)

    def _translation(self, code: Code) -> Translation | None:
        if code.number not in self.translations:
            too_large = is_too_large(self.parts.functions[code.number])
            made = None if too_large else Translation(self.parts, self.functions, code.number, self.namespace)
            self.translations[code.number] = made
        return self.translations[code.number]


def account(entrance: Entrance, gain: int, frames: int) -> None:
    """Count the fuel that an interrupted run has got done with so many frames, and give up what does not pay."""
    entrance.credit = min(10 * CREDIT, entrance.credit + gain - INTERRUPTION - FRAME * frames)
    function = entrance.compiled
    if entrance.credit < 0 and function is not None:
        entrance.compiled = None
        if entrance.head is None:
            entrance.code.run = function.__globals__[function.__name__] = refuse


def refuse(*_: Any) -> NoReturn:
    """Stand for a function that is not compiled."""
    raise Interrupted
