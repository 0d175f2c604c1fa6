"""Many runs replayed in one pass over the log: each as soon as its last event has been read, then forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from commands.appends import has_references
from commands.ports import EventStore, Selection
from commands.replays.executing import ReExecution
from commands.replays.reading import known_events, verify_events
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, StreamId
from domain.kernel.values import parse_time
from domain.ledger.epochs import is_carried
from domain.runs.events import RunCancelled, RunCompleted, RunFailed, RunSubmitted
from domain.runs.execution import NONE, Agents
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay import HistoryInvalid, Replay, fold
from domain.runs.state import ENDED, Run

LARGEST_HELD: Final = 256 * 1024 * 1024
"""Bytes of events of unended runs that are held; of a run beyond them, the events are loaded when its end is read."""

DEAF: Final = 0.01
"""Seconds for which nothing else is listened to."""

BEGINNING: Final = RunSubmitted.short_name()
ENDINGS: Final = frozenset({RunCompleted.short_name(), RunFailed.short_name(), RunCancelled.short_name()})

Outcome = Literal["identical", "diverged", "open", "nothing", "refused"]
"""``open``: identical as far as the run has come. ``nothing``: the run ended before it had a program or an agent, so
that there is nothing to execute again. ``refused``: this release cannot tell, and says why."""

ReplayRun = Callable[[StreamId, Sequence[RunEvent]], Awaitable[Replay | ReExecution]]
Progress = Callable[[Position], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs of a tenant; None means all."""

    tenant: str
    since: datetime | None = None
    """Submitted then or later."""
    statuses: frozenset[str] | None = None
    """Phases, or ``paused`` and ``waiting`` of open runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of the replay of one run."""

    run: str
    outcome: Outcome
    status: str
    events: int
    effects: int
    """Effects that were compared."""
    error: PrecedentError | None = None
    """Why it was refused, or where it diverged."""
    re_execution: ReExecution | None = None


async def verified(run: StreamId, events: Sequence[RunEvent], agents: Agents = NONE) -> Replay:
    """Verify a run: the ``ReplayRun`` that calls no tool."""
    del run
    return await verify_events(events, agents)


@dataclass(frozen=True, slots=True)
class Found:
    """A run that may be wanted."""

    stream: StreamId
    stored: Sequence[Recorded]
    """Its events so far, whole."""
    error: PrecedentError | None = None
    """Why they cannot be had, or are none of a run."""


async def scan(
    store: EventStore,
    wanted: Wanted,
    replay: ReplayRun,
    progress: Progress = lambda _: None,
    largest_held: int = LARGEST_HELD,
) -> AsyncGenerator[Replayed, None]:
    """Replay every wanted run, in the order of their ends, then the open ones. Raises ``ServiceUnreachable``."""
    loop = asyncio.get_running_loop()
    listened = loop.time()
    async with aclosing(find(store, wanted, progress, largest_held)) as runs:
        async for found in runs:
            if (replayed := await replay_found(found, wanted.statuses, replay)) is not None:
                yield replayed
            if loop.time() - listened > DEAF:
                await asyncio.sleep(0)  # whoever wants to interrupt must get a word in
                listened = loop.time()


async def find(store: EventStore, wanted: Wanted, progress: Progress, largest_held: int) -> AsyncGenerator[Found, None]:
    """Find the runs of a tenant, in the order of their ends, then the open ones. Raises ``ServiceUnreachable``."""
    held = _Held(largest_held)
    batches = store.read(START, Selection(tenant=wanted.tenant, category="run", whole=False))
    try:
        async for batch in batches:
            for event in batch:
                if held.take(event, wanted) and (ended := held.give(event.stream.id)) is not None:
                    yield await _whole(store, event.stream, ended)
            if batch:
                progress(batch[-1].position)
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()  # a reader's consumer is let go of now, not when the garbage collector comes by
    for name in list(held.runs):
        if (gathered := held.give(name)) is not None:
            yield await _whole(store, StreamId(wanted.tenant, "run", name), gathered)
    for name in sorted(held.strays):
        error = HistoryInvalid(f"run {name} has events before its beginning or behind its end")
        yield Found(StreamId(wanted.tenant, "run", name), (), error)


@dataclass(slots=True)
class _Gathered:
    """What has been read of a run that has not ended."""

    events: list[Recorded] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    skipped: bool = False
    parked: bool = False
    """Whether its events were too many to be held."""


class _Held:
    """Runs whose end has not been read."""

    def __init__(self, largest: int) -> None:
        self.runs: dict[str, _Gathered] = {}
        self.strays: set[str] = set()
        """Runs with events outside of their beginning and end, which no writer of ours makes."""
        self._largest = largest
        self._bytes = 0

    def take(self, event: Recorded, wanted: Wanted) -> bool:
        """Remember an event; tell whether it ends its run."""
        *_, name, version, kind = event.address.split(".")  # what its properties read one by one
        if is_carried(event):
            return False
        gathered = self.runs.get(name)
        if gathered is None:
            if kind != BEGINNING or version != "1":
                self.strays.add(name)
                return False
            gathered = self.runs[name] = _Gathered(skipped=_too_old(event, wanted.since))
        gathered.count += 1
        if not gathered.skipped and not gathered.parked:
            gathered.events.append(event)
            gathered.bytes += len(event.body)
            self._bytes += len(event.body)
            while self._bytes > self._largest:
                self._park()
        return kind in ENDINGS

    def _park(self) -> None:
        largest = max(self.runs.values(), key=lambda each: each.bytes)
        self._bytes -= largest.bytes
        largest.events, largest.bytes, largest.parked = [], 0, True

    def give(self, name: str) -> _Gathered | None:
        """What is known of a run, forgetting it; None where it is not wanted."""
        gathered = self.runs.pop(name, None)
        if gathered is None or gathered.skipped:
            return None
        self._bytes -= gathered.bytes
        return gathered


def _too_old(event: Recorded, since: datetime | None) -> bool:
    try:
        return since is not None and parse_time(event.time) < since
    except (ValueError, KeyError):
        return False  # its replay will tell


async def _whole(store: EventStore, stream: StreamId, gathered: _Gathered) -> Found:
    """Load what was not held, or has content elsewhere."""
    if not gathered.parked and not any(map(has_references, gathered.events)):
        return Found(stream, gathered.events)
    try:
        return Found(stream, (await store.load(stream)).events[: gathered.count])
    except ServiceUnreachable:
        raise
    except PrecedentError as error:
        return Found(stream, gathered.events, error)


async def replay_found(found: Found, statuses_wanted: frozenset[str] | None, replay: ReplayRun) -> Replayed | None:
    """The outcome for one run; None where its status is not wanted."""
    events: list[RunEvent] | None = None
    try:
        if found.error is not None:
            raise found.error
        events = known_events(found.stored)
        if statuses_wanted is not None and statuses_wanted.isdisjoint(statuses(fold(events))):
            return None
        return _replayed(found.stream.id, events, await replay(found.stream, events))
    except ServiceUnreachable:
        raise
    except PrecedentError as error:
        outcome: Outcome = "diverged" if isinstance(error, ReplayDiverged) else "refused"
        return Replayed(
            run=found.stream.id,
            outcome=outcome,
            status=_status(events),
            events=len(found.stored),
            effects=0,
            error=error,
        )


def _replayed(name: str, events: Sequence[RunEvent], done: Replay | ReExecution) -> Replayed:
    re_execution = done if isinstance(done, ReExecution) else None
    compared = done.replay if isinstance(done, ReExecution) else done
    outcome = outcome_of(compared.ended, replayable=compared.replayable)
    if re_execution is not None and re_execution.others:
        outcome = "diverged"
    return Replayed(
        run=name,
        outcome=outcome,
        # Only a run that has not ended stands elsewhere than in its phase.
        status=compared.ended if compared.ended in ENDED else _status(events),
        events=compared.events,
        effects=compared.effects,
        re_execution=re_execution,
    )


def _status(events: Sequence[RunEvent] | None) -> str:
    try:
        return "unknown" if events is None else statuses(fold(events))[-1]
    except PrecedentError:
        return "unknown"


def outcome_of(phase: str, *, replayable: bool) -> Outcome:
    """The outcome for a run that did not diverge."""
    if phase not in ENDED:
        return "open"
    return "identical" if replayable else "nothing"


def statuses(run: Run) -> tuple[str, ...]:
    """The phase of a run and, behind it, what the run table calls its status where that is another word."""
    phase = run.phase.value
    if run.ended or not (run.paused or run.waiting):
        return (phase,)
    return (phase, "paused" if run.paused else "waiting")
