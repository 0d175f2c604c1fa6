"""Which variable of the source is in which register, and over which instructions: what debuggers are told."""

from __future__ import annotations

from collections.abc import Callable

from domain.rtfs.bytecode.source_map import LocalName
from domain.rtfs.compiler.scope import Variable


class Naming:
    """The names of one function while it is generated."""

    def __init__(self) -> None:
        self._names: list[tuple[Variable, int, int]] = []
        """In the order of naming: variable, register, instruction from which on it is seen."""
        self._ends: dict[int, int] = {}
        """The instruction from which on a name (by its number) is not seen any more."""
        self._seen: list[int] = []
        """Numbers of the names that are seen."""

    def __len__(self) -> int:
        """Number of the names that are seen."""
        return len(self._seen)

    def add(self, variable: Variable, register: int, instruction: int) -> None:
        """Let a variable be seen from an instruction on."""
        self._seen.append(len(self._names))
        self._names.append((variable, register, instruction))

    def forget(self, count: int, instruction: int) -> None:
        """Let only the first so many of the names that are seen be seen from an instruction on."""
        for number in self._seen[count:]:
            self._ends[number] = instruction
        del self._seen[count:]

    def locals(self, site: int, place: Callable[[int], int]) -> list[LocalName]:
        """Give the names, all forgotten by now, of a function that begins at this site.

        ``place`` gives the final number of a register.
        """
        return [
            LocalName(variable.name, place(register), site + start, site + self._ends[number])
            for number, (variable, register, start) in enumerate(self._names)
            # The compiler's own variables begin with a space, and `_` is what the source does not look at.
            if start < self._ends[number] and variable.name != "_" and not variable.name.startswith(" ")
        ]
