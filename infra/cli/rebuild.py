"""``rebuild``: a projection anew from the first event, beside the tables that readers use meanwhile."""

from __future__ import annotations

import click

from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.session import session
from projections.catalog import PROJECTIONS
from projections.rebuild import Progress
from projections.rebuild import rebuild as build_anew


@click.command(
    epilog=f"PROJECTION is one of {', '.join(sorted(PROJECTIONS))}.\n\n"
    + examples("precedent rebuild timeline", "precedent rebuild runs --json")
)
@click.argument("projection", type=click.Choice(sorted(PROJECTIONS)), metavar="PROJECTION")
@invoked
def rebuild(cli: Invocation, projection: str) -> int:
    """Build PROJECTION anew from the first event, and serve the new rows once they have caught up.

    Readers see the old rows meanwhile. It may be interrupted; the next rebuild goes on where it was.
    """
    return complete(_rebuild(cli, projection))


async def _rebuild(cli: Invocation, name: str) -> int:
    reached = Progress(0, 0)

    async with session(cli, services=False) as connected:
        with cli.output.progress(f"rebuild {name}") as bar:

            def advance(progress: Progress) -> None:
                nonlocal reached
                reached = progress
                bar(progress.done, progress.total)

            await build_anew(connected.store, connected.database, PROJECTIONS[name], advance)
    cli.output.document({"projection": name, "events": reached.done})
    cli.output.show(f"projection {name} rebuilt from {counted(reached.done, 'event')}")
    return DONE
