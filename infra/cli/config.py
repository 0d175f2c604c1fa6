"""``config``: the settings in force."""

from __future__ import annotations

import click
from rich.table import Table
from rich.text import Text

from infra.bootstrap.embedding import embedder_told
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked
from infra.settings import effective


@click.group(epilog=examples("precedent config show"))
def config() -> None:
    """The settings in force."""


@config.command(epilog=examples("precedent config show", "PRECEDENT_WORKERS=8 precedent config show --json"))
@invoked
def show(cli: Invocation) -> int:
    """Show every setting with its value in force and where that came from. Passwords are masked."""
    settings = cli.settings()
    values, embedder = effective(settings), embedder_told(settings)
    cli.output.document({"settings": [value._asdict() for value in values], "embedder": embedder._asdict()})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("key", no_wrap=True)
    for name in ("value", "from"):
        table.add_column(name, overflow="fold")
    for value in values:
        table.add_row(
            value.key, Text(value.value), Text(value.origin, style="dim" if value.origin == "default" else "")
        )
    cli.output.show(table)
    cli.output.show(Text(f"embedder in use: {embedder.name} ({embedder.says})"))
    return DONE
