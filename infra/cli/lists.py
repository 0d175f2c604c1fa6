"""Options of the commands that list rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import click

from infra.cli.invocation import WholeNumber

Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

LIMIT: Final[Option] = click.option(
    "--limit", type=WholeNumber(1, 10_000), metavar="N", default=20, show_default=True, help="At most so many."
)
GOAL: Final[Option] = click.option("--goal", metavar="TEXT", help="Whose goal contains this text.")


def of_status(statuses: Sequence[str]) -> Option:
    """``--status``, one of these, any number of times."""
    return click.option(
        "--status",
        multiple=True,
        type=click.Choice(statuses),
        metavar="STATUS",
        help=f"Of this status only: {', '.join(statuses)}. May be repeated.",
    )
