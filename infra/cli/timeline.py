"""A run's timeline on the screen: one line an event, whether live from the log or as the read side keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rich.text import Text

from domain.kernel.events import Recorded
from infra.cli.output import short
from projections.facts import read_fact
from projections.timeline import TIMELINE, Line

_ROLE_STYLES: Final = {
    "planner": "magenta",
    "compiler": "blue",
    "router": "blue",
    "guard": "yellow",
    "executor": "cyan",
    "critic": "magenta",
}
_EVENT_STYLES: Final = {
    "RunCompleted": "bold green",
    "RunFailed": "bold red",
    "RunCancelled": "bold yellow",
    "PlanRejected": "red",
    "ToolCallFailed": "red",
    "ToolCallDenied": "yellow",
    "ToolCallOutcomeUnknown": "bold yellow",
    "ApprovalRequested": "bold yellow",
    "ModelCallFailed": "red",
}
_SUMMARISED_ELSEWHERE: Final = frozenset({"PlanDrafted", "PlanRejected", "RunCompleted", "RunFailed"})
"""Their text is shown below the line, or at the end, whole."""

RECORDED: Final = "recorded transcript"


def line_of(event: Recorded) -> Line | None:
    """The line of an event, in the same words that the read side keeps; None where the event has none."""
    fact = read_fact(event, TIMELINE.appliers)
    if fact is None:
        return None
    line = TIMELINE.appliers[fact.type](fact)
    assert isinstance(line, Line), "the timeline's rows are its lines"
    return line


def render_line(line: Line, began: datetime, width: int, *, recorded: bool = False) -> Text:
    """One line: seconds since the beginning, who, what, effect key, duration."""
    who = line.actor.partition(":")[2] or line.actor
    took = "" if line.duration is None else seconds(line.duration)
    text = Text(f"{f'+{(line.at - began).total_seconds():.3f}s':>9} ", style="", no_wrap=True, end="\n")
    text.stylize("dim")
    text.append(f"{who:<10} ", style=_ROLE_STYLES.get(who, "green"))
    what = _what(line, recorded=recorded)
    if not took and not line.effect:
        what.truncate(width - len(text), overflow="ellipsis")
        return text.append_text(what)
    right = f"{line.effect or '':>8} {took:>9}"
    what.truncate(max(20, width - len(text) - len(right) - 1), overflow="ellipsis", pad=True)
    return text.append_text(what).append(f" {right}", style="dim")


def _what(line: Line, *, recorded: bool) -> Text:
    text = Text(short(line.title), style=_EVENT_STYLES.get(line.event, ""))
    if recorded:
        text.append(f"  {RECORDED}", style="bold yellow")
    if line.summary and line.event not in _SUMMARISED_ELSEWHERE:
        text.append(f"  {short(line.summary)}", style="dim")
    return text


def is_recorded(event: str, data: dict[str, Any]) -> bool:
    """Whether this is the answer of a transcript instead of a live model."""
    return event == "ModelCallAnswered" and bool(data["recorded"])


def seconds(value: float) -> str:
    """A duration for people."""
    if value < 1e-3:
        return f"{value * 1e6:.0f} us"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"
