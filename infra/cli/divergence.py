"""A divergence on the screen and as JSON: where it is in the plan, what was expected, what came, where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from domain.kernel.values import ValueNotDecodable, decode
from domain.rtfs.types import plain
from domain.runs.differences import ABSENT, Difference
from domain.runs.journal import PARTS, ReplayDiverged
from infra.cli.pointing import pointed
from projections.spelling import spelled

LONGEST: Final = 200
"""Characters of a value on the screen; --json has all of it."""

ROWS: Final = 10
"""Differences on the screen."""


def rendered(error: ReplayDiverged) -> list[RenderableType]:
    """A divergence for people."""
    what = PARTS.get(error.effect, f"effect {error.effect}")
    place = pointed(error.plan, error.position, what) if error.plan is not None else what
    told = Table.grid(padding=(0, 2))
    told.add_row(Text("the record has", style="dim"), Text(error.expected, overflow="fold"))
    told.add_row(Text("the replay has", style="dim"), Text(error.actual, overflow="fold"))
    parts: list[RenderableType] = [Text.assemble(("diverged", "bold red"), "  ", place), Padding(told, (0, 0, 0, 2))]
    if error.differences:
        parts.append(Padding(difference_table(error.differences, ("recorded", "now")), (0, 0, 0, 2)))
    return parts


def difference_table(found: Sequence[Difference], sides: tuple[str, str], whole: str = "all of it") -> Table:
    """Places at which two values differ, with what is there on either side; ``whole`` names the values themselves."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("where", no_wrap=True)
    for side in sides:
        table.add_column(side, ratio=1, overflow="fold")
    for each in found[:ROWS]:
        table.add_row(each.path or whole, shown(each.recorded), shown(each.actual))
    if len(found) > ROWS:
        table.add_row("…", Text(f"{len(found) - ROWS} more", style="dim"))
    return table


def shown(value: Any) -> Text:
    """An encoded value, cut; or that there is none."""
    return Text("-", style="dim") if value is ABSENT else Text(spelled(value, LONGEST))


def document_of(error: ReplayDiverged) -> dict[str, Any]:
    """A divergence as JSON, with the whole values."""
    recorded, actual = error.values if error.values is not None else (None, None)
    return {
        "effect": error.effect,
        "expected": error.expected,
        "actual": error.actual,
        "line": error.position[0] if error.position else None,
        "column": error.position[1] if error.position else None,
        "source": _line(error),
        "recorded": plain_or_raw(recorded),
        "now": plain_or_raw(actual),
        "differences": [difference_document(each) for each in error.differences],
    }


def difference_document(difference: Difference) -> dict[str, Any]:
    """One place; a side that has nothing there is left out."""
    sides = {"recorded": difference.recorded, "now": difference.actual}
    return {"path": difference.path} | {side: plain_or_raw(each) for side, each in sides.items() if each is not ABSENT}


def plain_or_raw(encoded: Any) -> Any:
    """Plain JSON of an encoded value; of what no codec ever wrote, what is there."""
    try:
        return plain(decode(encoded))
    except ValueNotDecodable:
        return encoded


def _line(error: ReplayDiverged) -> str | None:
    if error.plan is None or error.position is None:
        return None
    lines = error.plan.split("\n")
    return lines[error.position[0] - 1] if 1 <= error.position[0] <= len(lines) else None
