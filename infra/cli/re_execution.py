"""A re-execution on the screen and as JSON: what was really called again, and which tools answer otherwise now."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from commands.replays.executing import OtherAnswer, ReExecution
from domain.runs.replay import Replay
from domain.runs.state import ENDED
from infra.cli.divergence import difference_document, difference_table
from infra.cli.output import counted

SHOWN = 10
"""Effects that are shown with their differences; --json has all."""


def rendered(done: ReExecution) -> list[RenderableType]:
    """A re-execution for people."""
    word = ("differs", "bold red") if done.others else (identical(done.replay), "bold green")
    again = f"{counted(done.executed, 'tool call')} made again, {len(done.others)} answered otherwise"
    parts: list[RenderableType] = [Text.assemble(word, f"  {again}")]
    if done.answered:
        kept = ", ".join(f"{number} {why}" for why, number in sorted(done.answered.items()))
        parts.append(Text(f"{counted(sum(done.answered.values()), 'effect')} answered from the journal: {kept}"))
    for other in done.others[:SHOWN]:
        parts += _other(other)
    if len(done.others) > SHOWN:
        parts.append(Text(f"… {len(done.others) - SHOWN} more", style="dim"))
    if done.replay.output_digest is not None and not done.others:
        parts.append(Text(f"output {done.replay.output_digest}: the same bytes"))
    return parts


def identical(replay: Replay) -> str:
    """The word for a run without a difference; one that has not ended is known up to where it stands."""
    return "identical" if replay.ended in ENDED else f"identical so far (the run is {replay.ended})"


def _other(other: OtherAnswer) -> list[RenderableType]:
    head = Text.assemble((f"effect {other.effect}", "bold"), f"  {other.tool} answers otherwise now")
    if other.differences:
        return [head, Padding(difference_table(other.differences, ("recorded", "now")), (0, 0, 0, 2))]
    return [head, Padding(Text(f"recorded {other.expected}\nnow      {other.actual}"), (0, 0, 0, 2))]


def message_of(name: str, done: ReExecution) -> str:
    """What is said on stderr."""
    first = done.others[0]
    tools = ", ".join(sorted({other.tool for other in done.others}))
    return (
        f"run {name}: the program asks as recorded, but {tools} answers otherwise now, first at effect {first.effect} "
        f"(recorded {first.expected}, now {first.actual})"
    )


def document_of(done: ReExecution) -> dict[str, Any]:
    """A re-execution as JSON."""
    return {
        "identical": not done.others,
        "executed": done.executed,
        "answered": dict(done.answered),
        "others": [
            {
                "effect": other.effect,
                "tool": other.tool,
                "expected": other.expected,
                "actual": other.actual,
                "differences": [difference_document(each) for each in other.differences],
            }
            for other in done.others
        ],
    }
