"""Fill and search each vector index, and the engine alone: ``python -m benchmarks.vectors``.

Points lie around 300 centres, as sentences about 300 things might. A search asks within a tenant that has every point
(wide) or within one of a hundred namespaces (narrow). Wall-clock figures drift with whatever else runs; the ratio to
the engine alone, called in this process with the same points, holds better.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
import warnings
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import hypot
from pathlib import Path
from uuid import UUID

import uvloop
from qdrant_client import AsyncQdrantClient

from adapters.vectors.edge import KILOBYTES, EdgeVectorIndex
from adapters.vectors.edge_shard import Shard
from adapters.vectors.marks import marks
from adapters.vectors.memory import MemoryVectorIndex
from adapters.vectors.qdrant import QdrantVectorIndex
from commands.indexes import Point, VectorIndex
from domain.kernel.embedding import Embedding

EMBEDDER, DIMENSIONS, CENTRES, NAMESPACES, LIMIT = "benchmark@1", 384, 300, 100, 10
LOCAL_MODE_MOST = 10_000
WHERE: Mapping[str, Mapping[str, str]] = {"wide": {"tenant": "acme"}, "narrow": {"tenant": "acme", "namespace": "7"}}


class Cloud:
    """Points around centres."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        self._centres = [[self._chance.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(CENTRES)]

    def embedding(self) -> Embedding:
        moved = [each + 0.8 * self._chance.gauss(0, 1) for each in self._chance.choice(self._centres)]
        length = hypot(*moved)
        return Embedding(EMBEDDER, array("f", [each / length for each in moved]).tobytes())

    def points(self, count: int) -> list[Point]:
        return [
            Point(str(UUID(int=n + 1)), self.embedding(), {"tenant": "acme", "namespace": str(n % NAMESPACES)})
            for n in range(count)
        ]


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3


async def timed(search: Callable[[Embedding], Awaitable[object]], near: Sequence[Embedding]) -> list[float]:
    took = []
    for each in near:
        begun = time.perf_counter()
        await search(each)
        took.append(time.perf_counter() - begun)
    return took


def told(name: str, size: int, where: str, took: Sequence[float], alone: float | None) -> None:
    p50, p99 = percentiles(took)
    ratio = f"{p50 / alone:>8.1f}" if alone else "       -"
    print(f"{name:<20} {size:>8,} {where:<7} p50 {p50:>9.3f} ms  p99 {p99:>9.3f} ms  to the engine {ratio}", flush=True)


async def filled(name: str, index: VectorIndex, points: Sequence[Point]) -> None:
    begun = time.perf_counter()
    for first in range(0, len(points), 1000):
        await index.put(points[first : first + 1000])
    seconds = time.perf_counter() - begun
    print(f"{name:<20} {len(points):>8,} fill    {len(points) / seconds:>9,.0f} points/s", flush=True)


async def engine_alone(points: Sequence[Point], near: Sequence[Embedding], folder: Path) -> dict[str, float]:
    """The shard of the index that was filled and optimized, opened in this process; p50 by where."""
    shard = Shard(folder, EMBEDDER, DIMENSIONS, KILOBYTES)
    alone = {}
    for where, labels in WHERE.items():
        keywords = marks(labels)

        async def search(each: Embedding, keywords: Sequence[str] = keywords) -> None:
            shard.search(each.vector, keywords, LIMIT)

        took = await timed(search, near)
        alone[where] = percentiles(took)[0]
        told("engine alone", len(points), where, took, alone[where])
    shard.close()
    return alone


async def searched(
    name: str, index: VectorIndex, size: int, near: Sequence[Embedding], alone: Mapping[str, float]
) -> None:
    for where, labels in WHERE.items():

        async def search(each: Embedding, labels: Mapping[str, str] = labels) -> None:
            await index.search(each, labels, LIMIT)

        told(name, size, where, await timed(search, near), alone.get(where))


async def recall(index: VectorIndex, exact: VectorIndex, near: Sequence[Embedding]) -> float:
    found = 0
    for each in near:
        right = {one.id for one in await exact.search(each, WHERE["wide"], LIMIT)}
        found += len(right & {one.id for one in await index.search(each, WHERE["wide"], LIMIT)})
    return found / len(near) / LIMIT


async def measure(size: int, searches: int) -> None:
    cloud = Cloud()
    points = cloud.points(size)
    near = [cloud.embedding() for _ in range(searches)]
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as parent:
        folder = Path(parent) / "index"
        async with EdgeVectorIndex(folder, EMBEDDER, DIMENSIONS) as edge:
            await filled("edge", edge, points)
            begun = time.perf_counter()
            await edge.optimize()
            print(f"{'edge':<20} {size:>8,} optimized in {time.perf_counter() - begun:.1f} s, beside it", flush=True)
        alone = await engine_alone(points, near, folder)
        async with EdgeVectorIndex(folder, EMBEDDER, DIMENSIONS) as edge:
            await edge.count()
            await searched("edge", edge, size, near, alone)
            memory = MemoryVectorIndex(EMBEDDER, DIMENSIONS)
            await filled("memory", memory, points)
            few = near[: max(20, 200_000 // size)]
            await searched("memory", memory, size, few, alone)
            print(f"{'edge':<20} {size:>8,} recall  {await recall(edge, memory, few[:50]):.3f} of {LIMIT}", flush=True)
    if size <= LOCAL_MODE_MOST:
        client = AsyncQdrantClient(":memory:")
        local = QdrantVectorIndex(client, "benchmark", EMBEDDER, DIMENSIONS)
        await filled("client, local mode", local, points)
        await searched("client, local mode", local, size, near[:50], alone)
        await client.close()


async def main_for(sizes: Sequence[int], searches: int) -> None:
    for size in sizes:
        await measure(size, searches)
        await asyncio.sleep(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--searches", type=int, default=500)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Payload indexes have no effect|Local mode performs exact")
    uvloop.run(main_for(options.sizes, options.searches))


if __name__ == "__main__":
    main()
