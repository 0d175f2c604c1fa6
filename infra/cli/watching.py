"""One run as its events tell it, from the log alone: what it is now, and each event's line as it happens."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from itertools import groupby
from typing import Any, Final, Self

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.status import Status
from rich.syntax import Syntax
from rich.text import Text

from domain.kernel.events import Recorded
from domain.runs.events import ApprovalRequested, ToolCallCompleted, ToolCallOutcomeUnknown
from domain.runs.parts import RunEvent
from domain.runs.planning import PlanDrafted, PlanRejected
from domain.runs.state import Run
from infra.cli.elapsed import Elapsed
from infra.cli.output import Output, counted
from infra.cli.timeline import is_recorded, line_of, render_line, seconds

SHOWN_ALIKE: Final = 3
"""Answers of one tool in a row that are shown singly; those after them are counted in one line."""

SEEN: Final = 12
"""Hexadecimal digits by which an approval names the request that was seen."""

_INDENT: Final = (0, 0, 0, 21)
_QUOTED: Final = re.compile(r" *\d* \|( |$)")
"""A line of a plan behind its number, or the line below it that has the caret."""

_PLAIN_PHASES: Final = {"planned": "plans", "routed": "plans", "executing": "executes", "judged": "judges"}


class Watch:
    """Folds the events of one run and prints them."""

    def __init__(self, output: Output, *, every: bool) -> None:
        """``every``: print each event, also the hundredth answer of one tool in a row."""
        self.elapsed = Elapsed()
        self.events = 0
        self.model_calls = 0
        self._output = output
        self._alike = _Alike(output.show, sys.maxsize if every else SHOWN_ALIKE)
        live = not output.as_json and output.screen.is_terminal
        self._status: Status | nullcontext[None] = output.screen.status("") if live else nullcontext()

    def __enter__(self) -> Self:
        self._status.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._alike.flush()
        self._status.__exit__(None, None, None)

    @property
    def run(self) -> Run:
        """What the run is now."""
        return self.elapsed.run

    def see(self, recorded: Recorded, name: str) -> None:
        """Take in the next event of the run ``name``, and print it."""
        event = self.elapsed.see(recorded)
        self.events += 1
        self.model_calls += recorded.short_name in ("ModelCallAnswered", "ModelCallFailed")
        if not self._output.as_json:
            self._print(recorded, event, name)
        if isinstance(self._status, Status):
            self._status.update(self._standing())

    def _print(self, recorded: Recorded, event: RunEvent | None, name: str) -> None:
        line = line_of(recorded)
        if line is None:
            self._output.show(Text(f"{recorded.short_name} (unknown to this release)", style="dim"))
            return
        assert self.elapsed.began is not None, "set with the first event"
        if isinstance(event, ToolCallCompleted) and self._alike.counts(event):
            return
        if not isinstance(event, ToolCallCompleted):
            self._alike.flush()
        recorded_answer = is_recorded(recorded.short_name, recorded.data)
        self._output.show(render_line(line, self.elapsed.began, self._output.screen.width, recorded=recorded_answer))
        self._output.show(*below(event, name))

    def _standing(self) -> str:
        if self.run.paused:
            return "paused"
        if self.run.waiting:
            return f"waits for a person: {', '.join(sorted(self.run.waiting))}"
        return f"{_PLAIN_PHASES.get(self.run.phase, self.run.phase)}, {counted(len(self.run.journal), 'effect')}"


def below(event: RunEvent | None, name: str) -> list[Any]:
    """What is shown below the line of an event: a plan's text, the compiler's message, the command that settles it."""
    match event:
        case PlanDrafted(source=source):
            return [Padding(listing(source), _INDENT)]
        case PlanRejected(message=message):
            return _complaint(message)
        case ApprovalRequested(effect=effect, request_digest=digest):
            return [_Kept(approval(name, effect, digest), "bold")]
        case ToolCallOutcomeUnknown(effect=effect):
            return [_Kept(resolution(name, effect), "bold")]
    return []


def _complaint(message: str) -> list[Any]:
    """What the compiler says: its sentences wrapped, the lines of the plan that it points at as they are."""
    parts: list[Any] = []
    for quoted, lines in groupby(message.split("\n"), lambda line: _QUOTED.match(line) is not None):
        given = tuple(lines)
        parts.append(_Kept(given, "red") if quoted else Padding(Text("\n".join(given), style="red"), _INDENT))
    return parts


class _Kept:
    """Lines that stay lines, since they are there to be copied or point at each other: indented as far as they fit."""

    def __init__(self, lines: tuple[str, ...], style: str) -> None:
        self._lines = lines
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it."""
        room = options.max_width - max(map(cell_len, self._lines))
        text = Text("\n".join(self._lines), style=self._style, no_wrap=room >= 0, overflow="fold")
        yield Padding(text, (0, 0, 0, min(_INDENT[3], max(0, room))))


def listing(source: str) -> Syntax:
    """A plan with line numbers."""
    return Syntax(
        source.rstrip("\n"), "clojure", theme="ansi_dark", line_numbers=True, background_color="default", word_wrap=True
    )


def approval(run: str, effect: str, digest: str) -> tuple[str, ...]:
    """Commands that settle an effect which waits for approval; ``digest`` is that of what is shown."""
    seen = digest.removeprefix("sha256:")[:SEEN]
    return f"precedent approve {run} {effect} --digest {seen}", f"precedent approve {run} {effect} --refuse REASON"


def resolution(run: str, effect: str) -> tuple[str, ...]:
    """Commands that settle an effect whose outcome is unknown."""
    command = f"precedent resolve {run} {effect} --outcome"
    return f"{command} happened --result JSON", f"{command} repeat", f"{command} failed"


class _Alike:
    """Counts answers of one tool in a row beyond the first few."""

    def __init__(self, show: Callable[..., None], most: int) -> None:
        self._show = show
        self._most = most
        self._tool = ""
        self._seen = 0
        self._duration = 0.0
        self._first = self._last = ""

    def counts(self, event: ToolCallCompleted) -> bool:
        """Whether this one is counted instead of shown."""
        if event.tool != self._tool:
            self.flush()
            self._tool = event.tool
        self._seen += 1
        if self._seen <= self._most:
            return False
        self._first = self._first or event.effect
        self._last = event.effect
        self._duration += event.duration
        return True

    def flush(self) -> None:
        """Say how many were counted, and begin anew."""
        more = self._seen - self._most
        if more > 0:
            effects = f"effect {self._first}" if more == 1 else f"effects {self._first} to {self._last}"
            answered = f"{self._tool} answered {counted(more, 'more time')}"
            took = f"  {effects}, {seconds(self._duration)}{'' if more == 1 else ' in all'}"
            self._show(Padding(Text.assemble(("… ", "dim"), answered, (took, "dim")), _INDENT))
        self._tool, self._seen, self._duration, self._first, self._last = "", 0, 0.0, "", ""
