"""How long a look-up of an exact answer takes, by the tier that has it, with many entries; and a miss of all tiers.

    python -m benchmarks.cache [--entries 100000] [--hits 2000] [--json]

A cold look-up is the first one of its entry since the tiers were filled; warm ones ask for the same few entries again.
Each goes through everything that a run's does: the log's silence, the tier, and the checks of what it gave. Promotion
to the tiers above is left out: every tier is asked alone. The miss asks all three.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal

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
from benchmarks.latencies import Call, Latency, measured, parser, show
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
from infra.bootstrap.collector import relieve_collector
from infra.settings import Settings
from infra.stack.stack import embedded
from projections import builds
from projections.cache_entries import CACHE_ENTRIES
from projections.facts import read_fact

TENANT = "bench"
TEXT = "The quick brown fox jumps over the lazy dog. " * 8
AIM = 2.0
"""Milliseconds, p99."""

FEW = 100
"""Entries that warm look-ups ask for."""

CHUNK = 2_000


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


async def timed(
    what: str, tiers: Sequence[CacheSource], keys: Sequence[CacheKey], outcome: Literal["hit", "miss"]
) -> Latency:
    clock = SystemClock()
    cache = Cache(near=(), far=tuple(tiers), flight=SingleFlight(MemoryFlights()))

    def lookup(key: CacheKey) -> Call:
        async def call() -> None:
            found, _ = await find(cache, clock, TENANT, key)
            assert found.outcome == outcome, found

        return call

    return await measured(what, [lookup(key) for key in keys], AIM if outcome == "hit" else None)


async def figures(entries: int, lookups: int) -> list[Latency]:
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
            relieve_collector()
            numbers = dice.sample(range(entries), min(lookups, entries))
            cold = [key_of(number) for number in numbers]
            warm = [key_of(number) for number in dice.choices(numbers[:FEW], k=lookups)]
            none = [key_of(entries + number) for number in range(lookups)]
            found = []
            for tier in (memory, shared, far):
                found.append(await timed(f"hit, {tier.name}, cold", [tier], cold, "hit"))
                found.append(await timed(f"hit, {tier.name}, warm", [tier], warm, "hit"))
            found.append(await timed("miss of all tiers", [memory, shared, far], none, "miss"))
            await connection.close()
            return found


def main() -> None:
    """Run."""
    given = parser(__doc__ or "", entries=100_000, calls=2_000).parse_args()
    show(uvloop.run(figures(given.entries, given.hits)), as_json=given.json)


if __name__ == "__main__":
    main()
