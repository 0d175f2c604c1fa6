"""``replay``: verify a recorded run against its journal, call its tools again, or look at it as of an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click
from rich.rule import Rule
from rich.text import Text

from commands.replays import known_events, recorded, verify_run
from commands.replays.executing import re_execute
from commands.replays.reading import verify_events
from commands.replays.recording import divergence as diverged_event
from commands.replays.recording import other_answers
from commands.replays.scanning import outcome_of
from commands.replays.upcasting import under_present_tools
from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.inheritance import history_digest
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay import Replay, fold
from domain.runs.replay_events import Mode, ReplayFinished, ReplayStarted
from domain.runs.state import Run
from infra.bootstrap.agents import agents_of
from infra.bootstrap.processes import MOST_PROCESSES
from infra.bootstrap.replays import replaying
from infra.bootstrap.tools import tool_runner
from infra.cli import divergence, re_execution
from infra.cli.errors import tell_error
from infra.cli.exits import DIVERGED, DONE
from infra.cli.fixtures import save
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.moments import moment_of
from infra.cli.naming import run_named
from infra.cli.output import Output, counted
from infra.cli.re_execution import identical
from infra.cli.replay_all import replay_all
from infra.cli.replay_record import Record, release
from infra.cli.results import plain_output, render_result
from infra.cli.runs import STATUSES
from infra.cli.session import Session, session
from infra.cli.watching import Watch


@click.command(
    epilog=examples(
        "precedent replay RUN",
        "precedent replay RUN --mode re-execute",
        "precedent replay RUN --mode view --at 12",
        "precedent replay --all --since 7d --json",
    )
)
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Every run of the tenant, in one pass over the log.")
@click.option(
    "--since", metavar="TIME", help="With --all: submitted since then, as 2026-11-21T08:00:00Z, or 12h or 7d ago."
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help="With --all: of this status, as `precedent runs` has them; repeatable.",
)
@click.option(
    "--mode",
    type=click.Choice(["verify", "re-execute", "view"]),
    default="verify",
    show_default=True,
    help="verify: execute the program again, every effect answered from the journal, and compare. re-execute: the "
    "same, and deterministic tools are really called again. view: state and timeline as of an event.",
)
@click.option("--at", type=WholeNumber(min=1), metavar="N", help="With view: after the run's first N events.")
@click.option(
    "--upcast",
    is_flag=True,
    help="Under the tools of now: the plan compiled anew, recorded results brought into their present types.",
)
@click.option(
    "--save",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write RUN to a file (- for stdout) that replays without any server, what looks like a secret removed.",
)
@click.option(
    "--redact", "fields", metavar="FIELD", multiple=True, help="With --save: remove what this field holds; repeatable."
)
@click.option(
    "--jobs",
    type=WholeNumber(1, MOST_PROCESSES),
    metavar="N",
    help="With --all: so many processes verify side by side (default: one for each processor); 1: this one alone.",
)
@click.option("--no-record", is_flag=True, help="Leave no trace; else `precedent replays` lists this replay.")
@invoked
def replay(
    cli: Invocation,
    run: str | None,
    mode: Literal["verify", "re-execute", "view"],
    at: int | None,
    since: str | None,
    statuses: tuple[str, ...],
    file: Path | None,
    fields: tuple[str, ...],
    jobs: int | None,
    *,
    every: bool,
    upcast: bool,
    no_record: bool,
) -> int:
    """Replay RUN from its events: no model is asked, and no tool is called but those that re-execute calls.

    Exit code 0: the same requests, lanes and output bytes, and the same answers. 3: it diverged, and the message says
    at which effect. 1, with --all: none diverged, but some could not be replayed. docs/replay.md describes the modes.
    """
    if every == (run is not None):
        raise click.UsageError("give RUN, or --all for every run")
    if not every and (since is not None or statuses):
        raise click.UsageError("--since and --status go with --all")
    if jobs is not None and (not every or mode != "verify"):
        raise click.UsageError(
            "--jobs goes with --all and the mode verify; the other modes go through one run at a time"
        )
    if at is not None and mode != "view":
        raise click.UsageError("--at goes with --mode view; the other modes go through the whole run")
    if fields and file is None:
        raise click.UsageError("--redact goes with --save FILE")
    if file is not None:
        if run is None or mode != "verify" or upcast:
            raise click.UsageError("--save writes one RUN as it is recorded; leave out --all, --mode and --upcast")
        return complete(save(cli, run, file, fields))
    if upcast and (run is None or mode == "view"):
        raise click.UsageError("--upcast goes with one RUN, and with the modes that execute its program")
    if run is None:
        if mode == "view":
            raise click.UsageError("--mode view shows one run; `precedent runs` lists all")
        after = None if since is None else moment_of(since, datetime.now(UTC), "--since")
        with replaying(cli.settings(), jobs if mode == "verify" else 1) as spread:
            return complete(replay_all(cli, mode, after, statuses, spread, kept=not no_record))
    if mode == "view":
        return complete(_view(cli, run, at))
    return complete(_replay(cli, run, mode, upcast=upcast, kept=not no_record))


async def _replay(cli: Invocation, name: str, mode: Mode, *, upcast: bool, kept: bool) -> int:
    async with session(cli, services=False) as connected:
        name = await run_named(connected, name)
        stream = connected.run(name)
        stored = await recorded(connected.store, stream)
        record = Record(cli.output, connected, kept=kept)
        digest = history_digest(event.body for event in stored)
        await record.add(
            ReplayStarted(mode=mode, run=name, events=len(stored), digest=digest, release=release()),
        )
        try:
            events: Sequence[RunEvent] = known_events(stored)
            if upcast:
                events = under_present_tools(tool_runner(connected.settings), events)
            code = await _replayed(cli, connected, record, stream, events, mode)
        except ReplayDiverged as error:
            await record.add(diverged_event(name, error), _finished("diverged"))
            code = tell_divergence(cli.output, name, error)
        except PrecedentError as error:
            await record.add(_finished("refused", reasons={error.code: 1}))
            raise
    return code


async def _replayed(
    cli: Invocation, connected: Session, record: Record, stream: StreamId, events: Sequence[RunEvent], mode: Mode
) -> int:
    name = stream.id
    if mode == "verify":
        result = await verify_events(events, agents_of(connected.settings))
        await record.add(_finished(outcome_of(result.ended, replayable=result.replayable), result))
        cli.output.document(shown(cli.output, name, result) | {"replay": record.id})
        return DONE
    done = await re_execute(tool_runner(connected.settings), stream, events, agents_of(connected.settings))
    outcome = "diverged" if done.others else outcome_of(done.replay.ended, replayable=done.replay.replayable)
    await record.add(*other_answers(name, done), _finished(outcome, done.replay))
    cli.output.document(_document(name, done.replay) | re_execution.document_of(done) | {"replay": record.id})
    cli.output.show(*re_execution.rendered(done))
    if done.others:
        tell_error(cli.output, re_execution.message_of(name, done))
    return DIVERGED if done.others else DONE


def _finished(outcome: str, result: Replay | None = None, reasons: Mapping[str, int] | None = None) -> ReplayFinished:
    return ReplayFinished(
        outcomes={outcome: 1},
        reasons=reasons or {},
        effects=0 if result is None else result.effects,
        output_digest=None if result is None else result.output_digest,
    )


def tell_divergence(output: Output, name: str, error: ReplayDiverged) -> int:
    """Show where a run diverged; give the exit code."""
    told = {"code": error.code, "message": str(error), "exit": DIVERGED}
    output.document({"error": told, "run": name, "identical": False, "divergence": divergence.document_of(error)})
    output.show(*divergence.rendered(error))
    tell_error(output, str(error))
    return DIVERGED


async def verify_and_show(cli: Invocation, connected: Session, name: str) -> dict[str, Any]:
    """Verify a run, show what was compared, give the JSON document.

    Raises ``ReplayDiverged``, ``NotFound``, ``UnknownEventType``.
    """
    return shown(
        cli.output, name, await verify_run(connected.store, connected.run(name), agents_of(connected.settings))
    )


def shown(output: Output, name: str, result: Replay) -> dict[str, Any]:
    """Show what a verification compared; give the JSON document."""
    if not result.replayable:
        told = f"the run is {result.ended} and has no program; {counted(result.events, 'event')} read"
        output.show(Text.assemble(("nothing to replay", "bold"), f"  {told}"))
        return _document(name, result)
    compared = f"{result.effects} of {counted(result.effects, 'effect')} asked alike and answered from the journal"
    word = identical(result)
    output.show(Text.assemble((word, "bold green"), f"  {compared}; {counted(result.events, 'event')} read"))
    if result.output_digest is not None:
        output.show(Text(f"output {result.output_digest}: the same bytes"))
    output.show(Text("no tool was called, no model was asked", style="dim"))
    return _document(name, result)


def _document(name: str, result: Replay) -> dict[str, Any]:
    return {
        "run": name,
        "identical": True,
        "outcome": outcome_of(result.ended, replayable=result.replayable),
        "replayable": result.replayable,
        "status": result.ended,
        "events": result.events,
        "effects": result.effects,
        "output_digest": result.output_digest,
        "fuel": result.fuel,
    }


async def _view(cli: Invocation, name: str, at: int | None) -> int:
    async with session(cli, services=False) as connected:
        name = await run_named(connected, name)
        stream = connected.run(name)
        stored = await recorded(connected.store, stream)
        if at is not None and at > len(stored):
            raise NotFound(f"run {name} has {counted(len(stored), 'event')}; --at {at} is beyond them")
        state = fold(known_events(stored[:at]))
        watch = _watch(cli, stream, stored[:at])
    cli.output.document(_state(name, watch.events, state))
    waits = f", waits for {', '.join(sorted(state.waiting))}" if state.waiting else ""
    paused = ", paused" if state.paused else ""
    cli.output.show(Rule(f"after event {watch.events}: {state.phase}{paused}{waits}", align="left"))
    if state.output is not None:
        cli.output.show(render_result(state.output))
    return DONE


def _watch(cli: Invocation, stream: StreamId, events: Sequence[Recorded]) -> Watch:
    cli.output.show(Rule(f"run {stream.id}", align="left", style="dim"))
    watch = Watch(cli.output, every=False)
    with watch:
        for event in events:
            watch.see(event, stream.id)
    return watch


def _state(name: str, events: int, state: Run) -> dict[str, Any]:
    return {
        "run": name,
        "events": events,
        "phase": state.phase,
        "paused": state.paused,
        "route": state.route,
        "plans": [{"source": draft.source, "rejected": draft.rejected} for draft in state.drafts],
        "effects": {key: {"tool": entry.tool, "settlement": entry.settlement} for key, entry in state.journal.items()},
        "waiting": sorted(state.waiting),
        "spent": {"tool_calls": state.spent.tool_calls, "tokens": state.spent.tokens, "usd": state.spent.usd},
        "output": None if state.output is None else plain_output(state.output),
        "error": None if state.error is None else state.error.error.model_dump(),
    }
