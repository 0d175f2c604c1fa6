"""Answers to questions of the same meaning: how long a hit of level 3 takes, embedding included, among many entries.

    python -m benchmarks.meanings [--entries 100000] [--hits 1000] [--json]

A hit embeds a question of 12 to 14 tokens with MiniLM, asks the vector index for its neighbours, lets them propose,
takes the entry and its namespace's withdrawals from what was heard, compares the points, and compiles the plan: all
that a run waits for. The log is heard meanwhile, as in a worker. *Cold* is the first look-up of an entry, *warm* the
second one; no text is remembered. In the same run: one bare read of a stream, and the embedding alone.

To embed 100,000 questions would take a quarter of an hour. Only those that will be asked are embedded; the points of
the others are made of these, at a cosine of 0.3 to 0.95 from one of them, and are published and heard as any entry is,
so that the index has neighbours to tell apart. Nothing asks for their goals, which are no questions.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import uvloop
from numpy.typing import NDArray

from adapters.embedding.minilm import MiniLmEmbedder
from adapters.vectors.edge import EdgeVectorIndex
from benchmarks.latencies import Call, Latency, measured, parser, show
from benchmarks.programs import hearing
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
from infra.bootstrap.vectors import vector_index
from infra.bootstrap.write_side import write_side
from infra.settings import load
from infra.stack.stack import embedded

Array = NDArray[np.float32]

TENANT, NAMESPACE, MODEL = "bench", "default", "model@1"
GROUPS = 100
"""Sets of parameters over which the entries are spread: only what has the same is compared."""
AT_ONCE = 64
AIM = 15.0
"""Milliseconds, p99."""
PLAN = "(let [n (:n inputs)] (reduce + 0 (map (fn [x] (* x n)) [1 2 3])))"
THINGS = ["books", "chairs", "lamps", "shoes", "shirts", "plants", "clocks", "boats", "cars", "toys"]
PLACES = ["northern", "southern", "eastern", "western", "central", "small", "large", "old", "new", "foreign"]
TIMES = ["day", "week", "month", "quarter", "year", "spring", "summer", "autumn", "winter", "night"]


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


def beside(points: Array, count: int, chance: np.random.Generator) -> Array:
    """So many points, each at a cosine of 0.3 to 0.95 from one of ``points``, in any direction from there."""
    near = points[chance.integers(len(points), size=count)]
    away = chance.standard_normal(near.shape, dtype=np.float32)
    away -= near * np.sum(near * away, axis=1, keepdims=True)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    cosine = chance.uniform(0.3, 0.95, size=(count, 1)).astype(np.float32)
    return (cosine * near + np.sqrt(1 - cosine**2) * away).astype("<f4")


async def fill(services: Services, embedder: Embedder, entries: int, asked: Sequence[str]) -> dict[int, str]:
    """Publish the entries; the goals that will be asked for, by the number of their entry."""
    chance, program = random.Random(7), compiled(PLAN).digest
    wanted = dict(zip(chance.sample(range(entries), len(asked)), asked, strict=True))
    made = dict(zip(asked, await embedder.embed(asked), strict=True))
    real = np.array([each.components() for each in made.values()], dtype=np.float32)
    others = beside(real, entries, np.random.default_rng(7))
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        goal = wanted.get(number, f"goal {number}")
        point = made[goal] if number in wanted else Embedding(embedder.name, others[number].tobytes())
        async with free:
            await publish(services, None, TENANT, entry(number, goal, point, program))

    for begin in range(0, entries, 2_000):
        await asyncio.gather(*(one(number) for number in range(begin, min(begin + 2_000, entries))))
        print(f"\r{min(begin + 2_000, entries):,} of {entries:,} published", end="", file=sys.stderr)
    print(file=sys.stderr)
    return wanted


async def figures(entries: int, hits: int) -> list[Latency]:
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
            async with hearing(services, reuse, entries):
                if isinstance(index, EdgeVectorIndex):
                    await index.optimize()
                return await _measure(services, reuse, embedder, entries, wanted)


async def _measure(
    services: Services, reuse: Reuse, embedder: Embedder, entries: int, wanted: dict[int, str]
) -> list[Latency]:
    def hit(number: int, goal: str) -> Call:
        async def call() -> None:
            lookup, found = await look_alike(services, reuse, question(number, goal), compiled)
            assert found is not None, lookup

        return call

    calls = [hit(number, goal) for number, goal in wanted.items()]
    stream = StreamId(TENANT, "cache", "0" * 64)
    return [
        await measured("one stream read", [lambda: services.store.load(stream)] * 500),
        await measured("embedding alone", [lambda goal=goal: embedder.embed([goal]) for goal in wanted.values()]),  # type: ignore[misc]
        await measured(f"L3 hit, cold, {entries:,} entries", calls, AIM),
        await measured(f"L3 hit, warm, {entries:,} entries", calls, AIM),
    ]


def main() -> None:
    """Run."""
    given = parser(__doc__ or "", entries=100_000, calls=1_000).parse_args()
    show(uvloop.run(figures(given.entries, given.hits)), as_json=given.json)


if __name__ == "__main__":
    main()
