"""What commands print: results on stdout, for people or as JSON; everything else on stderr."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

WIDTH: Final = 120
"""Columns where the output is no terminal and COLUMNS says nothing."""

_PIECE: Final = re.compile(r"\s*(?:`[^`]*`|\S)+")
"""A word with the blanks before it; what stands between backquotes is one word."""

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(stderr=stderr, width=width, highlight=False, emoji=False, markup=False)


@dataclass(frozen=True, slots=True)
class Output:
    """One command's output. With ``as_json``, stdout has JSON and nothing else."""

    as_json: bool
    screen: Console = field(default_factory=lambda: _console(stderr=False))
    notes: Console = field(default_factory=lambda: _console(stderr=True))
    _bars: list[Progress] = field(default_factory=list, init=False, repr=False, compare=False)
    """The progress bar that is on the screen, if any."""

    def show(self, *renderables: RenderableType) -> None:
        """Print for people; nothing with ``as_json``."""
        if not self.as_json:
            for renderable in renderables:
                self._print(renderable)

    def show_line(self, text: str, style: str = "") -> None:
        """Print one line for people as one line, however narrow the screen: it is there to be copied."""
        if not self.as_json:
            self.screen.print(Text(text, style=style), soft_wrap=True)

    def _print(self, renderable: RenderableType) -> None:
        if self.screen.is_terminal:
            with self._without_bars():
                self.screen.print(renderable)
            return
        with self.screen.capture() as printed:
            self.screen.print(renderable)
        # Tables fill their lines with spaces, which a file or another program has no use for.
        lines = printed.get().split("\n")
        self.screen.file.write("\n".join(line.rstrip(" ") for line in lines))
        self.screen.file.flush()

    def document(self, document: Any) -> None:
        """Print the one JSON document of a command; nothing without ``as_json``."""
        if self.as_json:
            write_json(document, indent=True)

    def note(self, text: str) -> None:
        """Say on stderr what is going on."""
        self.say(Text(text, style="dim"))

    def warn(self, text: str) -> None:
        """Say on stderr what is not as it should be."""
        self.say(Text.assemble(("note: ", "yellow"), text))

    def say(self, text: Text) -> None:
        """Say something on stderr; on a terminal its lines end between words."""
        if self.notes.is_terminal:
            text = Text("\n").join(_wrapped(line, self.notes.width) for line in text.split("\n", allow_blank=True))
        self.notes.print(text, soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say on stderr what takes a while; on a terminal something moves until it is done."""
        self.note(what)
        with self.notes.status("") if self.notes.is_terminal else nullcontext():
            yield

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar on stderr, seen on a terminal only; tell it how much is done of how much."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # A bar is on stderr and cannot know that lines of JSON scroll it away.
        seen = self.notes.is_terminal and not (self.as_json and self.screen.is_terminal)
        with Progress(*columns, console=self.notes, transient=True, disable=not seen) as progress:
            task = progress.add_task(what, total=None)
            self._bars.extend([progress] if seen else [])
            try:
                yield lambda done, total: progress.update(task, completed=done, total=total)
            finally:
                self._bars.clear()

    @contextmanager
    def _without_bars(self) -> Iterator[None]:
        """Take a bar away while something is printed where it is."""
        for bar in self._bars:
            bar.stop()
        yield
        for bar in self._bars:
            bar.start()


def _wrapped(line: Text, width: int) -> Text:
    """A line broken between words; a command in backquotes is there to be copied and stays in one piece."""
    places, used = [], 0
    for piece in _PIECE.finditer(line.plain):
        taken = cell_len(piece[0])
        if used and used + taken > width:
            blanks = len(piece[0]) - len(piece[0].lstrip())
            places.append((piece.start(), piece.start() + blanks))
            used, taken = 0, taken - blanks
        used += taken
    ends = [*(begin for begin, _ in places), len(line)]
    begins = [0, *(end for _, end in places)]
    return Text("\n").join(line[begin:end] for begin, end in zip(begins, ends, strict=True))


def write_json(document: Any, *, indent: bool = False) -> None:
    """One JSON document on stdout, ended by a line feed."""
    options = orjson.OPT_INDENT_2 if indent else 0
    text = orjson.dumps(document, default=_plainly, option=options | orjson.OPT_NON_STR_KEYS).decode()
    sys.stdout.write(text + "\n")


def _plainly(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return value._asdict()
    return str(value)


def counted(number: int, noun: str) -> str:
    """A number of things: ``1 event``, ``2 events``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short(text: str) -> str:
    """The text with digests cut to what tells them apart."""
    return _DIGEST.sub(r"sha256:\1…", text)


def visible(text: str) -> str:
    """The text with escapes, as strings of RTFS have them, for what would move the cursor or cannot be seen."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
