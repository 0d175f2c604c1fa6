"""The texts that one program is made of. Each begins at an offset of its own, so that a place always tells its text."""

from __future__ import annotations

from bisect import bisect_right

from domain.rtfs.source import LocatedError, Source, Span


class Texts:
    """The program's own text at offset 0, behind it those of its modules."""

    def __init__(self, main: Source) -> None:
        self.main = main
        self._sources = [main]
        self._starts = [0]

    def add(self, source: Source) -> int:
        """Give the offset at which the places of a further text begin."""
        # Two more: an empty place behind the last character is still within its text.
        start = self._starts[-1] + len(self._sources[-1].text) + 2
        self._sources.append(source)
        self._starts.append(start)
        return start

    def _find(self, offset: int) -> tuple[Source, int]:
        number = bisect_right(self._starts, offset) - 1
        return self._sources[number], offset - self._starts[number]

    def position(self, offset: int) -> tuple[int, int]:
        """Give line and column, both counted from 1, within the text."""
        source, within = self._find(offset)
        return source.position(within)

    def module(self, offset: int) -> str | None:
        """Give the name of the module that a place is in; ``None``: the program itself."""
        return self._find(offset)[0].name

    def local(self, span: Span) -> Span:
        """Give a place within its own text."""
        _, start = self._find(span.start)
        return Span(start, start + span.end - span.start)

    def line(self, span: Span) -> str:
        """Say the line of a place."""
        module = self.module(span.start)
        return f"line {self.position(span.start)[0]}{f' of {module}' if module else ''}"

    def locate(self, error: LocatedError) -> None:
        """Let an error of the compiler point into the text that its place is in."""
        if error.source is not self.main:
            return
        source, start = self._find(error.span.start)
        error.source, error.span = source, self.local(error.span)
        error.line, error.column = source.position(min(start, len(source.text)))
