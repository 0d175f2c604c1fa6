"""``runs``: the run table, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import shorten
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from domain.runs.state import Phase
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.lists import GOAL, LIMIT, of_status
from infra.cli.session import session
from projections.runs import RunRow, list_runs

BESIDE_GOAL: Final = 92
"""Columns that all but the goal take."""

BESIDE_GOAL_NARROW: Final = 60
"""The same without the figures."""

WIDE: Final = BESIDE_GOAL + 20
"""Columns from which on the figures fit beside a goal that says something."""

STATUSES: Final = (*(phase.value for phase in Phase if phase is not Phase.NEW), "paused", "waiting")
STYLES: Final = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "waiting": "bold yellow",
    "paused": "yellow",
}


@click.command(
    epilog=examples("precedent runs", "precedent runs --status waiting", "precedent runs --goal licences --json")
)
@of_status(STATUSES)
@GOAL
@LIMIT
@invoked
def runs(cli: Invocation, status: Sequence[str], goal: str | None, limit: int) -> int:
    """List runs, the newest first, with where each stands and what it used.

    `took` is the time from submission to the latest event; `precedent show RUN` says how much of it was waiting.
    """
    return complete(_runs(cli, status, goal, limit))


async def _runs(cli: Invocation, status: Sequence[str], goal: str | None, limit: int) -> int:
    async with session(cli, services=False) as connected:
        await connected.read_up_to(await connected.store.end())
        async with connected.database.transaction() as transaction:
            rows = await list_runs(transaction, connected.settings.tenant, status=status, goal_has=goal, limit=limit)
    cli.output.document({"runs": [asdict(row) for row in rows]})
    cli.output.show(
        _table(rows, cli.output.screen.width) if rows else "no runs; submit one with `precedent run TASK.yaml`"
    )
    return DONE


def _table(rows: Sequence[RunRow], width: int) -> Table:
    """The runs; on a narrow screen without the figures, since an id that is cut is good for nothing."""
    figures = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "status", "submitted (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("took", "events", "calls") if figures else ():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("goal", no_wrap=True)
    for row in rows:
        goal = shorten(row.goal, max(16, width - (BESIDE_GOAL if figures else BESIDE_GOAL_NARROW)), placeholder="…")
        table.add_row(
            row.id,
            Text(row.status, STYLES.get(row.status, "")),
            f"{row.submitted_at:%Y-%m-%d %H:%M:%S}",
            *(_figures(row) if figures else ()),
            Text(goal),
        )
    return table


def _figures(row: RunRow) -> tuple[str, str, str]:
    took = (row.ended_at or row.updated_at) - row.submitted_at
    return f"{took.total_seconds():.2f} s", str(row.events), str(row.tool_calls)
