"""Where instructions come from: kept apart from the module, since it says nothing of its meaning."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from domain.rtfs.bytecode.module import ModuleInvalid


@dataclass(frozen=True, slots=True)
class SourceMap:
    """Source positions by site: the number of an instruction within the whole module."""

    positions: tuple[tuple[int, int], ...]
    """Line and column, both counted from 1."""
    steps: tuple[str | None, ...]
    """The innermost `step` around it."""

    def position(self, site: int) -> tuple[int, int] | None:
        """Give line and column of a site; none when the map does not reach it."""
        return self.positions[site] if 0 <= site < len(self.positions) else None

    def step(self, site: int) -> str | None:
        """Give the name of the step that a site belongs to."""
        return self.steps[site] if 0 <= site < len(self.steps) else None

    def encode(self) -> bytes:
        """Give the map as JSON text."""
        return orjson.dumps({"positions": self.positions, "steps": self.steps})

    @classmethod
    def decode(cls, data: bytes) -> SourceMap:
        """Read what ``encode`` gave. Raises ``ModuleInvalid``."""
        try:
            tree = orjson.loads(data)
            positions = tuple((int(line), int(column)) for line, column in tree["positions"])
            return cls(positions, tuple(step if step is None else str(step) for step in tree["steps"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise ModuleInvalid(f"the source map cannot be read: {problem}") from problem
