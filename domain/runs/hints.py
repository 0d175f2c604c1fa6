"""What a plan suggests to who carries it out, beside what it asks: which of it is done, and which is refused.

========================================== ==========================================================
``runtime.timeout`` milliseconds           a call is stopped after so long, if its tool allows longer
``runtime.learning.timeout {:timeout-ms}`` the same
``^:delegation :local``                    done: all that is no tool is worked out by the worker
``^:delegation :local-model``, ``:remote`` refused: no model works out a function of a plan
other keys that begin with ``runtime.``    refused: a plan that counts on them would count in vain
all other metadata                         tells readers something, and asks for nothing
========================================== ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NoReturn

from domain.kernel.values import Keyword, Value
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.operations import OPERATIONS, Op
from domain.rtfs.modules import Resolver
from domain.rtfs.program import Program
from domain.rtfs.source import CompileError, Source, Span
from domain.rtfs.vm.loading import hints_of

TIMEOUT: Final = "runtime.timeout"
_LEARNED_TIMEOUT: Final = "runtime.learning.timeout"
_MILLISECONDS: Final = Keyword("timeout-ms")
_DELEGATION: Final = "delegation"
_LONGEST: Final = 86_400_000
"""Milliseconds; no tool may take longer."""

_KNOWN: Final = "^{:runtime.timeout 500} (call …) bounds a call in milliseconds; no other hint of `runtime.` is done"
_LOCALLY: Final = "remove it: the worker runs the functions of a plan; what a model is to do is asked of a tool"


def allowed_seconds(hints: Mapping[str, Value]) -> float | None:
    """How long a call may take by its hints; None where they do not say."""
    given = [_milliseconds(name, hints[name]) for name in (TIMEOUT, _LEARNED_TIMEOUT) if name in hints]
    known = [each for each in given if each is not None]
    return min(known) / 1000 if known else None


def _milliseconds(name: str, value: Value) -> float | None:
    if name == _LEARNED_TIMEOUT:
        value = value.get(_MILLISECONDS) if isinstance(value, dict) else None
    if not isinstance(value, int | float) or type(value) is bool:
        return None
    return float(value) if 0 < value <= _LONGEST else None


@lru_cache(maxsize=1024)  # the same program is often run again
def bounded_calls(module: bytes) -> int:
    """Count the calls of a module that its hints bound in time."""
    return sum(allowed_seconds(hints) is not None for _, hints in _hinted(module))


def check_hints(program: Program, source: str, modules: Resolver | None) -> None:
    """Refuse a program that suggests what nobody here does. Raises ``CompileError`` with the place."""
    text = _Texts(source, modules)
    for delegation in program.delegations:
        if delegation.target != "local":
            name = f"`{delegation.name}`" if delegation.name else "this function"
            to = f"to {delegation.target}{f' {delegation.model}' if delegation.model else ''}"
            message = f"{name} is delegated {to}, which is not done here"
            text.refuse(message, delegation.module, delegation.span, _LOCALLY)
    for site, hints in _hinted(program.module):
        place = program.source_map.place(site)
        for name, value in hints.items():
            if (wrong := _wrong(name, value)) is not None:
                module, line, column = place or (None, 1, 1)
                text.refuse(wrong, module, text.span(module, line, column), _KNOWN)


def _wrong(name: str, value: Value) -> str | None:
    if name in (TIMEOUT, _LEARNED_TIMEOUT):
        if _milliseconds(name, value) is None:
            shape = "a number of milliseconds" if name == TIMEOUT else "{:timeout-ms milliseconds}"
            return f"`{name}` is {shape}, above 0 and up to {_LONGEST}"
        return None
    if name == _DELEGATION:
        local = value == Keyword("local") or value == [Keyword("local")]
        return None if local else "a call of a tool is delegated to a model, which is not done here"
    return f"the hint `{name}` is not known here" if name.startswith("runtime.") else None


def _hinted(module: bytes) -> Iterator[tuple[int, Mapping[str, Value]]]:
    parts = decode_module(module)
    instructions = [each for function in parts.functions for each in function.instructions]
    for site, instruction in enumerate(instructions):
        if OPERATIONS[instruction[0]] is Op.HINTED_EFFECT:
            yield site, hints_of(parts, instruction[3])


class _Texts:
    """The texts of a program and of its modules."""

    def __init__(self, source: str, modules: Resolver | None) -> None:
        self._source = source
        self._modules = modules

    def text(self, module: str | None) -> Source:
        found = self._modules(module) if module is not None and self._modules is not None else None
        return Source(self._source) if found is None else Source(found.text, module)

    def span(self, module: str | None, line: int, column: int) -> Span:
        before = self.text(module).text.split("\n")[: line - 1]
        start = sum(len(each) + 1 for each in before) + column - 1
        return Span(start, start + 1)

    def refuse(self, message: str, module: str | None, span: Span, hint: str) -> NoReturn:
        raise CompileError(message, self.text(module), span, hint)
