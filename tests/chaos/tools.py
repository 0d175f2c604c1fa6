"""Tools that leave one line in a real file for each time they were really done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.tools.context import ToolContext
from adapters.tools.declare import Tool, declare, tool
from domain.kernel.values import Value
from domain.tools import ToolDeclaration

FOLDER = "CHAOS_FOLDER"


@dataclass(frozen=True)
class Done:
    """One execution."""

    tool: str
    run: str
    effect: str
    at: float
    """Unix seconds."""


def _note(name: str, context: ToolContext) -> None:
    line = f"{name} {context.call.run} {context.call.effect} {time.time()!r}\n"
    file = os.open(Path(os.environ[FOLDER]) / "done", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())  # one write of one line: several processes do not mix theirs
    finally:
        os.close(file)


def executions(folder: Path) -> list[Done]:
    """Everything that was done, in order."""
    file = folder / "done"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [Done(name, run, effect, float(at)) for name, run, effect, at in lines]


@tool("chaos.append", effects="write")
def append(context: ToolContext, n: int) -> int:
    """Add a line. Doing it twice is not the same as once."""
    _note("chaos.append", context)
    return n + 1


@tool("chaos.put", effects="write", idempotent=True)
async def put(context: ToolContext, n: int) -> int:
    """Add a line that counts once however often it is there."""
    _note("chaos.put", context)
    return n + 1


@tool("chaos.look", effects="read")
def look(context: ToolContext, n: int) -> int:
    """Note that someone looked."""
    _note("chaos.look", context)
    return n + 1


class Counting:
    """``RunScopedTools``: a sum that lives in the worker and is made again from the journal."""

    def __init__(self) -> None:
        self._declaration = declare(_Sum().add, "chaos.sum", effects="write", idempotent=True, stateful=True)

    def declarations(self) -> Iterable[ToolDeclaration]:
        return [self._declaration.declaration]

    def open(self, run: str, inputs: Mapping[str, Value]) -> Iterable[Tool]:
        return [declare(_Sum().add, "chaos.sum", effects="write", idempotent=True, stateful=True)]


class _Sum:
    def __init__(self) -> None:
        self._sum = 0

    async def add(self, context: ToolContext, n: int) -> int:
        """Add to the run's sum and give it."""
        _note("chaos.sum", context)
        self._sum += n
        return self._sum
