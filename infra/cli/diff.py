"""``diff``: two runs aligned by effect key, the first difference and its consequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from commands.replays import known_events, recorded
from domain.kernel.events import Recorded
from domain.runs.comparison import Change, Comparison, compare
from domain.runs.events import ModelCallAnswered, ModelCallFailed, ToolCallCompleted, ToolCallFailed
from domain.runs.parts import RunEvent
from domain.runs.replay import fold
from infra.cli.divergence import difference_document, difference_table
from infra.cli.elapsed import Elapsed
from infra.cli.exits import DONE, NO
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.output import counted, short
from infra.cli.session import session
from infra.cli.timeline import seconds

MOST: Final = 20
"""Consequences on the screen; --json has all."""

_STYLES: Final = {"differs": "yellow", "missing": "red", "added": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What one run took and cost."""

    seconds: float
    waited: float
    events: int
    tool_seconds: float
    """Sum over its tool calls; what lanes did side by side counts twice."""
    tool_calls: int
    """Made by this run."""
    inherited: int
    """Tool calls whose answers a fork has from its parent."""
    model_calls: int
    tokens: int
    usd: float


@click.command(epilog=examples("precedent diff RUN FORK", "precedent diff RUN OTHER --json | jq .first"))
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@invoked
def diff(cli: Invocation, one: str, other: str) -> int:
    """Compare runs A and B: task, plan, model answers, effects by their keys, verdict and output.

    What differs first is shown whole; what differs after it, as its consequences. Times and costs are shown and not
    compared. Exit code 0: the same. 1: they differ.
    """
    return complete(_diff(cli, one, other))


async def _diff(cli: Invocation, one: str, other: str) -> int:
    async with session(cli, services=False) as connected:
        one, other = [await run_named(connected, name) for name in (one, other)]
        stored = [await recorded(connected.store, connected.run(name)) for name in (one, other)]
    ours, theirs = (known_events(each) for each in stored)
    found = compare(fold(ours), fold(theirs))
    totals = [_totals(events, known) for events, known in zip(stored, (ours, theirs), strict=True)]
    cli.output.document(
        {
            "a": one,
            "b": other,
            "same": found.first is None,
            "alike": found.alike,
            "first": None if found.first is None else _document(found.first),
            "consequences": [_document(each) for each in found.consequences],
            "totals": {"a": asdict(totals[0]), "b": asdict(totals[1])},
        }
    )
    cli.output.show(*_rendered(found, (one, other), totals))
    return DONE if found.first is None else NO


def _totals(stored: Sequence[Recorded], events: Sequence[RunEvent]) -> Totals:
    elapsed = Elapsed.of(tuple(stored))
    spent = elapsed.run.spent
    return Totals(
        seconds=elapsed.seconds,
        waited=elapsed.waited,
        events=len(stored),
        tool_seconds=sum(event.duration for event in events if isinstance(event, ToolCallCompleted | ToolCallFailed)),
        tool_calls=elapsed.tool_calls,
        inherited=elapsed.inherited,
        model_calls=sum(isinstance(event, ModelCallAnswered | ModelCallFailed) for event in events),
        tokens=spent.tokens,
        usd=spent.usd,
    )


def _document(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "where": change.where,
        "how": change.how,
        "what": change.what,
        "differences": [difference_document(each) for each in change.differences],
    }


def _rendered(found: Comparison, names: tuple[str, str], totals: Sequence[Totals]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if found.first is None:
        parts.append(Text.assemble(("the same", "bold green"), f"  {counted(found.alike, 'effect')} alike"))
    else:
        parts.append(
            Text.assemble(
                ("different", "bold yellow"),
                f"  first in {_named(found.first)}; {counted(found.alike, 'effect')} alike",
            )
        )
        parts.append(Padding(difference_table(found.first.differences, names, found.first.what), (0, 0, 0, 2)))
    if found.consequences:
        parts += [Rule("and then", align="left", style="dim"), _consequences(found.consequences)]
    return [*parts, Rule("in all", align="left", style="dim"), _totals_table(names, totals)]


def _named(change: Change) -> str:
    place = f"{change.kind} {change.where}" if change.where else change.kind
    return place if change.what in place else f"{place} ({change.what})"


def _consequences(changes: Sequence[Change]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("where", "how", "what"):
        table.add_column(name, no_wrap=True)
    table.add_column("first at", overflow="fold", ratio=1)
    for each in changes[:MOST]:
        place = each.differences[0].path if each.differences else ""
        where = f"{each.kind} {each.where}".rstrip()
        table.add_row(where, Text(each.how, _STYLES[each.how]), Text(short(each.what)), place)
    if len(changes) > MOST:
        table.add_row("…", "", Text(f"{len(changes) - MOST} more", style="dim"), "")
    return table


def _totals_table(names: tuple[str, str], totals: Sequence[Totals]) -> Table:
    table = Table("", *names, box=None, pad_edge=False, header_style="bold")
    rows = {
        "took": [seconds(each.seconds) for each in totals],
        "waited": [seconds(each.waited) for each in totals],
        "in tools": [seconds(each.tool_seconds) for each in totals],
        "events": [str(each.events) for each in totals],
        "tool calls": [str(each.tool_calls) for each in totals],
        **({"inherited": [str(each.inherited) for each in totals]} if any(each.inherited for each in totals) else {}),
        "model calls": [str(each.model_calls) for each in totals],
        "tokens": [str(each.tokens) for each in totals],
        "USD": [f"{each.usd:.4f}" for each in totals],
    }
    for label, cells in rows.items():
        table.add_row(Text(label, style="dim"), *cells)
    return table
