"""PostgreSQL through SQLAlchemy Core and psycopg 3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import orjson
from psycopg import AsyncConnection as DriverConnection
from psycopg import sql
from sqlalchemy import Table, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.postgres.errors import translated_errors
from adapters.postgres.liveness import LIVENESS

CONNECT_WITHIN: Final = 5
"""Seconds until a server that does not answer counts as unreachable."""

_SESSION: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "timezone": "UTC",
        "application_name": "precedent",
        # Rows and the position they stand for are in one transaction and follow from the log: a power cut may take
        # the newest back, and they are made again. Waiting for the disk would buy nothing.
        "synchronous_commit": "off",
        "idle_in_transaction_session_timeout": "60s",
    }.items()
)


class PostgresDatabase:
    """One database and its pool of connections."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    def at(cls, url: str, *, connections: int = 5) -> Self:
        """Prepare for ``postgresql://…``; connections are made when first needed, at most so many at a time."""
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=connections,
            max_overflow=0,
            # A reader after a restart of the server gets a live connection instead of an error.
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"options": _SESSION, "connect_timeout": CONNECT_WITHIN, **LIVENESS},
        )
        return cls(engine)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As the port says."""
        with translated_errors():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement stands alone: one look costs no more round trips than it must."""
        with translated_errors():
            async with self._engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    async def append(self, connection: AsyncConnection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """As the port says. COPY: about 4 us of this process a row, a third of what INSERT takes."""
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
        )
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, DriverConnection), "the engine speaks psycopg"
        with translated_errors():
            # SQLAlchemy begins the transaction at its first statement, COPY does not pass through it.
            await connection.execute(text("SELECT"))
            async with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    await copy.write_row(row)

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[bool]:
        """As the port says: an advisory lock of a connection of its own."""
        with translated_errors():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                lock = {"name": f"precedent {name}"}
                held = bool(await connection.scalar(_LOCK, lock))
                try:
                    yield held
                finally:
                    if held:
                        await _let_go(connection, lock)


_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")


async def _let_go(connection: AsyncConnection, lock: dict[str, str]) -> None:
    try:
        await connection.execute(_UNLOCK, lock)
    except BaseException:
        # The lock belongs to the server's session: a connection that still has it must not return to the pool.
        await connection.invalidate()
        raise
