"""``events``: the log, one CloudEvent a line, byte for byte as it is stored."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click

from commands.ports import Selection
from domain.kernel.errors import InvalidInput
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, Positions
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.session import session
from projections.applying import closing


@click.command(
    epilog=examples(
        "precedent events --run RUN",
        "precedent events --type RunCompleted --from 1000 | jq .data.output",
        "precedent events --follow",
    )
)
@click.option("--run", metavar="RUN", help="Of this run only.")
@click.option(
    "--type", "kind", metavar="NAME", help="Of this type only: RunCompleted, or precedent.run.RunCompleted.v1."
)
@click.option("--category", metavar="NAME", help="Of this category of streams only, as `run`.")
@click.option("--from", "first", metavar="N", help="Begin at this sequence (as 120) or position (as 0.0:120).")
@click.option("--follow", is_flag=True, help="Go on as events arrive, until interrupted.")
@invoked
def events(
    cli: Invocation, run: str | None, kind: str | None, category: str | None, first: str | None, *, follow: bool
) -> int:
    """Print events in the order of the log, one CloudEvents 1.0 document a line, exactly the stored bytes.

    What is selected is selected by the broker. --json changes nothing: each line is a JSON document already.
    """
    selection = Selection(
        tenant=cli.settings().tenant, category=_category(category, run), stream=run, event=_short(kind)
    )
    return complete(_events(cli, selection, _after(first), follow=follow))


def _category(given: str | None, run: str | None) -> str | None:
    if run is None or given == "run":
        return "run" if run is not None else given
    if given is not None:
        raise click.UsageError(f"--run selects streams of category run; leave out --category {given}")
    return "run"


def _short(kind: str | None) -> str | None:
    if kind is None or "." not in kind:
        return kind
    found = re.fullmatch(r"precedent\.[a-z]+\.([A-Za-z]+)\.v\d+", kind)
    if found is None:
        raise InvalidInput(f"--type {kind}: give a short name like RunCompleted, or precedent.run.RunCompleted.v1")
    return found.group(1)


def _after(first: str | None) -> Positions:
    if first is None:
        return START
    position = Position(0, 0, int(first)) if re.fullmatch(r"\d{1,18}", first) else Position.parse(first)
    return Positions({(position.epoch, position.shard): max(0, position.sequence - 1)})


async def _events(cli: Invocation, selection: Selection, after: Positions, *, follow: bool) -> int:
    async with session(cli, services=False) as connected:
        batches = connected.store.follow(after, selection) if follow else connected.store.read(after, selection)
        async with closing(batches):
            async for batch in batches:
                _write(batch)
    return DONE


def _write(batch: Sequence[Recorded]) -> None:
    if batch:
        sys.stdout.write("".join(event.body.decode() + "\n" for event in batch))
        sys.stdout.flush()
