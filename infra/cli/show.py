"""``show`` and ``decisions``: one run, from the log (state, plan, result) and the read side (timeline, decisions)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.replays import recorded, recorded_events
from domain.kernel.values import decode
from domain.rtfs.types import plain
from domain.runs.state import Entry, Run, Settlement
from infra.cli.elapsed import Elapsed
from infra.cli.exits import DONE
from infra.cli.hinting import hint_of
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.lookups import lookup_document, lookup_table, reused_in_words
from infra.cli.naming import run_named
from infra.cli.output import counted, short, visible
from infra.cli.results import plain_output, render_result
from infra.cli.run import calls_in_words
from infra.cli.runs import STYLES
from infra.cli.session import Session, session
from infra.cli.standing import Moment, document_of, rendered
from infra.cli.timeline import render_line
from infra.cli.watching import approval, listing, resolution
from projections.ledger import LedgerEntry, decisions_of_run
from projections.reuse import ReuseRow, lookups_of_run
from projections.runs import RunRow, get_run
from projections.spelling import spelled
from projections.timeline import Line, timeline_of_run

PAGE: Final = 1000
"""Rows of one query."""

WIDE: Final = 110
"""Columns from which on decisions are shown with the digests of what was seen."""

LONGEST_ARGUMENT: Final = 800
"""Characters of an argument that a person is asked about; --json has all."""


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


T = TypeVar("T", bound=_Versioned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that is known of a run."""

    id: str
    elapsed: Elapsed
    row: RunRow
    timeline: Sequence[Line]
    decisions: Sequence[LedgerEntry]
    lookups: Sequence[ReuseRow]
    """What the levels of reuse said."""

    @property
    def run(self) -> Run:
        """Its state, as its events tell it."""
        return self.elapsed.run


@click.command(
    epilog=examples("precedent show RUN", "precedent show RUN --at 12", "precedent show RUN --json | jq .output")
)
@click.argument("run")
@click.option(
    "--at",
    type=WholeNumber(min=1),
    metavar="N",
    help="As of its N-th event, as the timeline counts them: journal, budget, and where its program stood, with the "
    "source line and the values of its variables. No tool is called.",
)
@invoked
def show(cli: Invocation, run: str, at: int | None) -> int:
    """Show a run: where it stands, what waits for a person and how to settle it, timeline, decisions, plan, result."""
    return complete(_show(cli, run) if at is None else _show_at(cli, run, at))


@click.command(epilog=examples("precedent decisions RUN", "precedent decisions RUN --json"))
@click.argument("run")
@invoked
def decisions(cli: Invocation, run: str) -> int:
    """Show the decision ledger of a run: who chose what, among which options, why, and the digest of what was seen."""
    return complete(_decisions(cli, run))


async def _show(cli: Invocation, name: str) -> int:
    async with session(cli, services=False) as connected:
        shown = await _read(connected, await run_named(connected, name))
    cli.output.document(_document(shown))
    cli.output.show(*_rendered(shown, cli.output.screen.width))
    return DONE


async def _show_at(cli: Invocation, name: str, at: int) -> int:
    async with session(cli, services=False) as connected:
        name = await run_named(connected, name)
        events = await recorded(connected.store, connected.run(name))
    moment = Moment(name, events, at)
    cli.output.document(document_of(moment))
    cli.output.show(*rendered(moment, cli.output.screen.width))
    return DONE


async def _decisions(cli: Invocation, name: str) -> int:
    async with session(cli, services=False) as connected:
        shown = await _read(connected, await run_named(connected, name))
    cli.output.document({"run": shown.id, "decisions": [each._asdict() for each in shown.decisions]})
    cli.output.show(_ledger(shown.decisions, cli.output.screen.width))
    return DONE


async def _read(connected: Session, name: str) -> Shown:
    """Everything of a run as of now. Raises ``NotFound``, ``UnknownEventType``."""
    stream = connected.run(name)
    await recorded_events(connected.store, stream)
    await connected.read_up_to(await connected.store.end())
    async with connected.database.transaction() as transaction:
        row = await get_run(transaction, stream.tenant, name)
        timeline = await _pages(timeline_of_run, transaction, stream.tenant, name)
        ledger = await _pages(decisions_of_run, transaction, stream.tenant, name)
        lookups = await lookups_of_run(transaction, stream.tenant, name)
    assert row is not None, "the read side has every event of the run"
    # A run that goes on meanwhile is shown as of one event, that of its row.
    events = (await connected.store.load(stream)).events[: row.version]
    timeline = [line for line in timeline if line.version <= row.version]
    ledger = [entry for entry in ledger if entry.version <= row.version]
    lookups = [lookup for lookup in lookups if lookup.version <= row.version]
    return Shown(id=name, elapsed=Elapsed.of(events), row=row, timeline=timeline, decisions=ledger, lookups=lookups)


async def _pages(
    query: Callable[..., Awaitable[Sequence[T]]], connection: AsyncConnection, tenant: str, run: str
) -> list[T]:
    rows: list[T] = []
    while page := await query(connection, tenant, run, after=rows[-1].version if rows else 0, limit=PAGE):
        rows += page
    return rows


def _document(shown: Shown) -> dict[str, Any]:
    run, row = shown.run, shown.row
    task = run.accepted_task
    document: dict[str, Any] = {
        "run": shown.id,
        "status": row.status,
        "goal": task.goal,
        "inputs": plain(task.input_values),
        "tools": task.tools,
        "route": row.route,
        "submitted_by": row.submitted_by,
        "submitted_at": row.submitted_at,
        "ended_at": row.ended_at,
        "position": row.position,
        "usage": {
            "seconds": shown.elapsed.seconds,
            "waited": shown.elapsed.waited,
            "tool_calls": shown.elapsed.tool_calls,
            "inherited": shown.elapsed.inherited,
            **{name: getattr(row, name) for name in ("events", "model_calls", "tokens", "usd")},
        },
        "waiting": [_waiting_document(shown.id, key, run.journal[key]) for key in sorted(run.waiting)],
        "plan": run.drafts[-1].source if run.drafts else None,
        "program": row.program,
        "reuse": [lookup_document(lookup) for lookup in shown.lookups],
        "timeline": [line._asdict() for line in shown.timeline],
        "decisions": [each._asdict() for each in shown.decisions],
    }
    if row.output_digest is not None:
        document |= {"output": plain_output(run.output), "type": task.output, "value": run.output}
    if run.error is not None:
        error = run.error
        document["error"] = {**error.error.model_dump(), "effect": error.effect, "advice": error.advice}
    return document


def _waiting_document(run: str, key: str, entry: Entry) -> dict[str, Any]:
    return {
        "effect": key,
        "tool": entry.tool,
        "why": entry.settlement,
        "arguments": plain(decode(entry.arguments)),
        "request_digest": entry.request_digest,
        "settle_with": _ways_out(run, key, entry),
    }


def _ways_out(run: str, key: str, entry: Entry) -> tuple[str, ...]:
    if entry.settlement is Settlement.AWAITING_APPROVAL:
        return approval(run, key, entry.request_digest)
    return resolution(run, key)


def _rendered(shown: Shown, width: int) -> list[RenderableType]:
    run = shown.run
    parts: list[RenderableType] = [Rule(f"run {shown.id}", align="left", style="dim"), _head(shown)]
    if run.waiting:
        parts += [Rule("waits for a person", align="left", style="yellow")]
        parts += [_waiting(shown.id, key, run.journal[key]) for key in sorted(run.waiting)]
    if run.drafts:
        parts += [Rule("plan", align="left", style="dim"), listing(run.drafts[-1].source)]
    if shown.lookups:
        parts += [Rule("reuse", align="left", style="dim"), lookup_table(shown.lookups)]
    parts += [Rule("timeline", align="left", style="dim")]
    parts += [_numbered(line, shown.row.submitted_at, width) for line in shown.timeline]
    parts += [Rule("decisions", align="left", style="dim"), _ledger(shown.decisions, width)]
    if shown.row.output_digest is not None:
        parts += [Rule("result", align="left", style="green"), render_result(run.output)]
    if run.error is not None:
        parts += [Rule("error", align="left", style="red"), _error(run)]
    return parts


def _numbered(line: Line, began: datetime, width: int) -> Text:
    """A line of the timeline behind its number, which ``--at`` takes."""
    number = Text(f"{line.version:>4}", style="dim", no_wrap=True)
    return number.append_text(render_line(line, began, width - len(number)))


def _head(shown: Shown) -> Table:
    row, task = shown.row, shown.run.accepted_task
    table = Table.grid(padding=(0, 2))
    used = [
        counted(row.events, "event"),
        calls_in_words(shown.elapsed.tool_calls, shown.elapsed.inherited),
        counted(row.model_calls, "model call"),
        counted(row.tokens, "token"),
        f"{row.usd:.4f} USD",
    ]
    lines = {
        "goal": Text(task.goal),
        "status": Text(row.status, STYLES.get(row.status, "")),
        "submitted": Text(f"{row.submitted_at:%Y-%m-%d %H:%M:%S} UTC by {row.submitted_by.partition(':')[2]}"),
        "route": Text(row.route or "-"),
        **({"reused": Text(reused, "green")} if (reused := reused_in_words(shown.lookups)) else {}),
        "used": Text(", ".join([str(shown.elapsed), *used])),
    }
    for label, value in lines.items():
        table.add_row(Text(label, style="dim"), value)
    return table


def _waiting(run: str, key: str, entry: Entry) -> RenderableType:
    text = Text.assemble((key, "bold"), f"  {entry.tool}  {entry.settlement}\n")
    for name, value in entry.arguments.items():
        text.append(f"{name}: {spelled(value, LONGEST_ARGUMENT)}\n", style="dim")
    text.append("\n".join(_ways_out(run, key, entry)), style="bold")
    return Padding(text, (0, 0, 0, 2), expand=False)


def _ledger(entries: Sequence[LedgerEntry], width: int) -> Table:
    """The decisions; on a narrow screen without the digests, since the reason is what people look for."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("who", "effect", "chose"):
        table.add_column(name, no_wrap=True)
    if wide:
        table.add_column("among", overflow="ellipsis", no_wrap=True, max_width=32)
    else:
        table.add_column("among", ratio=1)
    table.add_column("because", ratio=1 if wide else 2)
    if wide:
        table.add_column("saw", no_wrap=True)
    for each in entries:
        who, (first, _, rest) = each.actor.partition(":")[2], each.reason.partition("\n")
        table.add_row(
            who if who == each.role else f"{who} ({each.role})",
            each.effect or "",
            each.chosen,
            " | ".join(each.options),
            Text(f"{first} …" if rest else first),
            *([Text(short(each.saw), style="dim")] if wide else []),
        )
    return table


def _error(run: Run) -> Text:
    assert run.error is not None, "only failed runs come here"
    error = run.error
    where = f" at effect {error.effect}" if error.effect is not None else ""
    hint = hint_of(run)
    helps = f"hint: {visible(hint)}\n" if hint is not None else ""
    return Text.assemble((error.error.type + where, "red"), f"\n{error.error.message}\n{helps}", (error.advice, "bold"))
