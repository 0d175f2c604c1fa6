"""``epochs``: the parts of the log that follow one another; a closed one may leave the broker for the archive."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.epochs import Epochs
from commands.audits import Trust, rotations_of
from commands.epochs import Archiving
from domain.kernel.ids import Position
from domain.ledger.epochs import Closed
from infra.bootstrap.ledger import (
    SHARD,
    archived_epochs,
    earlier_keys,
    epoch_store,
    segment_store,
    stored_log,
    tile_store,
)
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.publishing import published
from infra.cli.session import session
from infra.cli.trust import own_key


@click.group(
    epilog=examples("precedent epochs ls", "precedent epochs rollover", "precedent epochs archive --drop"),
)
def epochs() -> None:
    """The parts of the log: the one that is open, and closed ones, which may leave the broker for the archive.

    Runs, replays and audits read all of them, wherever they are.
    """


@epochs.command("ls", epilog=examples("precedent epochs ls", "precedent epochs ls --json"))
@invoked
def ls(cli: Invocation) -> int:
    """List epochs, the oldest first."""
    return complete(_ls(cli))


@epochs.command("rollover", epilog=examples("precedent epochs rollover"))
@invoked
def rollover(cli: Invocation) -> int:
    """Close the open epoch and open the next one. Running services go on; their appends wait for some milliseconds.

    A rollover that was interrupted is finished by the next command that connects.
    """
    return complete(_rollover(cli))


@epochs.command(
    "archive",
    short_help="Put closed epochs into the archive; with --drop, out of the broker.",
    epilog=examples("precedent epochs archive", "precedent epochs archive 0 --drop"),
)
@click.argument("epoch", type=WholeNumber(min=0), required=False)
@click.option("--drop", "is_drop_wanted", is_flag=True, help="Then delete their streams in the broker.")
@invoked
def archive(cli: Invocation, epoch: int | None, *, is_drop_wanted: bool) -> int:
    """Put closed epoch EPOCH (all of them, when left out) into the archive, and see that it is there.

    Every message is read back and compared with the broker's, and both with the newest signed checkpoint. With --drop
    the broker gives it up after that, and the archive is the only place that has it: back it up.
    """
    return complete(_archive(cli, epoch, is_drop_wanted=is_drop_wanted))


async def _ls(cli: Invocation) -> int:
    async with session(cli, services=False, whole=False) as connected:
        archived = archived_epochs(connected.endpoints.content_directory)
        known = await Epochs(connected.connection, archived).refreshed(SHARD)
        end = (await connected.store.end()).furthest(SHARD)
        has = {each.epoch for each in archived.closed(SHARD)}
    rows = [_row(each, in_broker=each not in known.left, in_archive=each.epoch in has) for each in known.earlier[::-1]]
    rows.append({"epoch": known.open, "first": known.first, "last": end, "state": "open", "in": ["broker"]})
    cli.output.document({"epochs": rows})
    table = Table("epoch", "events", "from", "to", "state", "in", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        first, last = row["first"], row["last"]
        shown = (row["epoch"], f"{last - first + 1:,}", first, last, row["state"], " and ".join(row["in"]))
        table.add_row(*map(str, shown))
    cli.output.show(table)
    return DONE


def _row(closed: Closed, *, in_broker: bool, in_archive: bool) -> dict[str, Any]:
    places = [*(["broker"] if in_broker else []), *(["archive"] if in_archive else [])]
    return {"epoch": closed.epoch, "first": closed.first, "last": closed.last, "state": "closed", "in": places}


async def _rollover(cli: Invocation) -> int:
    async with session(cli, services=False, keeping=True) as connected:
        archived = archived_epochs(connected.endpoints.content_directory)
        known = await Epochs(connected.connection, archived).roll_over(SHARD)
    closed = known.earlier[0]
    cli.output.document({"closed": closed.epoch, "last": closed.last, "open": known.open, "first": known.first})
    cli.output.show(
        Text(f"epoch {known.open} is open from event {known.first} on; epoch {closed.epoch} ended with {closed.last}"),
        Text(f"precedent epochs archive {closed.epoch} --drop", style="dim"),
    )
    return DONE


async def _archive(cli: Invocation, epoch: int | None, *, is_drop_wanted: bool) -> int:
    async with session(cli, services=False, keeping=True) as connected:
        content, settings = connected.endpoints.content_directory, connected.settings
        broker = Epochs(connected.connection, archived_epochs(content))
        archiving = Archiving(
            log=stored_log(connected.connection, content),
            broker=broker,
            segments=segment_store(content),
            epochs=epoch_store(content),
            checkpoints=JetStreamCheckpoints(connected.connection),
            tiles=tile_store(content),
        )
        trust = Trust(key=own_key(settings), earlier=earlier_keys(settings))
        rotations = await rotations_of(connected.store, settings.tenant)
        closed = await broker.closed(SHARD)
        wanted = [each.epoch for each in closed] if epoch is None else [epoch]
        if closed:
            await published(connected, Position(closed[-1].epoch, SHARD, closed[-1].last))
        done: list[Closed] = []
        for number in wanted:
            with cli.output.progress(f"epoch {number}") as bar:
                done.append(await archiving.archive(SHARD, number, trust, rotations, bar))
            if is_drop_wanted:
                await archiving.drop(done[-1])
    rows = [_row(each, in_broker=not (is_drop_wanted or each.has_left), in_archive=True) for each in done]
    cli.output.document({"archived": rows})
    cli.output.show(*(_told(each, is_dropped=is_drop_wanted) for each in done))
    if not done:
        cli.output.show("there is no closed epoch in the broker; `precedent epochs rollover` closes the open one")
    return DONE


def _told(closed: Closed, *, is_dropped: bool) -> Text:
    events = counted(closed.last - closed.first + 1, "event")
    where = "in the archive alone" if is_dropped or closed.has_left else "in the archive, and still in the broker"
    return Text.assemble(("whole", "bold green"), f"  epoch {closed.epoch}: {events}, read back and compared; {where}")
