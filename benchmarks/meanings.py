"""Answers to questions of the same meaning: how long a hit of level 3 takes, embedding included, among many entries.

    python -m benchmarks.meanings [--entries 100000] [--hits 1000] [--json]

A hit embeds a question of 12 to 14 tokens with MiniLM, asks the vector index for its neighbours, lets them propose,
reads the entry and its namespace's withdrawals at the log's leader, compares the points, and compiles the plan: all
that a run waits for. *Cold* is the first look-up of an entry, *warm* the second one; no text is remembered. In the same
run: one bare read of a stream, and the embedding alone. Processor time is this process's own, with that of the thread
that embeds: it stays the same on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import hypot
from pathlib import Path

import uvloop

from adapters.embedding.minilm import MiniLmEmbedder
from commands.cache.meanings import Meant
from commands.cache.publishing import publish
from commands.cache.semantic import look_alike
from commands.indexes import Embedder
from commands.reuse import Reuse
from commands.services import Services
from domain.cache.events import CacheEntryPublished, Meaning
from domain.kernel.embedding import Embedding
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost
from domain.kernel.values import text_of_bytes
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import parse_type
from infra.bootstrap.collector import relieve_collector
from infra.bootstrap.reuse import feed_of
from infra.bootstrap.vectors import vector_index
from infra.bootstrap.write_side import write_side
from infra.settings import load
from infra.stack.stack import embedded

TENANT, NAMESPACE, MODEL = "bench", "default", "model@1"
GROUPS = 100
"""Sets of parameters over which the entries are spread: only what has the same is compared."""
AT_ONCE = 64
GOAL = 15.0
"""Milliseconds, p99."""
PLAN = "(let [n (:n inputs)] (reduce + 0 (map (fn [x] (* x n)) [1 2 3])))"
THINGS = ["books", "chairs", "lamps", "shoes", "shirts", "plants", "clocks", "boats", "cars", "toys"]
PLACES = ["northern", "southern", "eastern", "western", "central", "small", "large", "old", "new", "foreign"]
TIMES = ["day", "week", "month", "quarter", "year", "spring", "summer", "autumn", "winter", "night"]


@dataclass
class Figure:
    """One line of the table; milliseconds."""

    what: str
    p50: float
    p99: float
    cpu: float
    goal: float | None = None


def goals(count: int) -> list[str]:
    """Questions that a person might ask, each another one."""
    every = [
        f"which {thing} did the {place} shops {verb} most often last {when}"
        for verb, thing, place, when in product(("sell", "order"), THINGS, PLACES, TIMES)
    ]
    return random.Random(7).sample(every, count)


def compiled(plan: str) -> Program:
    """The plan as a task of these types would have it."""
    types = {"inputs": parse_type("[:map [:n :int]]")}
    return compile_program(plan, parameters=types, output=parse_type(":int"), capabilities={})


def question(number: int, goal: str) -> Meant:
    """What is asked."""
    parameters = f"sha256:{number % GROUPS:064x}"
    return Meant(
        tenant=TENANT, namespace=NAMESPACE, version=MODEL, parameters=parameters, goal=goal, run="r", draw=f"r{number}"
    )


def entry(number: int, goal: str, point: Embedding, program: str) -> CacheEntryPublished:
    """What was answered."""
    asked = question(number, goal)
    key = asked.key()
    answer = {"text": PLAN, "served_model": MODEL, "recorded": False}
    meaning = Meaning(text=goal, embedder=point.embedder, vector=text_of_bytes(point.vector))
    return CacheEntryPublished(
        namespace=key.namespace, level=key.level, kind=key.kind, version=key.version, digest=key.digest,
        value={"answer": answer, "parameters": asked.parameters, "program": program}, volatility="slow", expires=None,
        depends=(f"model:{MODEL}",), cost=Cost(tokens=100), run=f"r{number}", effect="0", meaning=meaning,
    )  # fmt: skip


def anywhere(embedder: Embedder, chance: random.Random) -> Embedding:
    """A point far from all others."""
    numbers = [chance.gauss(0, 1) for _ in range(embedder.dimensions)]
    length = hypot(*numbers)
    return Embedding(embedder.name, array("f", [each / length for each in numbers]).tobytes())


async def fill(services: Services, embedder: Embedder, entries: int, asked: Sequence[str]) -> dict[int, str]:
    """Publish the entries; the goals that will be asked for, by the number of their entry."""
    chance, program = random.Random(7), compiled(PLAN).digest
    wanted = dict(zip(chance.sample(range(entries), len(asked)), asked, strict=True))
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            if number in wanted:
                goal = wanted[number]
                (point,) = await embedder.embed([goal])
            else:
                goal, point = f"goal {number}", anywhere(embedder, chance)
            await publish(services, None, TENANT, entry(number, goal, point, program))

    for begin in range(0, entries, 2_000):
        await asyncio.gather(*(one(number) for number in range(begin, min(begin + 2_000, entries))))
        print(f"\r{min(begin + 2_000, entries):,} of {entries:,} published", end="", file=sys.stderr)
    print(file=sys.stderr)
    return wanted


async def measured(what: str, calls: Sequence[Callable[[], Awaitable[object]]], goal: float | None = None) -> Figure:
    """One line: the calls, one after the other."""
    took, worked = [], time.process_time()
    for call in calls:
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1e3)
    cpu = (time.process_time() - worked) / len(calls) * 1e3
    return Figure(what, statistics.median(took), statistics.quantiles(took, n=100)[98], cpu, goal)


async def figures(entries: int, hits: int) -> list[Figure]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="bench-meanings-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101  # PostgreSQL runs as another user where root runs this
        settings = load(data=Path(place) / "data", tenant=TENANT, durability="flush")
        async with (
            embedded(settings) as endpoints,
            write_side(settings, endpoints) as side,
            MiniLmEmbedder() as embedder,
            vector_index(settings, embedder, "benchmark") as index,
        ):
            assert side.services.reuse is not None
            reuse = replace(side.services.reuse, embedder=embedder, vectors=index)
            services = replace(side.services, reuse=reuse)
            wanted = await fill(services, embedder, entries, goals(min(hits, entries)))
            await feed_of(services.store, services.clock, reuse).catch_up()
            relieve_collector()
            return await _measure(services, reuse, embedder, entries, wanted)


async def _measure(
    services: Services, reuse: Reuse, embedder: Embedder, entries: int, wanted: dict[int, str]
) -> list[Figure]:
    def hit(number: int, goal: str) -> Callable[[], Awaitable[object]]:
        async def call() -> None:
            lookup, found = await look_alike(services, reuse, question(number, goal), compiled)
            assert found is not None, lookup

        return call

    calls = [hit(number, goal) for number, goal in wanted.items()]
    stream = StreamId(TENANT, "cache", "0" * 64)
    return [
        await measured("one stream read (floor)", [lambda: services.store.load(stream)] * 500),
        await measured("embedding alone", [lambda goal=goal: embedder.embed([goal]) for goal in wanted.values()]),
        await measured(f"L3 hit, cold, {entries:,} entries", calls, GOAL),
        await measured(f"L3 hit, warm, {entries:,} entries", calls, GOAL),
    ]


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--hits", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = uvloop.run(figures(given.entries, given.hits))
    if given.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    print(f"{'':<34}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}  goal")
    for each in found:
        goal = "" if each.goal is None else f"{each.goal:g}{'' if each.p99 <= each.goal else '  missed'}"
        print(f"{each.what:<34}{each.p50:>9.3f}{each.p99:>9.3f}{each.cpu:>9.3f}  {goal}")


if __name__ == "__main__":
    main()
