"""Every entry as a task on the bus, so many runs at once, until each has ended; and what the log then holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from commands.handle import Answer, CommandEnvelope
from commands.ports import EventStore, Selection
from domain.kernel.errors import PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.values import Json, encode, format_time
from infra.bench.bfcl.catalogue import Catalogue
from infra.bench.bfcl.corpus import Entry
from infra.bench.bfcl.figures import ENDINGS
from infra.bench.bfcl.plans import plan_of, tools_of
from infra.bench.bfcl.world import INPUT_TYPE, inputs_of

Send = Callable[[CommandEnvelope], Awaitable[Answer]]
"""Sends a command and gives its answer."""


class SubmissionRefused(PrecedentError):
    """A task of the benchmark was not accepted: the answer in the message says why."""

    code = "bench.submission-refused"


def task_of(entry: Entry, catalogue: Catalogue, now: datetime) -> dict[str, Any]:
    """The entry as a task file."""
    return {
        "goal": f"Make the calls of {entry.id}",
        "input": INPUT_TYPE,
        "inputs": {**inputs_of(entry, now), "now": format_time(now)},
        "tools": tools_of(entry, catalogue),
        "plan": plan_of(entry, catalogue),
    }


def output_of(entry: Entry, results: Sequence[Any]) -> Json:
    """What the plan of an entry gives when its calls give these results: encoded, as ``RunCompleted`` holds it."""
    left = iter(results)
    return encode([[next(left) for _ in turn] for turn in entry.turns])


@dataclass(slots=True)
class Progress:
    """The runs of one pass, as they are seen in the log."""

    events: list[Recorded] = field(default_factory=list)
    ended: dict[str, asyncio.Event] = field(default_factory=dict)

    def see(self, batch: Iterable[Recorded]) -> None:
        """Take note of new events."""
        for event in batch:
            self.events.append(event)
            if event.short_name in ENDINGS and event.stream.id in self.ended:
                self.ended[event.stream.id].set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """What to run, as whom, and how much at once."""

    tenant: str
    tasks: dict[str, dict[str, Any]]
    """Run id -> task file."""
    concurrent: int


async def run_all(
    submissions: Submissions, send: Send, store: EventStore, on_end: Callable[[], None]
) -> tuple[list[Recorded], float]:
    """Run every task; give their events in log order, and the seconds from the first submission to the last end.

    ``on_end`` is called as each run ends. Raises ``SubmissionRefused``, and ``ServiceUnreachable`` as ``send`` does.
    """
    progress = Progress(ended={run: asyncio.Event() for run in submissions.tasks})
    after = await store.end()

    async def follow() -> None:
        async for batch in store.follow(after, Selection(tenant=submissions.tenant, category="run")):
            progress.see(batch)

    waiting = iter(submissions.tasks.items())

    async def keep_one_running() -> None:
        for run, task in waiting:
            await _submit(submissions.tenant, run, task, send)
            await progress.ended[run].wait()
            on_end()

    began = time.perf_counter()
    follower = asyncio.create_task(follow())
    runners = [asyncio.create_task(keep_one_running()) for _ in range(submissions.concurrent)]
    try:
        await _all_done(runners, follower)
        seconds = time.perf_counter() - began
    finally:
        for task in (follower, *runners):
            task.cancel()
        await asyncio.gather(follower, *runners, return_exceptions=True)
    return [event for event in progress.events if event.stream.id in submissions.tasks], seconds


async def _all_done(runners: Sequence[asyncio.Task[None]], follower: asyncio.Task[None]) -> None:
    """Wait for all runners; raise what the first of them to fail raises, or what ends the follower."""
    running = set(runners)
    while running:
        done, _ = await asyncio.wait({*running, follower}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        running -= done


async def _submit(tenant: str, run: str, task: dict[str, Any], send: Send) -> None:
    answer = await send(CommandEnvelope(id=run, type="SubmitRun", tenant=tenant, data={"task": task}))
    if answer.outcome != "accepted":
        detail = answer.error.message if answer.error else answer.outcome
        raise SubmissionRefused(f"run {run} was not accepted ({answer.outcome}): {detail}")
