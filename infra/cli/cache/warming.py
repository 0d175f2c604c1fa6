"""``cache warm``: the most valuable entries into the tier that all processes share."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.postgres.cache_tier import PostgresCacheTier
from adapters.system.clock import SystemClock
from domain.kernel.values import format_time
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.session import session


@click.command(
    short_help="Put the most valuable entries where all look early.",
    epilog=examples("precedent cache warm", "precedent cache warm --limit 10000 --json"),
)
@click.option(
    "--limit", type=WholeNumber(1, 1_000_000), metavar="N", default=1_000, show_default=True, help="At most so many."
)
@invoked
def warm(cli: Invocation, limit: int) -> int:
    """Put the entries that saved most into the broker's bucket, which every process asks before the database.

    Workers fill their own memory so when they start. Doing it again changes nothing. Whoever finds an entry there
    checks it against every invalidation that it has heard.
    """
    return complete(_warm(cli, limit))


async def _warm(cli: Invocation, limit: int) -> int:
    async with session(cli, services=False) as connected:
        await connected.read_up_to(await connected.store.end())
        shared = JetStreamCacheTier(connected.connection, SystemClock())
        kept = PostgresCacheTier(connected.database, connected.store)
        found = await kept.most_valuable(format_time(datetime.now(UTC)), limit)
        mine = [held for held in found if held.tenant == connected.settings.tenant]
        with cli.output.progress("warm the cache") as bar:
            for number, held in enumerate(mine):
                bar(number, len(mine))
                await shared.put(held)
    size = sum(held.size for held in mine)
    cli.output.document({"entries": len(mine), "bytes": size})
    what = f"{len(mine):,} {'entry' if len(mine) == 1 else 'entries'}, {counted(size, 'byte')}"
    cli.output.show(f"{what}: the most valuable first, in the tier that processes share")
    return DONE
