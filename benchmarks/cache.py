"""How long a look-up of an exact answer takes, by the tier that has it, with many entries; and a miss of all tiers.

    python -m benchmarks.cache [--entries 100000] [--lookups 2000] [--json]

A cold look-up is the first one of its entry since the tiers were filled; warm ones ask for the same few entries again.
Each goes through everything that a run's does: the log's silence, the tier, and the checks of what it gave. Promotion
to the tiers above is left out: every tier is asked alone. The miss asks all three.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import uvloop

from adapters.memory.cache_tier import MemoryCacheTier
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.flights import MemoryFlights
from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.nats.connection import Connection
from adapters.nats.streams import ensure_bus
from adapters.postgres.cache_tier import PostgresCacheTier
from adapters.postgres.database import PostgresDatabase
from adapters.system.clock import SystemClock
from commands.cache.cache import Cache
from commands.cache.finding import find
from commands.cache.flying import SingleFlight
from commands.indexes import CacheSource
from domain.cache.events import CacheEntryPublished
from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Draft, Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.reuse import Cost
from domain.kernel.values import format_time
from infra.settings import Settings
from infra.stack.stack import embedded
from projections import builds
from projections.cache_entries import CACHE_ENTRIES
from projections.facts import read_fact

TENANT = "bench"
TEXT = "The quick brown fox jumps over the lazy dog. " * 8
GOAL = 2.0
"""Milliseconds, p99."""

FEW = 100
"""Entries that warm look-ups ask for."""

CHUNK = 2_000


@dataclass
class Figure:
    """One line of the table; milliseconds."""

    what: str
    p50: float
    p99: float
    cpu: float
    """Mean of this process's own processor time: what stays the same on a busy machine."""
    lookups: int
    goal: float | None = None


def key_of(number: int) -> CacheKey:
    return CacheKey("default", "L2", "tool", "fs.read@1", "sha256:" + sha256(b"%d" % number).hexdigest())


def held_of(number: int, now: str) -> Held:
    key = key_of(number)
    event = CacheEntryPublished(
        namespace=key.namespace, level=key.level, kind=key.kind, version=key.version, digest=key.digest,
        value={"result": TEXT}, volatility="static", expires=None, tags=("fs",),
        depends=("tool:fs.read@1",), cost=Cost(seconds=1.0), run=f"r{number}", effect="0", asked=now,
    )  # fmt: skip
    return Held(TENANT, event, Position(0, 0, number + 1), now, 900)


async def fill(
    memory: MemoryCacheTier, shared: JetStreamCacheTier, database: PostgresDatabase, entries: Sequence[Held]
) -> None:
    async with database.transaction() as connection:
        build = await builds.attach(connection, CACHE_ENTRIES)
    assert build is not None
    for first in range(0, len(entries), CHUNK):
        chunk = entries[first : first + CHUNK]
        for held in chunk:
            await memory.put(held)
        for part in range(0, len(chunk), 100):
            await asyncio.gather(*(surely_put(shared, held) for held in chunk[part : part + 100]))
        facts = [fact for held in chunk if (fact := read_fact(recorded(held), CACHE_ENTRIES.appliers)) is not None]
        async with database.transaction() as connection:
            await CACHE_ENTRIES.write(database, connection, build.table, facts)


async def surely_put(shared: JetStreamCacheTier, held: Held) -> None:
    for _ in range(20):
        with suppress(ServiceUnreachable):  # a busy machine: the tier itself would give up
            await shared.put(held)
            return


def recorded(held: Held) -> Recorded:
    event, stream = held.published, StreamId(TENANT, "cache", held.key.id)
    draft = Draft(
        id="i", type=event.TYPE, time=held.time, correlation="c", causation="c", actor="a", data=event.as_json()
    )
    return Recorded(held.position, address(stream, 1, 1, draft.short_name), draft.body(stream, 1))


async def measured(what: str, tiers: Sequence[CacheSource], keys: Sequence[CacheKey], outcome: str) -> Figure:
    clock = SystemClock()
    cache = Cache(near=(), far=tuple(tiers), flight=SingleFlight(MemoryFlights()))
    took = []
    gc.collect()
    gc.disable()
    worked = time.process_time()
    try:
        for key in keys:
            began = time.perf_counter()
            lookup, _ = await find(cache, clock, TENANT, key)
            took.append((time.perf_counter() - began) * 1_000)
            assert lookup.outcome == outcome, lookup
    finally:
        gc.enable()
    cpu = (time.process_time() - worked) / len(keys) * 1_000
    cuts = statistics.quantiles(took, n=100)
    return Figure(what, statistics.median(took), cuts[98], cpu, len(took), GOAL if outcome == "hit" else None)


async def figures(entries: int, lookups: int) -> list[Figure]:
    dice = random.Random(7)  # figures, not secrets
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240
        settings = Settings.model_validate({"data": f"{folder}/data", "durability": "flush"})
        async with (
            embedded(settings) as endpoints,
            PostgresDatabase.at(endpoints.database_url) as database,
        ):
            connection = await Connection.open(
                endpoints.nats_url, name="bench", user=endpoints.nats_user, password=endpoints.nats_password
            )
            await ensure_bus(connection)
            await builds.prepare(database, (CACHE_ENTRIES,))
            memory = MemoryCacheTier(most_bytes=2**30, most_entries=entries)
            shared = JetStreamCacheTier(connection, SystemClock())
            far = PostgresCacheTier(database, MemoryEventStore(MemoryContentStore()))
            now = format_time(SystemClock().now())
            await fill(memory, shared, database, [held_of(number, now) for number in range(entries)])
            numbers = dice.sample(range(entries), min(lookups, entries))
            cold = [key_of(number) for number in numbers]
            warm = [key_of(number) for number in dice.choices(numbers[:FEW], k=lookups)]
            none = [key_of(entries + number) for number in range(lookups)]
            found = []
            for tier in (memory, shared, far):
                found.append(await measured(f"hit, {tier.name}, cold", [tier], cold, "hit"))
                found.append(await measured(f"hit, {tier.name}, warm", [tier], warm, "hit"))
            found.append(await measured("miss of all tiers", [memory, shared, far], none, "miss"))
            await connection.close()
            return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = uvloop.run(figures(chosen.entries, chosen.lookups))
    if chosen.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return 0
    print(f"{chosen.entries:,} entries")
    print(f"{'':32} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}  goal")
    for each in found:
        goal = "" if each.goal is None else f"{each.goal:g}{'' if each.p99 <= each.goal else '  missed'}"
        print(f"{each.what:32} {each.p50:8.3f} {each.p99:8.3f} {each.cpu:8.3f}  {goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
