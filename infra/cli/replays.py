"""``replays``: who replayed what, when, and what came of it."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from commands.replays.recording import PastReplay, past_replays
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.lists import LIMIT
from infra.cli.replay_all import IN_WORDS
from infra.cli.session import session


@click.command(epilog=examples("precedent replays", "precedent replays --json"))
@LIMIT
@invoked
def replays(cli: Invocation, limit: int) -> int:
    """List the newest replays that were recorded, the latest first. `precedent replay --no-record` leaves no trace."""
    return complete(_replays(cli, limit))


async def _replays(cli: Invocation, limit: int) -> int:
    async with session(cli, services=False) as connected:
        found = await past_replays(connected.store, connected.settings.tenant, limit)
    found.reverse()
    cli.output.document({"replays": [_document(each) for each in found]})
    cli.output.show(_table(found) if found else "no replay was recorded; make one with `precedent replay RUN`")
    return DONE


def _document(past: PastReplay) -> dict[str, Any]:
    return {
        "id": past.id,
        "time": past.time,
        "by": past.actor,
        **past.started.as_json(),
        "divergences": [each.as_json() for each in past.divergences],
        "finished": None if past.finished is None else past.finished.as_json(),
    }


def _table(found: list[PastReplay]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("when (UTC)", "who", "mode", "run"):
        table.add_column(name, no_wrap=True)
    table.add_column("outcome", ratio=1)
    for past in found:
        table.add_row(
            past.time[:19].replace("T", " "),
            past.actor.partition(":")[2],
            past.started.mode,
            past.started.run or "all",
            _outcome(past),
        )
    return table


def _outcome(past: PastReplay) -> Text:
    if past.finished is None:
        return Text("not finished", "yellow")
    outcomes = past.finished.outcomes.items()
    told = ", ".join(f"{number} {IN_WORDS.get(outcome, outcome)}" for outcome, number in outcomes if number)
    first = past.divergences[0] if past.divergences else None
    where = f", first at effect {first.effect} of run {first.run}" if first is not None else ""
    interrupted = ", interrupted" if past.finished.interrupted else ""
    return Text(f"{told or 'no run'}{where}{interrupted}", "bold red" if past.divergences else "")
