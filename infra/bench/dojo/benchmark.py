"""Every task done by a program and by an agent on real servers; each run replayed in every way, and forked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from adapters.nats.command_client import CommandClient
from commands.handle import CommandEnvelope
from commands.ports import EventStore
from commands.replays import known_events
from commands.replays.executing import OtherAnswer, ReExecution, re_execute
from commands.replays.scanning import Replayed, ReplayRun, Wanted, scan, verified
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import Json, digest_json, encode
from domain.runs.comparison import compare
from domain.runs.differences import MOST
from domain.runs.events import ToolCallCompleted, ToolCallFailed
from domain.runs.inheritance import history_digest
from domain.runs.replay import fold
from infra.bench.bfcl.benchmark import ANSWERS_WITHIN, data_directory
from infra.bench.bfcl.submitting import Send, Submissions, run_all
from infra.bench.dojo.corpus import Task
from infra.bench.dojo.tools import DojoTools, handed_over, planned
from infra.bootstrap.agents import agents_of
from infra.bootstrap.connections import connected, event_store
from infra.bootstrap.tools import tool_runner
from infra.settings import Settings, load
from infra.stack.service import Service
from infra.stack.stack import embedded

LISTED: Final = "infra.bench.dojo.listed"
"""Module of the corpus's tools and agent, as configurations name it."""
WORKER: Final = Service(name="worker", argv=(sys.executable, "-m", "infra.workers", "worker", "dojo"))
CONCURRENT: Final = 16
WAYS: Final = {"program": planned, "agent": handed_over}

ANSWERS: Final = frozenset({ToolCallCompleted.short_name(), ToolCallFailed.short_name()})

Advance = Callable[[str], None]
"""Told what is done, each time that one run of it has ended."""


@dataclass(slots=True, kw_only=True)
class Way:
    """What became of all tasks when they were done in one way: by a program, or by the agent."""

    runs: int
    completed: int = 0
    right: int = 0
    """Outputs that are what the package gives when it makes the calls itself."""
    effects: int = 0
    views: int = 0
    """States that were folded: one after each event of each run."""
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Runs by mode of the replay and by outcome."""
    reordered: list[str] = field(default_factory=list)
    """Runs in which a tool gave the same items in another order: that of a set, which is another in every process."""
    unexplained: list[str] = field(default_factory=list)
    forks: int = 0
    forks_alike: int = 0
    inherited: int = 0
    """Effects that forks inherited."""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every run is right, every replay identical or explained, and every fork as its parent."""
        return (
            self.completed == self.right == self.runs
            and self.outcomes["verify"] == {"identical": self.runs}
            and not self.unexplained
            and self.forks_alike == self.forks == self.runs
        )


async def benchmark(
    tasks: Sequence[Task], expected: Mapping[str, Json], now: datetime, advance: Advance
) -> dict[str, Way]:
    """Do all tasks in every way, on servers of their own. ``expected``: by task, the results that are right.

    ``now`` is the time that the tools see.

    Raises ``SubmissionRefused``, and what the embedded stack raises when it cannot start.
    """
    with data_directory() as data:
        settings = load(data=data, tools=(LISTED,), agents=(LISTED,), workers=CONCURRENT, durability="flush")
        async with (
            embedded(settings, services=[WORKER]) as endpoints,
            connected(endpoints, "precedent-bench") as connection,
            event_store(connection, endpoints) as store,
            CommandClient(connection, settings.tenant, "bench") as client,
        ):
            send = partial(client.send, category="run", within=ANSWERS_WITHIN)
            bench = _Bench(settings, store, send, advance)
            return {way: await bench.done(way, tasks, expected, now) for way in WAYS}


@dataclass(frozen=True, slots=True)
class _Bench:
    settings: Settings
    store: EventStore
    send: Send
    advance: Advance

    async def done(self, name: str, tasks: Sequence[Task], expected: Mapping[str, Json], now: datetime) -> Way:
        way = Way(runs=len(tasks))
        files = {f"{name}-{task.id}": WAYS[name](task, now) for task in tasks}
        histories, way.seconds["run"] = await self._run(files, f"{name}s")
        self._judge(way, histories, {f"{name}-{task.id}": expected[task.id] for task in tasks})
        agents = agents_of(self.settings)
        await self._replay(way, "verify", partial(verified, agents=agents), histories)
        tools = tool_runner(self.settings)

        async def again(run: StreamId, events: Sequence[Any]) -> ReExecution:
            return await re_execute(tools, run, events, agents)

        await self._replay(way, "re-execute", again, histories)
        await self._fork(way, f"forks of {name}s", files, histories)
        return way

    async def _run(
        self, files: dict[str, dict[str, Any]], name: str, forks: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, list[Recorded]], float]:
        async def send(envelope: CommandEnvelope) -> Any:
            data = envelope.data | ({} if forks is None else {"fork": forks[envelope.id]})
            return await self.send(envelope.model_copy(update={"data": data}))

        submissions = Submissions(tenant=self.settings.tenant, tasks=files, concurrent=CONCURRENT)
        events, seconds = await run_all(submissions, send, self.store, partial(self.advance, name))
        histories: dict[str, list[Recorded]] = {run: [] for run in files}
        for event in sorted(events, key=lambda each: each.version):
            histories[event.stream.id].append(event)
        return histories, seconds

    def _judge(self, way: Way, histories: Mapping[str, list[Recorded]], expected: Mapping[str, Json]) -> None:
        began = time.perf_counter()
        for run, stored in histories.items():
            events = known_events(stored)
            states = [fold(events[:count]) for count in range(1, len(events) + 1)]
            way.views += len(states)
            way.completed += states[-1].phase == "completed"
            way.right += same_items(states[-1].output, expected[run])
            way.effects += len(states[-1].journal)
        way.seconds["view"] = time.perf_counter() - began

    async def _replay(self, way: Way, mode: str, replay: ReplayRun, histories: Mapping[str, Any]) -> None:
        began, outcomes = time.perf_counter(), way.outcomes.setdefault(mode, {})
        async for replayed in scan(self.store, Wanted(tenant=self.settings.tenant), replay):
            if replayed.run in histories:
                outcomes[replayed.outcome] = outcomes.get(replayed.outcome, 0) + 1
                _explain(way, replayed)
        way.seconds[mode] = time.perf_counter() - began

    async def _fork(
        self, way: Way, name: str, files: Mapping[str, dict[str, Any]], histories: Mapping[str, list[Recorded]]
    ) -> None:
        points = {}
        for run, stored in histories.items():
            at = _middle(stored)
            points[f"fork-{run}"] = {"run": run, "at": at, "digest": history_digest(e.body for e in stored[:at])}
        forks, way.seconds["fork"] = await self._run({f"fork-{run}": file for run, file in files.items()}, name, points)
        for run, stored in histories.items():
            parent, fork = fold(known_events(stored)), fold(known_events(forks[f"fork-{run}"]))
            way.forks += 1
            # What `ctx.now` and the like would give is another; this agent asks for none of it.
            way.forks_alike += not compare(parent, fork).changes
            way.inherited += sum(entry.inherited for entry in fork.journal.values())


def _middle(stored: Sequence[Recorded]) -> int:
    """The event by which half of a run's calls have their answers."""
    answered = [place for place, event in enumerate(stored, start=1) if event.short_name in ANSWERS]
    return answered[len(answered) // 2] if answered else len(stored) // 2


def _explain(way: Way, replayed: Replayed) -> None:
    if replayed.outcome == "identical":
        return
    others = () if replayed.re_execution is None else replayed.re_execution.others
    if others and all(map(_reordered, others)):
        way.reordered.append(replayed.run)
    else:
        way.unexplained.append(f"{replayed.run}: {replayed.error or [str(each) for each in others]}")


def _reordered(other: OtherAnswer) -> bool:
    """Whether a result differs in the order of items alone: the same are there, in other places."""
    then, now = ([digest_json(getattr(each, side)) for each in other.differences] for side in ("recorded", "actual"))
    return bool(then) and len(then) < MOST and sorted(then) == sorted(now)


def expected_of(tools: DojoTools, environment: Any, task: Task, now: datetime) -> Json:
    """What the package's functions give for the calls of a task, in this process and without any run."""
    made = {tool.declaration.name: tool for tool in tools.on(environment, task.suite, now)}
    results = []
    for call, asked in zip(task.calls, handed_over(task, now)["inputs"]["calls"], strict=True):
        results.append(made[asked["tool"]].function(**call.arguments))
    return encode(results)


def same_items(one: Json, other: Json) -> bool:
    """Whether two results have the same items, in whatever order their lists are."""
    return digest_json(_sorted(one)) == digest_json(_sorted(other))


def _sorted(tree: Json) -> Json:
    if isinstance(tree, list):
        return sorted(map(_sorted, tree), key=digest_json)
    if isinstance(tree, dict):
        return {key: _sorted(item) for key, item in tree.items()}
    return tree
