"""Where instructions come from and what registers are called: apart from the module, whose meaning it is no part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from domain.rtfs.bytecode.module import ModuleInvalid


@dataclass(frozen=True, slots=True)
class LocalName:
    """What the source calls a register, over a stretch of instructions."""

    name: str
    register: int
    start: int
    """Site of the first instruction at which the register holds the value of this name."""
    end: int
    """Site after the last one."""


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Source positions by site: the number of an instruction within the whole module."""

    positions: tuple[tuple[int, int], ...]
    """Line and column, both counted from 1."""
    steps: tuple[str | None, ...]
    """The innermost `step` around it; empty when there is none at all."""
    functions: tuple[str, ...] = ()
    """Names by number of the function, empty for those without one; none in maps that know of no names."""
    locals: tuple[LocalName, ...] = ()
    """Names of registers, function by function; the inner one of two equal names comes later."""

    modules: tuple[tuple[str, int, int], ...] = ()
    """Imported modules, each with the first site that comes from its text and the one after the last; a module may
    be there several times. What is in none comes from the program's own text."""

    def module(self, site: int) -> str | None:
        """Give the name of the imported module that a site comes from; ``None``: the program itself."""
        return next((name for name, start, end in self.modules if start <= site < end), None)

    def position(self, site: int) -> tuple[int, int] | None:
        """Give line and column of a site in the program's own text; none when the map does not reach it.

        None too for what comes from an imported module, whose text is another one: ``place`` tells it.
        """
        place = self.place(site)
        return None if place is None or place[0] is not None else place[1:]

    def place(self, site: int) -> tuple[str | None, int, int] | None:
        """Give module, line and column of a site; none when the map does not reach it."""
        return (self.module(site), *self.positions[site]) if 0 <= site < len(self.positions) else None

    def step(self, site: int) -> str | None:
        """Give the name of the step that a site belongs to."""
        return self.steps[site] if 0 <= site < len(self.steps) else None

    def function(self, number: int) -> str:
        """Give the name of a function; empty when it has none, or the map does not know it."""
        return self.functions[number] if 0 <= number < len(self.functions) else ""

    def names_at(self, site: int) -> dict[str, int]:
        """Give the names that can be seen at a site, outer ones first, each with its register."""
        seen: dict[str, int] = {}
        for each in self.locals:
            if each.start <= site < each.end:
                seen.pop(each.name, None)
                seen[each.name] = each.register
        return seen

    def encode(self) -> bytes:
        """Give the map as JSON text."""
        tables: dict[str, Any] = {
            "positions": self.positions,
            "steps": self.steps,
            "functions": self.functions,
            "locals": [(each.name, each.register, each.start, each.end) for each in self.locals],
        }
        if self.modules:
            tables["modules"] = self.modules
        return orjson.dumps(tables)

    @classmethod
    def decode(cls, data: bytes) -> SourceMap:
        """Read what ``encode`` gave, now or before it knew of names; tables that are not known are left out.

        Raises ``ModuleInvalid``.
        """
        try:
            return _read(orjson.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
            raise ModuleInvalid(f"the source map cannot be read: {problem}") from problem


def _read(tree: Any) -> SourceMap:
    return SourceMap(
        positions=tuple((int(line), int(column)) for line, column in tree["positions"]),
        steps=tuple(step if step is None else str(step) for step in tree["steps"]),
        functions=tuple(map(str, tree.get("functions", ()))),
        locals=tuple(
            LocalName(str(name), int(register), int(start), int(end))
            for name, register, start, end in tree.get("locals", ())
        ),
        modules=tuple((str(name), int(start), int(end)) for name, start, end in tree.get("modules", ())),
    )
