"""A program's text as its parts: forms with their comments and line breaks, for laying it out anew.

Nodes leave out what means nothing; here everything that a person wrote is kept but the blanks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.rtfs.lexemes import CLOSERS, Kind, kind_of, lexemes

MARKS: Final = ("'", "`", "~", "~@", "^", ":")


@dataclass(slots=True)
class Comment:
    """``; …`` to the end of the line, or ``#| … |#``."""

    text: str
    breaks: bool
    """Whether it begins a line."""
    blank: bool
    """Whether a blank line stands before it."""

    @property
    def to_line_end(self) -> bool:
        """Whether nothing can follow on its line."""
        return self.text.startswith(";")


@dataclass(slots=True)
class Part:
    """An atom, a form in brackets, or a mark with its form; and the comments around it."""

    text: str
    """The whole atom; or the bracket that opens, or the mark."""
    breaks: bool
    """Whether it begins a line; of a part behind comments: the line behind the last of them."""
    blank: bool
    """Whether a blank line stands before it."""
    before: list[Comment]
    parts: list[Part] | None = None
    """What is within; ``None`` for an atom."""
    after: list[Comment] = field(default_factory=list)
    """What stands behind it on its line."""
    dangling: list[Comment] = field(default_factory=list)
    """What stands before the closing bracket, on lines of their own."""

    @property
    def first(self) -> Comment | Part:
        """What of it comes first: a comment, or itself."""
        return self.before[0] if self.before else self

    @property
    def closer(self) -> str:
        """The bracket that closes it, if one does."""
        return CLOSERS.get(self.text, "") if self.parts is not None else ""


def read_parts(text: str) -> Part:
    """Give the parts of a text that can be read, within one part that stands for the whole of it."""
    return _Reading().read(text.removeprefix("\ufeff"))


class _Reading:
    def __init__(self) -> None:
        self.stack = [Part("", False, False, [], [])]  # noqa: FBT003  # the whole text
        self.comments: list[Comment] = []
        self.lines = 0
        """Line ends since the last lexeme that was not blank."""

    def read(self, text: str) -> Part:
        for lexeme in lexemes(text):
            kind = kind_of(lexeme)
            if kind is Kind.BLANK:
                self.lines += lexeme.count("\n")
                continue
            if kind is Kind.COMMENT:
                self.comments.append(Comment(lexeme.rstrip(), self.lines > 0, self.lines > 1))
            elif kind is Kind.OPEN or kind is Kind.MARK or lexeme == ":":
                self.stack.append(self.take(lexeme, []))
            elif kind is Kind.CLOSE:
                self.close()
            else:
                self.add(self.take(lexeme, None))
            self.lines = 0
        self.end(self.stack[0])
        return self.stack[0]

    def take(self, text: str, parts: list[Part] | None) -> Part:
        """Make a part, with the comments that stand before it."""
        part = Part(text, self.lines > 0, self.lines > 1, [], parts)
        part.before = self.split(self.stack[-1].parts or [], closing=False, next_breaks=part.breaks)
        return part

    def split(self, siblings: Sequence[Part], *, closing: bool, next_breaks: bool) -> list[Comment]:
        """Give the last sibling the comments behind it on its line; return the others."""
        comments, self.comments = self.comments, []
        while comments and siblings and not comments[0].breaks:
            ends_line = comments[1].breaks if len(comments) > 1 else next_breaks
            if not (comments[0].to_line_end or ends_line or closing):
                break
            siblings[-1].after.append(comments.pop(0))
        return comments

    def add(self, part: Part) -> None:
        """Put a finished part where it belongs; that may finish the marks before it."""
        stack = self.stack
        assert stack[-1].parts is not None
        stack[-1].parts.append(part)
        while stack[-1].text in MARKS and _is_complete(stack[-1]):
            mark = stack.pop()
            inside = stack[-1].parts
            assert inside is not None
            inside.append(mark)

    def close(self) -> None:
        part = self.stack.pop()
        self.end(part)
        self.add(part)

    def end(self, part: Part) -> None:
        part.dangling = self.split(part.parts or [], closing=True, next_breaks=True)


def _is_complete(mark: Part) -> bool:
    parts = mark.parts or []
    return len(parts) > (metadata_length(parts) if mark.text == "^" else 0)


def metadata_length(parts: Sequence[Part]) -> int:
    """Say how many of the parts behind ``^`` are metadata, as the reader counts them."""
    if parts[0].text != ":delegation":
        return 1
    target = parts[1].text if len(parts) > 1 else ""
    named = target in (":local-model", ":remote") and len(parts) > 2 and parts[2].text.startswith('"')
    return 3 if named else 2
