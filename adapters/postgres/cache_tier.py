"""The lowest tier: entries in the database, put there by the projector. Large values come from the log."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import orjson

from adapters.postgres.database import PostgresDatabase
from commands.cache.log import CATALOG, CATEGORY, held_from, held_of
from commands.ports import EventStore
from domain.cache.events import CacheEntryPublished
from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.ids import StreamId, token
from projections.cache_entries import EntryRow, get_entry, most_valuable


class PostgresCacheTier:
    """The ``CacheSource`` port on the projection ``cache_entries``."""

    name: Literal["process", "shared", "database"] = "database"

    def __init__(self, database: PostgresDatabase, store: EventStore) -> None:
        """Read from this database, and large values from this log."""
        self._database = database
        self._store = store

    async def get(self, tenant: str, key: CacheKey) -> Held | None:
        """As the port says."""
        async with self._database.reading() as connection:
            row = await get_entry(connection, token(tenant, "tenant"), key.id)
        if row is None or row.withdrawn:
            return None
        return held_in(row) or await self._from_log(StreamId(tenant, CATEGORY, key.id))

    async def most_valuable(self, now: str, limit: int) -> list[Held]:
        """Entries that may be given at this time (RFC 3339), those first that saved most. Raises as the database."""
        async with self._database.transaction() as connection:
            rows = await most_valuable(connection, now, limit)
        found = []
        for row in rows:
            with suppress(StoredDataInvalid):
                if (held := held_in(row)) is not None:
                    found.append(held)
        return found

    async def _from_log(self, stream: StreamId) -> Held | None:
        for recorded in reversed((await self._store.load(stream)).events):
            event = CATALOG.decode(recorded)
            if isinstance(event, CacheEntryPublished):
                return held_of(recorded, event)
        return None


def held_in(row: EntryRow) -> Held | None:
    """The entry of a row; None where its value is not in it. Raises ``StoredDataInvalid``."""
    if row.value is None:
        return None
    try:
        value = orjson.loads(row.value)
    except orjson.JSONDecodeError as error:
        raise StoredDataInvalid(f"the row of entry {row.id} has a value that is no JSON: {error}") from error
    published: dict[str, Any] = {
        "namespace": row.namespace,
        "level": row.level,
        "kind": row.kind,
        "version": row.version,
        "digest": row.digest,
        "value": value,
        "volatility": row.volatility,
        "expires": row.expires,
        "tags": row.tags,
        "depends": row.depends,
        "cost": {"tokens": row.tokens, "usd": row.usd, "seconds": row.seconds},
        "run": row.run,
        "effect": row.effect,
        "asked": row.asked,
    }
    return held_from(row.tenant, row.position, row.time, published, len(row.value))
