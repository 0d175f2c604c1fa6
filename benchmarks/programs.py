"""Delegations and programs: how long a hit takes, among so many entries, on real servers.

    python -m benchmarks.programs [--entries 100000] [--hits 2000] [--json]

A hit of level 4 is the index query, the program's stream read at the log's leader, the module's stream, the fetch of
the bytecode, the signature, the bytes' digest, the bytecode's verification and the rights: all that stands between a
task and its program but the embedding, whose points are made before. *Cold* is the first retrieval of an entry, *warm*
the second one. *While indexing* is a first retrieval while the engine makes the graph of so many new points on the
other processor, as after a bulk load; cold and warm are taken once that has ended. Beside it, in the same run, one bare
read of a stream of one event: the floor of anything that asks the log. Every entry is in the log and in the index;
those that are retrieved have bytecode of their own.
Processor time is this process's own: it changes less on a busy machine.
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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import uvloop

from adapters.vectors.edge import EdgeVectorIndex
from commands.delegations import key_of
from commands.ports import NEW_STREAM
from commands.programs.log import CATEGORY, append, meaning_of
from commands.programs.retrieving import retrieve
from commands.runs.remembering import remember
from commands.services import Services
from domain.kernel.embedding import Embedding
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost
from domain.programs.acceptance import Wanted
from domain.programs.admission import Publishable, admit
from domain.programs.envelope import sealed, to_sign
from domain.programs.events import Offer, ProgramPublished, Proof
from domain.programs.policy import Policy
from domain.programs.state import EMPTY
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import parse_type
from domain.runs.task import Limits, TaskFile, accept
from infra.bootstrap.collector import relieve_collector
from infra.bootstrap.write_side import write_side
from infra.settings import load
from infra.stack.stack import embedded

TENANT = "bench"
DIMENSIONS = 384
GROUPS = 100
"""Interfaces over which the entries are spread."""
AT_ONCE = 64


@dataclass
class Figure:
    """One line of the table."""

    what: str
    p50_ms: float
    p99_ms: float
    floors: float
    """p50 as a multiple of reading one stream."""
    cpu_ms: float


class Known:
    """An embedder that looks its points up: what is measured is all but the embedding."""

    name = "benchmark"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.points: dict[str, Embedding] = {}

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """The points of these texts."""
        return [self.points[text] for text in texts]

    def new(self, text: str, chance: random.Random) -> Embedding:
        """A point for a new text, far from the others."""
        numbers = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
        length = sqrt(sum(x * x for x in numbers))
        point = Embedding(self.name, array("f", [x / length for x in numbers]).tobytes())
        self.points[text] = point
        return point


def program(number: int, group: int) -> Program:
    """A small program of its own bytes, with the interface of its group."""
    inputs = parse_type(f"[:map [:n :int] [:group-{group} :int ?]]")
    return compile_program(
        f"(let [n (:n inputs)] (reduce + {number} (map (fn [x] (* x n)) [1 2 3])))",
        parameters={"inputs": inputs},
        output=parse_type(":int"),
        capabilities={},
    )


async def publish(services: Services, made: Program, goal: str, point: Embedding) -> str:
    """Sign, store and append one entry; its id."""
    assert services.reuse is not None
    assert services.reuse.signer is not None
    offer = Offer(
        namespace="default",
        goal=goal,
        interface=made.interface_hash,
        module=made.digest,
        effects=(),
        plan="",
        source_map="{}",
        literals=(),
        cost=Cost(),
        meaning=meaning_of(point),
    )
    proof = Proof(run="r", inputs="i", output="o", checks=1, effects=0)
    ready = admit(EMPTY, offer, proof, tenant=TENANT, actor="user:bench", policy=Policy())
    assert isinstance(ready, Publishable)
    signature = await services.reuse.signer.sign(to_sign(ready.statement))
    envelope = sealed(ready.statement, services.reuse.signer.key.id, signature)
    event = ProgramPublished(
        offer=offer, proofs=ready.proofs, evidence=ready.evidence, policy=ready.policy, envelope=envelope
    )
    stream = StreamId(TENANT, CATEGORY, offer.id)
    await append(services, stream, NEW_STREAM, event, cause="bench/1", actor="agent:curator")
    return offer.id


async def fill(
    services: Services, known: Known, entries: int, hits: int, chance: random.Random
) -> list[tuple[str, Program]]:
    """Publish the entries; give the goals and programs of those that will be retrieved."""
    shared = [program(0, group) for group in range(GROUPS)]
    wanted = set(chance.sample(range(entries), min(hits, entries)))
    retrieved: list[tuple[str, Program]] = []
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        goal, group = f"goal {number}", number % GROUPS
        made = program(number, group) if number in wanted else shared[group]
        async with free:
            if number in wanted:
                await services.content.put(TENANT, made.module, "application/octet-stream")
                retrieved.append((goal, made))
            await publish(services, made, goal, known.new(goal, chance))

    for begin in range(0, entries, 2_000):
        await asyncio.gather(*(one(number) for number in range(begin, min(begin + 2_000, entries))))
        print(f"\r{min(begin + 2_000, entries):,} of {entries:,} published", end="", file=sys.stderr)
    print(file=sys.stderr)
    return retrieved


@dataclass
class Times:
    """Of calls that were made one after the other, in milliseconds."""

    each: list[float]
    cpu: float
    """Mean of this process's own processor time."""


async def timed(calls: Sequence[Any]) -> Times:
    """Make the calls."""
    times, worked = [], time.process_time()
    for call in calls:
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1e3)
    return Times(times, (time.process_time() - worked) / len(calls) * 1e3)


def figure(what: str, times: Times, floor: float) -> Figure:
    """One line of the table."""
    centiles = statistics.quantiles(times.each, n=100)
    p50, p99 = round(centiles[49], 3), round(centiles[98], 3)
    return Figure(what, p50, p99, round(centiles[49] / floor, 2), round(times.cpu, 3))


async def measure(entries: int, hits: int) -> list[Figure]:
    """All figures."""
    chance, known = random.Random(7), Known()
    with tempfile.TemporaryDirectory(prefix="bench-programs-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101  # PostgreSQL runs as another user where root runs this
        settings = load(data=Path(place) / "data", tenant=TENANT, durability="flush")
        async with embedded(settings) as endpoints, write_side(settings, endpoints) as side:
            return await _measure(side, settings, known, entries, hits, chance)


async def _measure(
    side: Any, settings: Any, known: Known, entries: int, hits: int, chance: random.Random
) -> list[Figure]:
    from infra.bootstrap.reuse import feed_of  # noqa: PLC0415  # beside what it fills
    from infra.bootstrap.vectors import vector_index  # noqa: PLC0415

    async with vector_index(settings, known, "benchmark") as index:
        reuse = replace(side.services.reuse, embedder=known, vectors=index)
        services = replace(side.services, reuse=reuse)
        retrieved = await fill(services, known, entries, hits, chance)
        feed = feed_of(services.store, services.clock, reuse)
        began = time.perf_counter()
        await feed.catch_up()
        rate = entries / (time.perf_counter() - began)
        print(f"index filled from the log: {rate:,.0f} entries/s", file=sys.stderr)
        relieve_collector()
        reads = await timed([lambda: services.store.load(StreamId(TENANT, CATEGORY, "0" * 64)) for _ in range(500)])
        floor = statistics.median(reads.each)

        def hit(goal: str, made: Program) -> Any:
            wanted = Wanted(tenant=TENANT, namespace="default", interface=made.interface_hash, tools={})

            async def call() -> None:
                lookup, found = await retrieve(services, reuse, goal, wanted, draw=goal)
                assert found is not None, lookup

            return call

        calls = [hit(goal, made) for goal, made in retrieved]
        meanwhile, rest = calls[: hits // 4], calls[hits // 4 :]
        indexing = await timed(meanwhile)
        began = time.perf_counter()
        if isinstance(index, EdgeVectorIndex):
            await index.optimize()
            print(f"index optimized after {time.perf_counter() - began:.0f} s more", file=sys.stderr)
        cold, warm = await timed(rest), await timed(rest)
        task = accept(TaskFile(goal="g"), (), Limits())
        await remember(services, TENANT, task, {"target": "model", "name": "m"}, "r")
        await feed.catch_up()

        async def delegation() -> None:
            assert reuse.delegations.find(TENANT, key_of(task)) is not None

        delegations = await timed([delegation] * hits)
        return [
            figure("one stream read (floor)", reads, floor),
            figure("L1 hit: key and look-up", delegations, floor),
            figure(f"L4 hit while indexing {entries:,}", indexing, floor),
            figure(f"L4 hit, cold, {entries:,} entries", cold, floor),
            figure(f"L4 hit, warm, {entries:,} entries", warm, floor),
        ]


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--hits", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = uvloop.run(measure(given.entries, given.hits))
    if given.json:
        print(json.dumps([vars(each) for each in figures], indent=2))
        return
    print(f"{'':<36}{'p50 ms':>10}{'p99 ms':>10}{'x floor':>10}{'CPU ms':>10}")
    for each in figures:
        print(f"{each.what:<36}{each.p50_ms:>10.3f}{each.p99_ms:>10.3f}{each.floors:>10.2f}{each.cpu_ms:>10.3f}")


if __name__ == "__main__":
    main()
