"""``events``: the log, one CloudEvent a line, byte for byte as it is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from commands.catalog import COMMANDS
from commands.ports import Selection
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, Positions
from domain.kernel.values import parse_time
from domain.runs.events import RUN_EVENTS
from domain.runs.replay_events import REPLAY_EVENTS
from infra.cli.errors import meant
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.moments import moment_of
from infra.cli.naming import is_there, run_named
from infra.cli.piping import write_out
from infra.cli.session import Session, session
from projections.applying import closing

SKEW: Final = timedelta(minutes=1)
"""By how much the times of events may disagree with their order: they come from the clocks of several machines."""

NOW: Final = "now"
"""Of ``--from``: behind the last event that is there."""


@click.command(
    epilog=examples(
        "precedent events --run RUN",
        "precedent events --type RunCompleted --from 1000 | jq .data.output",
        "precedent events --from 0.0:120 --until 0.0:180",
        "precedent events --follow --from now",
    )
)
@click.option("--run", metavar="RUN", help="Of this run only.")
@click.option(
    "--type", "kind", metavar="NAME", help="Of this type only: RunCompleted, or precedent.run.RunCompleted.v1."
)
@click.option("--category", metavar="NAME", help="Of this category of streams only, as `run`.")
@click.option(
    "--from",
    "first",
    metavar="N",
    help="Begin at this sequence (as 120), position (as 0.0:120), or with --follow at `now`: the next event.",
)
@click.option(
    "--until",
    "last",
    metavar="N|TIME",
    help="End with this sequence or position, or with what happened until this time (or 90s, 12h, 7d ago).",
)
@click.option("--follow", is_flag=True, help="Go on as events arrive, until interrupted.")
@invoked
def events(
    cli: Invocation,
    run: str | None,
    kind: str | None,
    category: str | None,
    first: str | None,
    last: str | None,
    *,
    follow: bool,
) -> int:
    """Print events in the order of the log, one CloudEvents 1.0 document a line, exactly the stored bytes.

    What is selected is selected by the broker. --json changes nothing: each line is a JSON document already.
    """
    selection = Selection(
        tenant=cli.settings().tenant, category=_category(category, run), stream=run, event=_short(kind)
    )
    if first == NOW and not follow:
        raise click.UsageError("--from now goes with --follow: after now there is nothing yet")
    if last is not None and follow:
        raise click.UsageError("--until ends the reading and --follow never does; give one of them")
    after = None if first == NOW else _after(first)
    return complete(_events(cli, selection, after, _until(last), follow=follow))


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


@dataclass(frozen=True, slots=True)
class Until:
    """Where reading ends: behind a position, or a time."""

    position: Position | None
    time: datetime | None

    def has(self, event: Recorded) -> bool:
        """Whether an event is still among what is wanted."""
        if self.position is not None:
            return event.position.sequence <= self.position.sequence
        return self.time is None or parse_time(event.time) <= self.time

    def is_past(self, event: Recorded) -> bool:
        """Whether no event behind this one can be wanted."""
        if self.position is not None:
            return event.position.sequence >= self.position.sequence
        return self.time is not None and parse_time(event.time) > self.time + SKEW


def _until(last: str | None) -> Until:
    if last is None:
        return Until(None, None)
    if re.fullmatch(r"\d{1,18}|\d+\.\d+:\d+", last):
        return Until(_position(last), None)
    return Until(None, moment_of(last, datetime.now(UTC), "--until"))


def _position(text: str) -> Position:
    return Position(0, 0, int(text)) if re.fullmatch(r"\d{1,18}", text) else Position.parse(text)


def _after(first: str | None) -> Positions:
    if first is None:
        return START
    position = _position(first)
    return Positions({(position.epoch, position.shard): max(0, position.sequence - 1)})


async def _events(cli: Invocation, selection: Selection, after: Positions | None, until: Until, *, follow: bool) -> int:
    """Print them; ``after`` is None for the end of the log as of now."""
    async with session(cli, services=False) as connected:
        if selection.stream is not None:
            selection = replace(selection, stream=await run_named(connected, selection.stream))
        if after is None:
            after = await connected.store.end()
            cli.output.note(f"events behind {after}")
        if follow:
            await _say_what_is_awaited(cli, connected, selection)
        batches = connected.store.follow(after, selection) if follow else connected.store.read(after, selection)
        printed = 0
        async with closing(batches):
            async for batch in batches:
                wanted = [event for event in batch if until.has(event)]
                if wanted:
                    await write_out(b"".join(event.body + b"\n" for event in wanted))
                printed += len(wanted)
                if batch and until.is_past(batch[-1]):
                    break
        if not printed:
            await _say_why_nothing(cli, connected, selection)
    return DONE


async def _say_what_is_awaited(cli: Invocation, connected: Session, selection: Selection) -> None:
    for strange in _strange_names(selection):
        cli.output.warn(strange)
    if not await _is_there(connected, selection):
        cli.output.warn(f"there is no run {selection.stream} of tenant {selection.tenant} yet; waiting for its events")


async def _say_why_nothing(cli: Invocation, connected: Session, selection: Selection) -> None:
    """Say on stderr why nothing was printed. Raises ``NotFound`` for a run that is not there."""
    if not await _is_there(connected, selection):
        raise NotFound(f"there is no run {selection.stream} of tenant {selection.tenant}; `precedent runs` lists them")
    cli.output.warn("; ".join(["no event matched", *_strange_names(selection)]))


async def _is_there(connected: Session, selection: Selection) -> bool:
    """Whether the run that was asked for has events; true where none was asked for."""
    return selection.stream is None or await is_there(connected, selection.stream)


def _strange_names(selection: Selection) -> list[str]:
    """What is said about names that this release does not know; another release may have written such events."""
    known = {
        "type": (selection.event, sorted(event.short_name() for event in (*RUN_EVENTS, *REPLAY_EVENTS))),
        "category": (selection.category, sorted({"replay"} | {handling.category for handling in COMMANDS.values()})),
    }
    return [
        f"no {what} {name!r} is known here; {(meant(name, names) or 'known: ' + ', '.join(names)).rstrip()}"
        for what, (name, names) in known.items()
        if name is not None and name not in names
    ]
