"""Places of a plan on the screen: the line of the source, and a caret below it."""

from __future__ import annotations

from domain.rtfs.source import Source, Span, render


def pointed(text: str, position: tuple[int, int] | None, message: str) -> str:
    """A message with the source line of a position (line and column from 1), where there is one in the text."""
    lines = text.split("\n")
    if position is None or not 1 <= position[0] <= len(lines):
        return message
    offset = sum(len(line) + 1 for line in lines[: position[0] - 1]) + position[1] - 1
    return render(Source(text), Span(offset, offset + 1), message)
