"""Programs laid out as the Clojure community does it: one canonical layout, comments and spellings kept.

A form that its writer put on one line stays there while it fits; one that goes over several lines, or does not fit,
has its parts on lines of their own. Laying out twice gives the same text, and the nodes are those of the text before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.rtfs.arrangement import Arrangement, Flow, Glued, Groups, Rows, arrange, bindings_of
from domain.rtfs.parts import Comment, Part, read_parts
from domain.rtfs.reader import read

WIDTH: Final = 100
"""Characters of a line, where the program allows it."""


def format_source(text: str, width: int = WIDTH) -> str:
    """Lay out a program. Raises ``ReadError`` when the text cannot be read.

    The meaning stays: the result reads as the same nodes. It ends with a line end, unless nothing is there.
    """
    read(text)
    whole = read_parts(text)
    plan = _Plan()
    plan.measure(whole)
    page = _Page(plan, width)
    page.write_whole(whole)
    return page.text()


class _Plan:
    """How every form of a program is laid out, and how long it is on one line."""

    def __init__(self) -> None:
        self.arrangements: dict[int, Arrangement] = {}
        self.lengths: dict[int, int | None] = {}
        """Of a part on one line, by identity; ``None`` when it does not stand on one."""

    def arrangement(self, part: Part) -> Arrangement:
        return self.arrangements[id(part)]

    def length(self, part: Part) -> int | None:
        return self.lengths[id(part)]

    def measure(self, part: Part, arrangement: Arrangement | None = None) -> None:
        """Work out a part and all within."""
        if part.parts is None:
            self.lengths[id(part)] = None if "\n" in part.text else len(part.text)
            return
        chosen = self.arrangements[id(part)] = arrangement or arrange(part)
        _join_lines(chosen)
        bindings = bindings_of(part)
        for place, each in enumerate(part.parts):
            pairing = bindings[1] if bindings and bindings[0] == place and each.text == "[" else None
            self.measure(each, arrange(each, pairing) if pairing else None)
        self.lengths[id(part)] = self.on_one_line(part)

    def on_one_line(self, part: Part) -> int | None:
        if part.dangling:
            return None
        total = len(part.text) + len(part.closer) + _apart(part)
        for place, each in enumerate(part.parts or []):
            length = self.length(each)
            if length is None or each.breaks or each.before or each.after:
                return None
            total += length + (place > 0)
        return total


def _join_lines(arrangement: Arrangement) -> None:
    """Forget the line ends that the layout does not keep: a part of the same line stands behind the one before it."""
    match arrangement:
        case Rows(header, groups, clauses):
            joined = [*header, *(part for group in groups for part in (group[1:-1] if clauses else group[1:]))]
            if not header and groups:
                joined.append(groups[0][0])
        case Flow(parts):
            joined = parts[:1]
        case Glued(parts):
            joined = parts[:-1] if len(parts) > 1 else parts
    for part in joined:
        if not part.before:
            part.breaks = part.blank = False


def _apart(part: Part) -> int:
    """Count the blanks between a mark and its form."""
    inner = part.parts[0].first.text if part.parts else ""
    return int(part.text == ":" or (part.text == "~" and inner.startswith("@")))


class _Page:
    """The text as it is written, line by line."""

    def __init__(self, plan: _Plan, width: int) -> None:
        self.plan = plan
        self.width = width
        self.pieces: list[str] = []
        self.column = 0
        self.lines = 0
        """Line ends so far."""
        self.line_ends = False
        """Whether a comment has been written that goes to the end of its line."""

    def text(self) -> str:
        text = "".join(self.pieces)
        return f"{text}\n" if text else ""

    def write(self, text: str) -> None:
        self.pieces.append(text)
        end = text.rfind("\n")
        self.lines += text.count("\n")
        self.column = self.column + len(text) if end < 0 else len(text) - end - 1

    def new_line(self, indent: int, *, blank: bool = False) -> None:
        self.pieces.append(("\n\n" if blank else "\n") + " " * indent)
        self.column = indent
        self.lines += 1
        self.line_ends = False

    def go_on(self, item: Part | Comment, indent: int, space: str = " ") -> None:
        """Go to where the next thing stands: on a new line if it begins one, else behind a space."""
        if item.breaks or self.line_ends:
            self.new_line(indent, blank=item.blank)
        else:
            self.write(space)

    def fits(self, length: int | None, column: int, tail: int) -> bool:
        return length is not None and column + length + tail <= self.width

    def write_whole(self, whole: Part) -> None:
        for place, part in enumerate(whole.parts or []):
            if place:
                self.new_line(0, blank=part.first.blank)
            comments = sum(len(comment.text) + 1 for comment in part.before)
            if part.before and not self.fits(self.plan.length(part), comments, 0):
                # Lines of a form begin where it does, and that is not behind a comment.
                part.breaks = True
            self.put(part, 0, 0)
        for comment in whole.dangling:
            if self.pieces:
                self.new_line(0, blank=comment.blank)
            self.write(comment.text)

    def put(self, part: Part, indent: int, tail: int) -> None:
        """Write a part with its comments where the line now is; ``tail`` counts what closes right behind it."""
        for place, comment in enumerate(part.before):
            self.write(comment.text)
            self.line_ends = comment.to_line_end
            self.go_on(part.before[place + 1] if place + 1 < len(part.before) else part, indent)
        if part.parts is None:
            self.write(part.text)
        elif self.fits(self.plan.length(part), self.column, tail):
            self.write_flat(part)
        else:
            self.write_lines(part, tail + len(part.closer))
        for comment in part.after:
            self.go_on(comment, indent)
            self.write(comment.text)
            self.line_ends = comment.to_line_end

    def write_flat(self, part: Part) -> None:
        if part.parts is None:
            self.write(part.text)
            return
        self.write(part.text + " " * _apart(part))
        for place, each in enumerate(part.parts):
            if place:
                self.write(" ")
            self.write_flat(each)
        self.write(part.closer)

    def write_lines(self, part: Part, tail: int) -> None:
        start = self.column
        self.write(part.text)
        match self.plan.arrangement(part):
            case Rows([], groups, _):
                indent = self.column
                self.rows(groups, indent, tail)
            case Rows(header, groups, _):
                indent = self.column + 1
                self.flow(header, indent, tail if not groups else 0, joined=True)
                if groups:
                    self.new_line(indent, blank=groups[0][0].first.blank and not _is_code(groups[0][0]))
                    self.rows(groups, indent, tail)
            case Flow(parts):
                indent = self.flow(parts, self.column, tail)
            case Glued(parts):
                indent = start
                self.write("" if parts[0].first.breaks else " " * _apart(part))
                self.glued(parts, start, tail)
        self.close(part, indent)

    def rows(self, groups: Groups, indent: int, tail: int) -> None:
        for number, group in enumerate(groups):
            if number:
                self.new_line(indent, blank=group[0].first.blank)
            else:
                self.begin(group[0], indent)
            for place, part in enumerate(group):
                last = tail if number == len(groups) - 1 and place == len(group) - 1 else 0
                if place:
                    self.beside(part, indent, last)
                self.put(part, indent, last)

    def begin(self, part: Part, indent: int) -> None:
        """Go to where the first thing behind a bracket stands."""
        if self.column != indent or self.line_ends or (part.before and part.first.breaks and self.pieces[-1].strip()):
            self.new_line(indent)

    def beside(self, part: Part, indent: int, tail: int) -> None:
        """Go on in a row; what fits on a line of its own only goes there, further in."""
        length = self.plan.length(part)
        wraps = not self.fits(length, self.column + 1, tail) and self.fits(length, indent + 2, tail)
        if wraps and not part.before and not self.line_ends:
            self.new_line(indent + 2)
        else:
            self.go_on(part.first, indent + 2)

    def flow(self, parts: Sequence[Part], indent: int, tail: int, *, joined: bool = False) -> int:
        """Write parts one after the other; give the column at which lines begin."""
        lines = self.lines
        head = bool(parts) and parts[0].parts is None and self.pieces[-1] in ("(", "#(")
        for place, part in enumerate(parts):
            last = tail if place == len(parts) - 1 else 0
            if not place:
                self.begin(part, self.column)
            elif place == 1 and head:
                self.go_on(part.first, indent)
                indent = indent if joined else self.column
            elif joined or not self.ends_line(part, last, lines):
                self.go_on(part.first, indent)
            else:
                self.new_line(indent, blank=part.first.blank)
            lines = self.lines
            self.put(part, indent, last)
        return indent

    def ends_line(self, part: Part, tail: int, before: int) -> bool:
        """Whether a new line begins before a part though its writer began none."""
        length = self.plan.length(part)
        return self.lines > before or (length is not None and not self.fits(length, self.column + 1, tail))

    def glued(self, parts: Sequence[Part], indent: int, tail: int) -> None:
        for place, part in enumerate(parts):
            if place:
                self.go_on(part.first, indent)
            elif part.first.breaks:
                self.new_line(indent)
            self.put(part, indent, tail if place == len(parts) - 1 else 0)

    def close(self, part: Part, indent: int) -> None:
        for comment in part.dangling:
            self.go_on(comment, indent, " " if part.parts else "")
            self.write(comment.text)
            self.line_ends = comment.to_line_end
        if self.line_ends and part.closer:
            self.new_line(indent)
        self.write(part.closer)


def _is_code(part: Part) -> bool:
    return not part.before
