"""``replay --all``: every run of a tenant in one pass over the log, with what became of each and a summary."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from commands.replays.executing import ReExecution, re_execute
from commands.replays.recording import divergence as diverged_event
from commands.replays.recording import other_answers
from commands.replays.scanning import Replayed, ReplayRun, Wanted, scan, verified
from commands.replays.spreading import Spread, scan_spread
from domain.kernel.errors import PrecedentError
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import format_time
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay_events import DivergenceFound, Mode, ReplayFinished, ReplayStarted
from infra.bootstrap.agents import agents_of
from infra.bootstrap.collector import YOUNG_OF_MANY, relieve_collector
from infra.bootstrap.tools import tool_runner
from infra.cli import divergence, re_execution
from infra.cli.errors import tell_error
from infra.cli.exits import DIVERGED, DONE, NO
from infra.cli.invocation import Invocation
from infra.cli.output import Output, counted, write_json
from infra.cli.replay_record import Record, release
from infra.cli.session import session
from infra.settings import Settings

STYLES: Final = {"identical": "green", "diverged": "bold red", "open": "cyan", "nothing": "dim", "refused": "yellow"}
IN_WORDS: Final = {"nothing": "nothing to replay"}

MOST_REASONS: Final = 10
"""Reasons for refusals in the summary; each refused run is told with its own."""


@dataclass(slots=True)
class Summary:
    """What became of the runs so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Error codes of refused runs."""
    events: int = 0
    effects: int = 0
    whole: bool = False
    """Whether the log was read to its end."""

    def see(self, replayed: Replayed) -> None:
        """Count one run."""
        self.outcomes[replayed.outcome] += 1
        self.events += replayed.events
        self.effects += replayed.effects
        if replayed.outcome == "refused" and replayed.error is not None:
            self.reasons[replayed.error.code] += 1

    @property
    def code(self) -> int:
        """Exit code: that no run could be told to differ is no proof while some could not be told at all."""
        if self.outcomes["diverged"]:
            return DIVERGED
        return NO if self.outcomes["refused"] else DONE


async def replay_all(
    cli: Invocation, mode: Mode, since: datetime | None, statuses: Sequence[str], spread: Spread | None, *, kept: bool
) -> int:
    """Replay them, telling what became of each; give the exit code. Ctrl-C ends it with the summary so far.

    ``spread``: processes that verify; without them this one replays all.
    """
    summary = Summary()
    async with session(cli, services=False) as connected:
        wanted = Wanted(tenant=connected.settings.tenant, since=since, statuses=frozenset(statuses) or None)
        record = Record(cli.output, connected, kept=kept)
        await record.add(_started(mode, since, statuses))
        relieve_collector(YOUNG_OF_MANY)
        end = max((await connected.store.end()).reached.values(), default=0)
        try:
            with cli.output.progress("replaying") as bar:

                def advance(position: Position) -> None:
                    bar(position.sequence, end)

                if spread is not None:
                    scanning = scan_spread(connected.store, wanted, spread, advance)
                else:
                    scanning = scan(connected.store, wanted, _replay_of(connected.settings, mode), advance)
                async with aclosing(scanning) as found:
                    async for replayed in found:
                        summary.see(replayed)
                        await record.add(*_divergences(replayed))
                        _tell(cli.output, replayed)
            summary.whole = True
        except (asyncio.CancelledError, PrecedentError) as error:
            why = "interrupted" if isinstance(error, asyncio.CancelledError) else "not all could be replayed"
            cli.output.warn(f"{why}; this is the summary of what was replayed until then")
            _show(cli.output, summary)
            await record.add(_finished(summary))
            raise
        await record.add(_finished(summary))
    _show(cli.output, summary)
    if not summary.outcomes:
        chosen = " that was chosen" if since is not None or statuses else ""
        cli.output.warn(f"there is no run of tenant {wanted.tenant}{chosen}: nothing was compared")
    if summary.outcomes["diverged"]:
        tell_error(cli.output, f"{counted(summary.outcomes['diverged'], 'run')} diverged")
    return summary.code


def _started(mode: Mode, since: datetime | None, statuses: Sequence[str]) -> ReplayStarted:
    return ReplayStarted(
        mode=mode,
        run=None,
        events=None,
        digest=None,
        since=None if since is None else format_time(since),
        statuses=tuple(statuses),
        release=release(),
    )


def _divergences(replayed: Replayed) -> Sequence[DivergenceFound]:
    if isinstance(replayed.error, ReplayDiverged):
        return [diverged_event(replayed.run, replayed.error)]
    return [] if replayed.re_execution is None else other_answers(replayed.run, replayed.re_execution)


def _finished(summary: Summary) -> ReplayFinished:
    return ReplayFinished(
        outcomes=dict(summary.outcomes),
        reasons=dict(summary.reasons),
        effects=summary.effects,
        output_digest=None,
        interrupted=not summary.whole,
    )


def _replay_of(settings: Settings, mode: str) -> ReplayRun:
    agents = agents_of(settings)
    if mode != "re-execute":
        return partial(verified, agents=agents)
    tools = tool_runner(settings)

    async def replay(run: StreamId, events: Sequence[RunEvent]) -> ReExecution:
        return await re_execute(tools, run, events, agents)

    return replay


def _tell(output: Output, replayed: Replayed) -> None:
    """One line of JSON for every run; people are shown what is not identical."""
    if output.as_json:
        write_json(_document(replayed))
        return
    if replayed.outcome in ("identical", "open", "nothing"):
        return
    output.show(Text.assemble((replayed.outcome, STYLES[replayed.outcome]), f"  run {replayed.run}: {_why(replayed)}"))


def _why(replayed: Replayed) -> str:
    if replayed.re_execution is not None and replayed.re_execution.others:
        first = replayed.re_execution.others[0]
        return f"effect {first.effect}: {first.tool} answers otherwise now"
    return str(replayed.error)


def _document(replayed: Replayed) -> dict[str, Any]:
    document: dict[str, Any] = {
        "run": replayed.run,
        "outcome": replayed.outcome,
        "status": replayed.status,
        "events": replayed.events,
        "effects": replayed.effects,
    }
    if isinstance(replayed.error, ReplayDiverged):
        document["divergence"] = divergence.document_of(replayed.error)
    if replayed.error is not None:
        document["error"] = {"code": replayed.error.code, "message": str(replayed.error)}
    if replayed.re_execution is not None:
        document |= re_execution.document_of(replayed.re_execution)
    return document


def _show(output: Output, summary: Summary) -> None:
    if output.as_json:
        counts = {outcome: summary.outcomes[outcome] for outcome in STYLES}
        reasons, code = dict(summary.reasons), summary.code if summary.whole else None
        figures = {"runs": summary.outcomes.total(), "events": summary.events, "effects": summary.effects}
        write_json({"summary": {**figures, **counts, "reasons": reasons, "whole": summary.whole, "exit": code}})
        return
    table = Table("outcome", "runs", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = "right"
    for outcome, style in STYLES.items():
        table.add_row(Text(IN_WORDS.get(outcome, outcome), style), str(summary.outcomes[outcome]))
    for reason, number in summary.reasons.most_common(MOST_REASONS):
        table.add_row(Text(f"  {reason}", "dim"), Text(str(number), "dim"))
    runs = summary.outcomes.total() - summary.outcomes["nothing"]
    compared = f"{counted(summary.effects, 'effect')} of {counted(runs, 'run')} compared"
    output.show(table, Text(f"{compared}, {counted(summary.events, 'event')} read", style="dim"))
