"""Source text and places in it: what every message about a program points at."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

from domain.kernel.errors import PrecedentError

EXCERPT = 120
"""Characters of a source line that a message shows; longer lines are cut around the place."""


class Span(NamedTuple):
    """A stretch of source text: offsets in characters, ``end`` exclusive."""

    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """A program's text, able to say where an offset lies."""

    text: str
    name: str | None = None
    """Of the module that it is; ``None``: the program itself."""

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1, without its line end."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


def decode(data: bytes) -> str:
    """Give the text of a program from its UTF-8 bytes. Raises ``ReadError`` that names the first byte that is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        hint = "save the program as UTF-8"
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            hint += "; this looks like UTF-16"
        at = len(data[: problem.start].decode())
        source = Source(data.decode(errors="replace"))
        message = f"byte {problem.start} (0x{data[problem.start]:02x}) is not UTF-8"
        raise ReadError(message, source, Span(at, at + 1), hint) from problem


class Related(NamedTuple):
    """A second place that a message is about, and what is to be seen there."""

    span: Span
    message: str


def render(source: Source, span: Span, message: str, hint: str | None = None, related: Related | None = None) -> str:
    """Show a message with its line, column, source line, caret, second place and hint."""
    lines = _excerpt(source, span, message)
    if related:
        lines += _excerpt(source, related.span, related.message)
    if hint:
        lines.append(f"hint: {hint}")
    return "\n".join(lines)


def _excerpt(source: Source, span: Span, message: str) -> list[str]:
    line_number, column = source.position(min(span.start, len(source.text)))
    line = _shown(source.line(line_number))
    width = max(1, min(span.end, span.start + len(line) - column + 1) - span.start)
    cut = max(0, column - 1 - EXCERPT // 2) if len(line) > EXCERPT else 0
    shown = line[cut : cut + EXCERPT]
    caret = " " * (column - 1 - cut) + "^" * max(1, min(width, len(shown) - (column - 1 - cut)))
    gutter = str(line_number)
    return [
        f"{f'{source.name}, ' if source.name else ''}line {line_number}, column {column}: {message}",
        f" {gutter} | {shown}",
        f" {' ' * len(gutter)} | {caret}",
    ]


def _shown(line: str) -> str:
    """Make a line safe to show: each character takes one place, and none moves the terminal."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else " " if c in "\t\u00a0" else "\ufffd" for c in line)


class LocatedError(PrecedentError):
    """Correct the source at the place that the message points at."""

    code: ClassVar[str] = "rtfs.located"

    def __init__(
        self, message: str, source: Source, span: Span, hint: str | None = None, related: Related | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.span = span
        self.hint = hint
        self.related = related
        self.line, self.column = source.position(min(span.start, len(source.text)))
        self.others: tuple[LocatedError, ...] = ()
        """What else is wrong, as far as that can be told; ``message`` and the place are those of the first."""

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        """Give the message with line, column, source line, caret and hint; behind it those of what else is wrong."""
        first = render(self.source, self.span, self.message, self.hint, self.related)
        return "\n".join([first, *(each.render() for each in self.others)])


class CompileError(LocatedError):
    """The program means nothing that can run: correct the place that the message points at, following the hint."""

    code: ClassVar[str] = "rtfs.compile"


class ReadError(CompileError):
    """The text is no RTFS: correct the place that the message points at."""

    code: ClassVar[str] = "rtfs.read"


class UnfinishedError(ReadError):
    """The text ends within a form: go on with it, or correct the place that the message points at."""
