"""The lowest tier on the real PostgreSQL, filled as the projector fills it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import update

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.cache_tier import PostgresCacheTier
from adapters.postgres.database import PostgresDatabase
from commands.indexes import CacheSource
from commands.ports import NEW_STREAM
from domain.cache.events import CacheEntryDisputed, CacheEntryInvalidated, CacheEvent, CacheInvalidated
from domain.cache.keys import namespace_stream
from domain.cache.rules import Held
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from domain.kernel.events import Draft, Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import format_time
from infra.stack.endpoints import Endpoints
from projections import builds
from projections.cache_entries import (
    CACHE_ENTRIES,
    CACHE_WITHDRAWALS,
    LARGEST_VALUE,
    TABLE,
    EntryRow,
    get_entry,
    list_entries,
    most_valuable,
)
from projections.facts import read_fact
from projections.reuse import REUSE
from tests.contracts.cache_tier import CacheTierContract, key_of
from tests.domain.cache.entries import KEY, NOW, at

PROJECTIONS = (CACHE_ENTRIES, CACHE_WITHDRAWALS, REUSE)
LATER = format_time(at(1_000))


class Filled(PostgresCacheTier):
    """With what fills its rows."""

    def __init__(self, database: PostgresDatabase, store: MemoryEventStore) -> None:
        super().__init__(database, store)
        self.database = database
        self.store = store

    async def apply(self, stream: StreamId, event: CacheEvent, position: Position, time: str) -> None:
        draft = Draft(
            id="i", type=event.TYPE, time=time, correlation="c", causation="c", actor="a", data=event.as_json()
        )
        recorded = Recorded(position, address(stream, 1, 1, draft.short_name), draft.body(stream, 1))
        for projection in PROJECTIONS:
            fact = read_fact(recorded, projection.appliers)
            if fact is not None:
                async with self.database.transaction() as connection:
                    build = await builds.attach(connection, projection)
                    assert build is not None
                    await projection.write(self.database, connection, build.table, [fact])


@pytest.fixture(scope="module")
async def database(stack: Endpoints) -> AsyncIterator[PostgresDatabase]:
    name = f"cache_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
        async with PostgresDatabase.at(stack.database_url.replace("/precedent?", f"/{name}?")) as database:
            await builds.prepare(database, PROJECTIONS)
            yield database
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def tier(database: PostgresDatabase) -> Filled:
    return Filled(database, MemoryEventStore(MemoryContentStore()))


class TestPostgresCacheTier(CacheTierContract):
    async def fill(self, tier: CacheSource, *entries: Held) -> None:
        assert isinstance(tier, Filled)
        for each in entries:
            stream = StreamId(each.tenant, "cache", each.key.id)
            draft = Draft(
                id="i", type=each.published.TYPE, time=each.time, correlation="c", causation="c", actor="a",
                data=each.published.as_json(),
            )  # fmt: skip
            if (await tier.store.load(stream)).head == NEW_STREAM:
                await tier.store.append(stream, [draft], NEW_STREAM)
            await tier.apply(stream, each.published, each.position, each.time)

    @pytest.mark.parametrize(
        "value", [{"result": "nul \0"}, {"result": "x" * (LARGEST_VALUE + 1)}], ids=["nul", "large"]
    )
    async def test_what_no_row_holds_comes_from_the_log(self, tier: Filled, tenant: str, value: Any) -> None:
        await self.fill(tier, self.of(tenant, value=value))
        async with tier.database.transaction() as connection:
            row = await get_entry(connection, tenant, KEY.id)
        assert row is not None
        assert row.value is None
        found = await tier.get(tenant, KEY)
        assert found is not None
        assert found.published.value == value

    async def test_an_invalidated_entry_is_none_until_it_is_published_again(self, tier: Filled, tenant: str) -> None:
        stream = StreamId(tenant, "cache", KEY.id)
        await tier.apply(stream, CacheEntryInvalidated(reason="early"), Position(0, 0, 1), format_time(NOW))
        await self.fill(tier, self.of(tenant))
        assert await tier.get(tenant, KEY) is not None
        await tier.apply(stream, CacheEntryInvalidated(reason="wrong"), Position(0, 0, 11), format_time(NOW))
        assert await tier.get(tenant, KEY) is None
        await self.fill(tier, self.of(tenant))
        assert await tier.get(tenant, KEY) is not None

    async def test_a_dispute_is_counted_and_changes_nothing_else(self, tier: Filled, tenant: str) -> None:
        await self.fill(tier, self.of(tenant))
        event = CacheEntryDisputed(namespace="default", value_digest="a", kept_digest="b", run="r", effect="0")
        for _ in range(2):
            await tier.apply(StreamId(tenant, "cache", KEY.id), event, Position(0, 0, 12), LATER)
        async with tier.database.transaction() as connection:
            row = await get_entry(connection, tenant, KEY.id)
        assert row is not None
        assert (row.disputes, row.value) == (2, '{"result":42}')

    @pytest.mark.parametrize(
        "damage", [{"value": "{"}, {"position": "here"}, {"volatility": "often"}, {"digest": "x"}, {"kind": "else"}]
    )
    async def test_a_damaged_row_is_never_given(self, tier: Filled, tenant: str, damage: dict[str, str]) -> None:
        await self.fill(tier, self.of(tenant))
        async with tier.database.transaction() as connection:
            build = await builds.attach(connection, CACHE_ENTRIES)
            assert build is not None
            await connection.execute(update(build.table).where(build.table.c.tenant == tenant).values(**damage))
        try:
            found = await tier.get(tenant, KEY)
        except StoredDataInvalid:
            return
        assert found is not None
        assert found.published.digest != KEY.digest, "the reader compares the keys"

    async def test_the_most_valuable_come_first_and_the_withdrawn_not_at_all(self, tier: Filled, tenant: str) -> None:
        costs = {"dear": 5.0, "cheap": 0.1, "gone": 9.0, "old": 9.0, "tagged": 9.0}
        for name, usd in costs.items():
            more: dict[str, Any] = {"cost": {"usd": usd}, "tags": ("t",) if name == "tagged" else ()}
            more |= {"lasts": 60, "volatility": "fast"} if name == "old" else {}
            await self.fill(tier, self.of(tenant, key_of(name), **more))
        gone = StreamId(tenant, "cache", key_of("gone").id)
        await tier.apply(gone, CacheEntryInvalidated(reason=""), Position(0, 0, 20), LATER)
        event = CacheInvalidated(namespace="default", tag="t", reason="")
        await tier.apply(StreamId(tenant, "cache", namespace_stream("default")), event, Position(0, 0, 21), LATER)
        async with tier.database.transaction() as connection:
            found = [row.version for row in await most_valuable(connection, LATER, 100) if row.tenant == tenant]
            listed = {row.version for row in await list_entries(connection, tenant, LATER, namespace="default")}
            none = await list_entries(connection, tenant, LATER, namespace="other")
        assert found == ["dear", "cheap"]
        assert listed == {"dear", "cheap"}
        assert none == []

    async def test_pages_of_entries_follow_each_other(self, tier: Filled, tenant: str) -> None:
        for number in range(7):
            entry = self.of(tenant, key_of(f"v{number}"))
            await self.fill(tier, replace(entry, time=format_time(at(number // 2))))
        seen: list[str] = []
        before = None
        async with tier.database.transaction() as connection:
            while page := await list_entries(connection, tenant, LATER, before=before, limit=3):
                seen += [row.version for row in page]
                before = (page[-1].published_at, page[-1].id)
        assert sorted(seen) == [f"v{number}" for number in range(7)]
        assert len(seen) == 7


async def test_a_database_that_is_gone_is_told_as_such() -> None:
    async with PostgresDatabase.at("postgresql://nobody@127.0.0.1:1/none") as database:
        tier = PostgresCacheTier(database, MemoryEventStore(MemoryContentStore()))
        async with asyncio.timeout(20):
            with pytest.raises(ServiceUnreachable):
                await tier.get("acme", KEY)


def test_the_rows_have_the_cells_of_the_table() -> None:

    assert tuple(field.name for field in fields(EntryRow)) == tuple(TABLE.columns.keys())
