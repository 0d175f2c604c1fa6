"""Replays: effects verified and events folded per second of processor time, on the runs of BFCL and on one long run.

    python -m benchmarks.replays [--entries 800] [--repeat 5] [--times 5] [--json] [--profile]

The runs are made first, in memory, by the driver and BFCL's own classes. What is timed begins with the stored bytes:
nothing is decoded, and no module is loaded yet. Processor time, so that other work on the machine counts little; the
ratio compares with parsing the same bytes as JSON, which no replay can do without. Several processes are timed by the
clock, their start and end included, over each run so many ``--times`` under other names: that wants an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast

import orjson

from adapters.access.same_tenant import OnlyTenants
from adapters.memory.answers import MemoryAnswers
from adapters.memory.clock import LoopClock
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.run_index import LogRunIndex
from adapters.memory.wakes import MemoryWakes
from adapters.models.clients import ModelClients
from adapters.system.clock import SystemRandomness
from adapters.tools.registry import ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from commands.catalog import COMMANDS, REACTIONS
from commands.handle import CommandEnvelope, CommandHandler
from commands.ports import EventStore
from commands.replays import known_events
from commands.replays.scanning import Wanted, scan, verified
from commands.replays.spreading import scan_spread
from commands.runs.driver import Driver, Rest
from commands.services import Services
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.journal import loaded
from domain.runs.replay import fold, verify
from infra.bench.bfcl.corpus import locate
from infra.bench.bfcl.submitting import task_of
from infra.bench.bfcl.tools import BfclTools
from infra.bootstrap.collector import YOUNG_OF_MANY, relieve_collector
from infra.bootstrap.processes import processor_count
from infra.bootstrap.replays import replaying
from infra.settings import Settings

TENANT = "bench"
BATCH = 1000
"""Events that a reader gives at once."""

LONG = "(reduce (fn [total n] (+ total (call :random.int {:low n :high n}))) 0 (range %d))"
"""One run of so many effects."""

Histories = list[list[Recorded]]


@dataclass
class Figure:
    """One line of the table."""

    what: str
    rate: float
    unit: str
    parsing: float | None
    """Processor time as a multiple of parsing the same bytes; none where the clock was looked at."""


async def recorded(tasks: dict[str, dict[str, Any]], tools: BfclTools) -> Histories:
    """Run these tasks in memory; give the events of each as its log holds them."""
    content, clock = MemoryContentStore(), LoopClock()
    store = MemoryEventStore(content)
    registry = ToolRegistry(tools_of_modules(["adapters.tools.builtin.ambient"]), (tools,))
    services = Services(
        store=store,
        content=content,
        wakes=MemoryWakes(clock),
        answers=MemoryAnswers(),
        authorizer=OnlyTenants([TENANT]),
        tools=LocalToolRunner(registry, ToolSettings(root=Path.cwd())),
        models=ModelClients({}),
        runs=LogRunIndex(store),
        clock=clock,
        randomness=SystemRandomness(),
    )
    handler = CommandHandler(services, COMMANDS, REACTIONS)
    histories = []
    for run, task in tasks.items():
        envelope = CommandEnvelope(id=run, type="SubmitRun", tenant=TENANT, data={"task": task})
        answer = (await handler.handle(envelope, "bench")).answer
        assert answer.outcome == "accepted", answer
        stream = StreamId(TENANT, "run", run)
        assert await Driver(services, stream, "bench/1").drive() is Rest.ENDED
        histories.append(list((await store.load(stream)).events))
    return histories


class FreshLog:
    """Reads a log of these events, with nothing of it decoded yet: the reading half of an event store."""

    def __init__(self, histories: Histories) -> None:
        self._events = [event for events in histories for event in events]

    async def read(self, *_: object, **__: object) -> AsyncIterator[Sequence[Recorded]]:
        """All of it, in batches."""
        for first in range(0, len(self._events), BATCH):
            chosen = self._events[first : first + BATCH]
            yield [Recorded(each.position, each.address, each.body) for each in chosen]


def scanned(histories: Histories) -> int:
    """Replay them as ``precedent replay --all`` does; give the number of effects."""

    async def scan_all() -> int:
        log = cast("EventStore", FreshLog(histories))
        return sum([each.effects async for each in scan(log, Wanted(tenant=TENANT), verified)])

    return asyncio.run(scan_all())


def side_by_side(histories: Histories, jobs: int) -> float:
    """Seconds by the clock in which so many processes replay them, as ``precedent replay --all --jobs N`` does."""

    async def scan_all() -> None:
        log = cast("EventStore", FreshLog(histories))
        wanted = Wanted(tenant=TENANT)
        replays = scan(log, wanted, verified) if spread is None else scan_spread(log, wanted, spread)
        async for each in replays:
            assert each.outcome == "identical", each

    loaded.cache_clear()
    began = time.perf_counter()
    with replaying(Settings(), jobs) as spread:
        asyncio.run(scan_all())
    return time.perf_counter() - began


def renamed(histories: Histories, number: int) -> Histories:
    """The same runs under other names."""
    return [
        [Recorded(each.position, each.address.replace(".run.", f".run.{number}_"), each.body) for each in events]
        for events in histories
    ]


def seconds(work: Callable[[list[Recorded]], object], histories: Histories, repeat: int) -> float:
    """As ``timed``: run by run, each from its bytes and forgotten at once."""
    return timed(lambda: each_fresh(work, histories), repeat)


def each_fresh(work: Callable[[list[Recorded]], object], histories: Histories) -> None:
    """Do some work on each run, with nothing of it decoded yet."""
    for events in histories:
        work([Recorded(each.position, each.address, each.body) for each in events])


def parse_one(events: list[Recorded]) -> None:
    """What every reader must do at least."""
    for event in events:
        orjson.loads(event.body)


def verify_one(events: list[Recorded]) -> int:
    """Verify a run; give the number of its effects."""
    return verify(known_events(events)).effects


def fold_one(events: list[Recorded]) -> None:
    """View a run as of its end."""
    fold(known_events(events))


def timed(work: Callable[[], object], repeat: int) -> float:
    """Median of the processor time that some work takes, no module being loaded before."""
    taken = []
    for _ in range(repeat):
        loaded.cache_clear()
        gc.collect()
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def figures(name: str, histories: Histories, repeat: int) -> list[Figure]:
    """What it takes to parse, verify, scan and fold them."""
    effects, events = sum(map(verify_one, histories)), sum(map(len, histories))
    parsing = seconds(parse_one, histories, repeat)
    verifying = seconds(verify_one, histories, repeat)
    scanning = timed(lambda: scanned(histories), repeat)
    folding = seconds(fold_one, histories, repeat)
    return [
        Figure(f"{name}: verified", effects / verifying, "effects/s", verifying / parsing),
        Figure(f"{name}: scanned", effects / scanning, "effects/s", scanning / parsing),
        Figure(f"{name}: folded", events / folding, "events/s", folding / parsing),
    ]


def several(histories: Histories, times: int, repeat: int) -> list[Figure]:
    """What one and several processes make of a longer log."""
    longer = [events for number in range(times) for events in renamed(histories, number)]
    effects = times * sum(map(verify_one, histories))
    found = []
    for jobs in range(1, processor_count() + 1):
        taken = statistics.median([side_by_side(longer, jobs) for _ in range(repeat)])
        found.append(Figure(f"{len(longer)} runs, jobs {jobs}, clock", effects / taken, "effects/s", None))
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replays", description=__doc__)
    parser.add_argument("--entries", type=int, default=800, help="BFCL entries (default %(default)s)")
    parser.add_argument("--calls", type=int, default=1000, help="effects of the long run (default %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="times that each is measured (default %(default)s)")
    parser.add_argument("--times", type=int, default=5, help="copies of BFCL's runs (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", action="store_true", help="show where the time of a verification goes")
    given = parser.parse_args()
    corpus = locate()
    tools = BfclTools(corpus)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    tasks = {entry.id: task_of(entry, tools.catalogue, now) for entry in islice(corpus.entries(), given.entries)}
    bfcl = asyncio.run(recorded(tasks, tools))
    long_task = {"goal": "Many effects", "plan": LONG % given.calls, "tools": ["random.int"]}
    long_run = asyncio.run(recorded({"long": long_task}, tools))
    if given.profile:
        profile(lambda: each_fresh(verify_one, bfcl))
        profile(lambda: each_fresh(fold_one, bfcl))
        profile(lambda: scanned(bfcl))
        return
    relieve_collector(YOUNG_OF_MANY)  # as the command does
    found = [*figures("BFCL", bfcl, given.repeat), *figures(f"{given.calls} effects", long_run, given.repeat)]
    found += several(bfcl, given.times, given.repeat)
    show(found, as_json=given.json)


def profile(work: Callable[[], object]) -> None:
    """Where the time goes."""
    loaded.cache_clear()
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("cumtime").print_stats(60)


def show(found: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found]) + "\n")
        return
    for each in found:
        ratio = "" if each.parsing is None else f" {each.parsing:>6.1f} x parsing"
        sys.stdout.write(f"{each.what:<26} {each.rate:>10,.0f} {each.unit:<10}{ratio}\n")


if __name__ == "__main__":
    main()
