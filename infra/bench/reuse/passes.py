"""All tasks submitted, and then the same again, on servers of their own with a model that knows the ground truth."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from adapters.nats.command_client import CommandClient
from adapters.nats.wakes import unsettled
from commands.ports import EventStore, Selection
from domain.kernel.events import Recorded
from domain.kernel.ids import START
from domain.runs.events import ModelCallAnswered, ModelCallRequested
from infra.bench.bfcl.benchmark import LISTED, WORKER, data_directory
from infra.bench.bfcl.replaying import Histories, histories_of, verify_all
from infra.bench.bfcl.report import Replays
from infra.bench.bfcl.submitting import Send, Submissions, run_all
from infra.bench.bfcl.usage import Usage, usage_of_stack
from infra.bench.reuse.learned import Learned, learned
from infra.bench.reuse.model import NAME, GroundTruth, served
from infra.bench.reuse.outcomes import Outcome, outcome_of
from infra.bench.reuse.workload import Form, Workload
from infra.bootstrap.connections import connected, event_store
from infra.bootstrap.embedding import embedder_in_use
from infra.settings import load
from infra.stack.service import Service
from infra.stack.stack import embedded

PASSES: Final = ("first", "second")
ANSWERS_WITHIN: Final = 60.0
"""Seconds for the answer to one submission, all others before it in the queue included."""

_LOOK: Final = 0.5
_QUIET: Final = 4
"""What runs teach is appended after their end and before their wakes are settled. Once they are, so many looks at the
log in a row, so many seconds apart, leave the worker time to hear of it."""


_SERVICES: Final = (
    WORKER,
    Service(name="projector", argv=(sys.executable, "-m", "infra.bench.reuse.projector")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One way to run the workload."""

    form: Form
    levels: tuple[str, ...]
    similarity: float
    """Of goals, from which on a program answers: fixed until evidence moves it."""

    @property
    def name(self) -> str:
        """The setup in a few words."""
        return f"{' '.join(self.levels)}, {self.form}, similarity {self.similarity:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """All tasks run once."""

    name: str
    seconds: float
    """Wall time from the first submission to the last end."""
    outcomes: tuple[Outcome, ...]
    replays: Replays
    asked: int
    """Questions that the model's own server counted."""
    learned: Learned
    """From the beginning of the first pass to the end of this one."""
    needless: tuple[str, ...]
    """Entries for which the model was asked although this very question, or this very goal, had its answer before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One setup, run."""

    setup: Setup
    workload: Workload
    embedder: str
    passes: tuple[Pass, ...]
    used: dict[str, Usage]


async def run_setup(setup: Setup, workload: Workload, concurrent: int, advance: Callable[[str], None]) -> Ran:
    """Run the workload twice. ``advance`` is told the pass each time that a run of it has ended.

    Raises ``SubmissionRefused``, and what the embedded stack raises when it cannot start.
    """
    model = GroundTruth(workload.plans)
    with served(model) as url, data_directory() as data:
        settings = load(
            data=data,
            tools=(LISTED,),
            workers=concurrent,
            models={"default": {"url": url, "model": NAME}},
            programs={"effects": "write", "similarity": setup.similarity},
        )
        async with (
            embedded(settings, services=_SERVICES) as endpoints,
            connected(endpoints, "precedent-bench") as connection,
            event_store(connection, endpoints) as store,
            CommandClient(connection, settings.tenant, "bench") as client,
        ):
            send = partial(client.send, category="run", within=ANSWERS_WITHIN)
            log = Log(settings.tenant, store, send, partial(unsettled, connection, settings.tenant))
            passes = await run_passes(setup, workload, log, model, concurrent, advance)
            used = usage_of_stack(data)
    return Ran(
        setup=setup,
        workload=workload,
        embedder=embedder_in_use(settings).name,
        passes=passes,
        used=used,
    )


@dataclass(frozen=True, slots=True)
class Log:
    """Where tasks are submitted, and where it is read what became of them."""

    tenant: str
    store: EventStore
    send: Send
    unsettled: Callable[[], Awaitable[int]]
    """How many wakes are left, those of runs that have ended and still teach included."""


async def run_passes(
    setup: Setup, workload: Workload, log: Log, model: GroundTruth, concurrent: int, advance: Callable[[str], None]
) -> tuple[Pass, ...]:
    """Both passes, over a log whose worker asks this model. Raises ``SubmissionRefused``."""
    files = workload.submissions(setup.levels, datetime.now(UTC))
    passes: list[Pass] = []
    known = Learned()
    for name in PASSES:
        tasks = {f"{name}-{entry}": file for entry, file in files.items()}
        submissions = Submissions(tenant=log.tenant, tasks=tasks, concurrent=concurrent)
        asked = model.asked.total()
        events, seconds = await run_all(submissions, log.send, log.store, partial(advance, name))
        await _quiet(log)
        taught = await _taught(log)
        histories = _by_entry(histories_of(events), name)
        passes.append(
            Pass(
                name=name,
                seconds=seconds,
                outcomes=tuple(
                    outcome_of(t.entry.id, histories.get(t.entry.id, []), t.expected) for t in workload.tasks
                ),
                replays=verify_all(histories),
                asked=model.asked.total() - asked,
                learned=taught,
                needless=tuple(_needless(workload, histories, known)),
            )
        )
        known = taught
    return tuple(passes)


def _by_entry(histories: Histories, name: str) -> Histories:
    return {run.removeprefix(f"{name}-"): history for run, history in histories.items()}


def _needless(workload: Workload, histories: Histories, known: Learned) -> Iterator[str]:
    for task in workload.tasks:
        history = histories.get(task.entry.id, [])
        asked = {event.effect: event.request_digest for event in history if isinstance(event, ModelCallRequested)}
        executed = [event for event in history if isinstance(event, ModelCallAnswered) and event.source == "executed"]
        if executed and (task.goal in known.goals or any(asked.get(e.effect) in known.answers for e in executed)):
            yield task.entry.id


async def _quiet(log: Log) -> None:
    """Wait until nobody works any more and nothing is appended."""
    last: Any = None
    quiet = 0
    while quiet < _QUIET:
        left, end = await log.unsettled(), await log.store.end()
        quiet = quiet + 1 if left == 0 and end == last else 0
        last = end
        await asyncio.sleep(_LOOK)


async def _taught(log: Log) -> Learned:
    async def read(category: str) -> list[Recorded]:
        chosen = Selection(tenant=log.tenant, category=category)
        return [event async for batch in log.store.read(START, chosen) for event in batch]

    return learned(await read("program"), await read("cache"))
