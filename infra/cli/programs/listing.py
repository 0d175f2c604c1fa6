"""``programs ls``: the metadata index, the most used first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import shorten
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from domain.programs.state import Status
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.lists import GOAL, LIMIT, of_status
from infra.cli.session import session
from projections.program_rows import REFUSED, ProgramRow, list_programs

STATUSES: Final = (*(status.value for status in Status if status is not Status.UNKNOWN), REFUSED)
STYLES: Final = {
    "verified": "green",
    "candidate": "yellow",
    "demoted": "red",
    "revoked": "bold red",
    "refused": "red",
    "superseded": "dim",
}

BESIDE_GOAL: Final = 70
"""Columns that all but namespace and goal take."""

WIDE: Final = BESIDE_GOAL + 30
"""Columns from which on whole ids fit beside a goal that says something."""

SHOWN_OF_ID: Final = 8
"""Characters of an id on narrower screens; a beginning names a program."""


@click.command(
    short_help="List programs, the most used first.",
    epilog=examples(
        "precedent programs ls",
        "precedent programs ls --status verified --namespace crm",
        "precedent programs ls --goal licences --json",
    ),
)
@of_status(STATUSES)
@click.option("--namespace", metavar="NAME", help="Of this cache namespace only.")
@click.option("--module", metavar="DIGEST", help="Of this module only.")
@GOAL
@LIMIT
@invoked
def ls(
    cli: Invocation, status: Sequence[str], namespace: str | None, module: str | None, goal: str | None, limit: int
) -> int:
    """List programs, the most used first, with how far each is trusted and how it did.

    Those that the policy refused are listed too, with the status `refused`.
    """
    filters = {"status": status, "namespace": namespace, "module": module, "goal_has": goal, "limit": limit}
    return complete(_ls(cli, filters))


async def _ls(cli: Invocation, filters: dict[str, Any]) -> int:
    async with session(cli, services=False) as connected:
        await connected.read_up_to(await connected.store.end())
        async with connected.database.transaction() as transaction:
            rows = await list_programs(transaction, connected.settings.tenant, **filters)
    cli.output.document({"programs": [row_document(row) for row in rows]})
    if rows:
        cli.output.show(_table(rows, cli.output.screen.width))
    else:
        cli.output.show("no programs; a run of a task with `cache: {levels: [L4]}` publishes the one that solved it")
    return DONE


def row_document(row: ProgramRow) -> dict[str, Any]:
    """A program as JSON: every column but those that tell rows of the index apart, and its point, which is long."""
    return {name: value for name, value in asdict(row).items() if name not in ("tenant", "kind", "semantic_embedding")}


def _table(rows: Sequence[ProgramRow], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("program", "status", "namespace"):
        table.add_column(name, no_wrap=True)
    for name in ("uses", "ok", "wrong"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("goal")  # the one that gives way on a narrow screen
    shown = None if width >= WIDE else SHOWN_OF_ID
    left = (
        width
        - BESIDE_GOAL
        + (0 if shown is None else len(rows[0].id) - shown)
        - max(len("namespace"), *(len(row.namespace) for row in rows))
    )
    for row in rows:
        table.add_row(
            row.id[:shown],
            Text(row.validation_status, STYLES.get(row.validation_status, "")),
            row.namespace,
            str(row.uses),
            str(row.successes),
            str(row.failures + row.refutations),
            Text(shorten(row.goal, max(12, left), placeholder="…")),
        )
    return table
