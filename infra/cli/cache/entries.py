"""``cache ls`` and ``cache invalidate``: what is kept, and what is not to be given any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, get_args

import click
from rich.table import Table
from rich.text import Text

from domain.cache.keys import CacheKey, Level
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.values import format_time
from infra.cli.answers import report_answer
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.lists import LIMIT
from infra.cli.output import short
from infra.cli.session import Session, session
from projections.cache_entries import EntryRow, entries_beginning, list_entries

ID: Final = re.compile(r"[0-9a-f]{64}")
BEGINNING: Final = re.compile(r"[0-9a-f]{4,63}")
WIDE: Final = 120
"""Columns from which on an entry's run fits, too."""

SHOWN_OF_ID: Final = 16
"""Digits of an id on the screen; --json has all."""

_level = click.option("--level", type=click.Choice(get_args(Level)), help="Of this level only.")


@click.command(epilog=examples("precedent cache ls", "precedent cache ls --namespace crm --level L2 --json"))
@click.option("--namespace", metavar="NAME", help="Of this cache namespace only.")
@_level
@LIMIT
@invoked
def ls(cli: Invocation, namespace: str | None, level: str | None, limit: int) -> int:
    """List entries that may be given now, the newest first. Programs are listed by `precedent programs ls`."""
    return complete(_ls(cli, namespace, level, limit))


async def _ls(cli: Invocation, namespace: str | None, level: str | None, limit: int) -> int:
    now = format_time(datetime.now(UTC))
    async with session(cli, services=False) as connected:
        await connected.read_up_to(await connected.store.end())
        async with connected.database.transaction() as transaction:
            rows = await list_entries(
                transaction, connected.settings.tenant, now, namespace=namespace, level=level, limit=limit
            )
    cli.output.document({"entries": [_entry_document(row) for row in rows]})
    cli.output.show(
        _table(rows, cli.output.screen.width)
        if rows
        else "no entries; tasks ask for reuse with `cache: {levels: [L2, L3]}`"
    )
    return DONE


def _entry_document(row: EntryRow) -> dict[str, Any]:
    return {
        name: value for name, value in asdict(row).items() if name not in ("tenant", "value", "withdrawn", "reason")
    }


def _table(rows: Sequence[EntryRow], width: int) -> Table:
    """The entries; on a narrow screen without their runs, and to the minute."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("entry", "namespace", "level", "kind", "of", "expires"):
        table.add_column(name, no_wrap=name not in ("namespace", "of"), overflow="fold")
    table.add_column("tokens", justify="right", no_wrap=True)
    if wide:
        table.add_column("run", no_wrap=True)
    for row in rows:
        expires = "never" if row.expires is None else row.expires[: 19 if wide else 16].replace("T", " ")
        of = Text(short(row.version))
        cells = (row.id[:SHOWN_OF_ID], row.namespace, row.level, row.kind, of, expires, f"{row.tokens:,}")
        table.add_row(*cells, *([row.run] if wide else []))
    return table


@click.command(
    short_help="Do not give an entry any more, or those of a namespace.",
    epilog=examples(
        "precedent cache invalidate 9f2c41aa",
        "precedent cache invalidate --namespace crm",
        "precedent cache invalidate --namespace crm --level L2 --tag customers",
        "precedent cache invalidate --namespace crm --depends tool:crm.read@1",
    ),
)
@click.argument("entry", required=False)
@click.option("--namespace", metavar="NAME", help="Every entry of this namespace to which the rest applies.")
@_level
@click.option("--tag", metavar="TAG", help="Only those with this tag.")
@click.option(
    "--depends", metavar="THING", help="Only those that rest on this: tool:NAME@VERSION, model:NAME, data:NAME."
)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the log.")
@invoked
def invalidate(
    cli: Invocation,
    entry: str | None,
    namespace: str | None,
    level: str | None,
    tag: str | None,
    depends: str | None,
    reason: str,
) -> int:
    """Do not give ENTRY any more, or any entry of a namespace that was published until now.

    ENTRY is an id, its beginning, or a key as `namespace/level/kind/version/digest`. Every process hears of it within a
    moment. Answers that are made from then on are kept anew.
    """
    if (entry is None) == (namespace is None):
        raise click.UsageError("name an ENTRY, or a --namespace")
    if entry is not None:
        if level or tag or depends:
            raise click.UsageError("--level, --tag and --depends go with --namespace, not with an ENTRY")
        return complete(_invalidate_entry(cli, entry, reason))
    data = {"namespace": namespace, "level": level, "tag": tag, "depends": depends, "reason": reason}
    return complete(_invalidate_namespace(cli, data))


async def _invalidate_namespace(cli: Invocation, data: dict[str, Any]) -> int:
    async with session(cli, services=True) as connected:
        answer = await connected.send(connected.envelope("InvalidateCache", data))
    named = " ".join(f"{name} {data[name]}" for name in ("level", "tag", "depends") if data[name])
    what = f"entries of {data['namespace']}{f' ({named})' if named else ''} are not given any more"
    return report_answer(cli.output, answer, what)


async def _invalidate_entry(cli: Invocation, given: str, reason: str) -> int:
    async with session(cli, services=True) as connected:
        entry = await _entry_named(connected, given)
        answer = await connected.send(connected.envelope("InvalidateEntry", {"entry": entry, "reason": reason}))
    return report_answer(cli.output, answer, f"entry {entry[:SHOWN_OF_ID]}… is not given any more", twice=True)


async def _entry_named(connected: Session, given: str) -> str:
    """The id of one entry. Raises ``CacheKeyInvalid``, ``NotFound``, ``InvalidInput`` where several begin so."""
    if ID.fullmatch(given):
        return given
    if "/" in given:
        return CacheKey.parse(given).id
    if not BEGINNING.fullmatch(given):
        raise InvalidInput(
            f"{given[:80]!r} is no entry: give 4 or more digits of an id from `precedent cache ls`, or a key"
        )
    await connected.read_up_to(await connected.store.end())
    async with connected.database.transaction() as transaction:
        found = await entries_beginning(transaction, connected.settings.tenant, given, 2)
    if not found:
        raise NotFound(f"there is no entry {given}; `precedent cache ls` lists them")
    if len(found) > 1:
        raise InvalidInput(f"{given} is the beginning of more than one entry: {', '.join(found)}; give more of it")
    return found[0]
