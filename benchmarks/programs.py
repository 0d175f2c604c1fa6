"""Delegations and programs: how long a hit takes, among so many entries, on real servers.

    python -m benchmarks.programs [--entries 100000] [--hits 2000] [--json]

A hit of level 4 is the index query, what was heard of the program and its module, the fetch of the bytecode, the
signature, the bytes' digest, the bytecode's verification and the rights: all that stands between a task and its program
but the embedding, whose points are made before. The log is heard meanwhile, as in a worker. *Unheard* is the same where
it is not, so that two streams are read at its leader. *Cold* is the first retrieval of an entry, *warm* the second one.
*While indexing* is a first retrieval while the engine makes the graph of so many new points on the other processor, as
after a bulk load; the others are taken once that has ended. Beside it, in the same run, one bare read of a stream of
one event. Every entry is in the log and in the index; those that are retrieved have bytecode of their own.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from math import sqrt
from pathlib import Path

import uvloop

from adapters.vectors.edge import EdgeVectorIndex
from benchmarks.latencies import Call, Latency, measured, parser, show
from commands.delegations import key_of
from commands.heard import UNHEARD
from commands.indexes import VectorIndex
from commands.ports import NEW_STREAM
from commands.programs.log import CATEGORY, append, meaning_of
from commands.programs.retrieving import retrieve
from commands.reuse import Reuse
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
from infra.bootstrap.reuse import feed_of
from infra.bootstrap.vectors import vector_index
from infra.bootstrap.write_side import WriteSide, write_side
from infra.settings import Settings, load
from infra.stack.stack import embedded

TENANT = "bench"
DIMENSIONS = 384
GROUPS = 100
"""Interfaces over which the entries are spread."""
AT_ONCE = 64
AIM = 10.0
"""Milliseconds, p99."""


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


async def measure(entries: int, hits: int) -> list[Latency]:
    """All figures."""
    chance, known = random.Random(7), Known()
    with tempfile.TemporaryDirectory(prefix="bench-programs-") as place:
        os.chmod(place, 0o755)  # noqa: PTH101  # PostgreSQL runs as another user where root runs this
        settings = load(data=Path(place) / "data", tenant=TENANT, durability="flush")
        async with embedded(settings) as endpoints, write_side(settings, endpoints) as side:
            return await _measure(side, settings, known, entries, hits, chance)


async def _measure(
    side: WriteSide, settings: Settings, known: Known, entries: int, hits: int, chance: random.Random
) -> list[Latency]:
    assert side.services.reuse is not None
    async with vector_index(settings, known, "benchmark") as index:
        reuse = replace(side.services.reuse, embedder=known, vectors=index)
        services = replace(side.services, reuse=reuse)
        retrieved = await fill(services, known, entries, hits, chance)
        async with hearing(services, reuse, entries):
            return await _retrieved(services, reuse, index, retrieved, entries)


async def _retrieved(
    services: Services, reuse: Reuse, index: VectorIndex, retrieved: Sequence[tuple[str, Program]], entries: int
) -> list[Latency]:
    def hits(among: Sequence[tuple[str, Program]], from_: Reuse = reuse) -> list[Call]:
        return [hit(services, from_, goal, made) for goal, made in among]

    some, rest = retrieved[: len(retrieved) // 4], retrieved[len(retrieved) // 4 :]
    streams = [StreamId(TENANT, CATEGORY, f"{number:064x}") for number in range(500)]
    reads: list[Call] = [lambda stream=stream: services.store.load(stream) for stream in streams]  # type: ignore[misc]
    lines = [
        await measured("one stream read", reads),
        await measured("L4 hit, while indexing", hits(some), AIM),
    ]
    if isinstance(index, EdgeVectorIndex):
        await index.optimize()
    lines += [
        await measured(f"L4 hit, cold, {entries:,} entries", hits(rest), AIM),
        await measured(f"L4 hit, warm, {entries:,} entries", hits(rest), AIM),
        await measured(f"L4 hit, unheard, {entries:,} entries", hits(some, replace(reuse, heard=UNHEARD)), AIM),
    ]
    return [await delegations(services, reuse, len(retrieved)), *lines]


def hit(services: Services, reuse: Reuse, goal: str, made: Program) -> Call:
    """One retrieval."""
    wanted = Wanted(tenant=TENANT, namespace="default", interface=made.interface_hash, tools={})

    async def call() -> None:
        lookup, found = await retrieve(services, reuse, goal, wanted, draw=goal)
        assert found is not None, lookup

    return call


async def delegations(services: Services, reuse: Reuse, count: int) -> Latency:
    """Level 1: key and look-up."""
    task = accept(TaskFile(goal="g"), (), Limits())
    await remember(services, TENANT, task, {"target": "model", "name": "m"}, "r")
    while reuse.delegations.find(TENANT, key_of(task)) is None:  # noqa: ASYNC110  # the feed tells nobody else
        await asyncio.sleep(0.01)

    async def delegation() -> None:
        assert reuse.delegations.find(TENANT, key_of(task)) is not None

    return await measured("L1 hit: key and look-up", [delegation] * count, 0.1)


@asynccontextmanager
async def hearing(services: Services, reuse: Reuse, entries: int) -> AsyncIterator[None]:
    """What a worker does: hear all that the log has, which fills the index, and go on hearing."""
    feed, began = feed_of(services.store, services.clock, reuse), time.perf_counter()
    await feed.catch_up()
    print(f"heard: {entries / (time.perf_counter() - began):,.0f} entries/s", file=sys.stderr)
    following = asyncio.create_task(feed.follow())
    relieve_collector()
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def main() -> None:
    """Run."""
    given = parser(__doc__ or "", entries=100_000, calls=2_000).parse_args()
    show(uvloop.run(measure(given.entries, given.hits)), as_json=given.json)


if __name__ == "__main__":
    main()
