"""All tasks submitted, and then the same again, on servers of their own with a model that knows the ground truth."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from adapters.nats.command_client import CommandClient
from commands.ports import EventStore, Selection
from domain.kernel.events import Recorded
from domain.kernel.ids import START
from domain.runs.events import ModelCallAnswered, ModelCallRequested
from domain.runs.parts import RunEvent
from infra.bench.bfcl.benchmark import data_directory
from infra.bench.bfcl.replaying import Histories, histories_of, verify_all
from infra.bench.bfcl.report import Replays
from infra.bench.bfcl.submitting import Submissions, run_all
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
"""What runs teach is appended after their end. So many looks at the log in a row, so many seconds apart, that show
nothing new mean that it is all there: the longest pause in between is one embedding, some 0.1 s."""


_SERVICES: Final = (
    Service(name="worker", argv=(sys.executable, "-m", "infra.bench.bfcl.worker")),
    Service(name="projector", argv=(sys.executable, "-m", "infra.workers", "projector", "projector-bench")),
)
"""The projector fills the cache's tier in the database."""


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
            files = workload.submissions(setup.levels, datetime.now(UTC))
            passes: list[Pass] = []
            for name in PASSES:
                tasks = {f"{name}-{entry}": file for entry, file in files.items()}
                submissions = Submissions(tenant=settings.tenant, tasks=tasks, concurrent=concurrent)
                before, known = model.asked.total(), passes[-1].learned if passes else Learned()
                events, seconds = await run_all(submissions, send, store, partial(advance, name))
                await _quiet(store)
                passes.append(
                    _pass(name, workload, events, seconds, model.asked.total() - before, known, await _taught(store))
                )
            used = usage_of_stack(data)
    return Ran(
        setup=setup,
        workload=workload,
        embedder=embedder_in_use(settings).name,
        passes=tuple(passes),
        used=used,
    )


def _pass(
    name: str,
    workload: Workload,
    events: Sequence[Recorded],
    seconds: float,
    asked: int,
    known: Learned,
    taught: Learned,
) -> Pass:
    histories = histories_of(events)
    expected = {task.entry.id: task.expected for task in workload.tasks}
    outcomes = [outcome_of(entry, histories.get(f"{name}-{entry}", []), output) for entry, output in expected.items()]
    return Pass(
        name=name,
        seconds=seconds,
        outcomes=tuple(outcomes),
        replays=verify_all(histories),
        asked=asked,
        learned=taught,
        needless=tuple(_needless(name, workload, histories, known)),
    )


def _needless(name: str, workload: Workload, histories: Histories, known: Learned) -> Iterator[str]:
    for task in workload.tasks:
        history = histories.get(f"{name}-{task.entry.id}", [])
        if task.goal in known.goals:
            answered = any(_executed(event) for event in history)
        else:
            asked = {event.effect: event.request_digest for event in history if isinstance(event, ModelCallRequested)}
            answered = any(_executed(event, asked, known.answers) for event in history)
        if answered:
            yield task.entry.id


def _executed(event: RunEvent, asked: dict[str, str] | None = None, known: set[str] | None = None) -> bool:
    """Whether a model was really asked, for one of the known questions."""
    if not isinstance(event, ModelCallAnswered) or event.source != "executed":
        return False
    return asked is None or known is None or asked.get(event.effect) in known


async def _quiet(store: EventStore) -> None:
    """Wait until nothing is appended any more."""
    last: Any = None
    quiet = 0
    while quiet < _QUIET:
        end = await store.end()
        quiet = quiet + 1 if end == last else 0
        last = end
        await asyncio.sleep(_LOOK)


async def _taught(store: EventStore) -> Learned:
    async def read(category: str) -> list[Recorded]:
        return [event async for batch in store.read(START, Selection(category=category)) for event in batch]

    return learned(await read("program"), await read("cache"))
