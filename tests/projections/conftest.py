from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from infra.stack.endpoints import Endpoints


@pytest.fixture
async def database_url(stack: Endpoints) -> AsyncIterator[str]:
    """A database of its own for each test."""
    name = f"projections_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
        yield stack.database_url.replace("/precedent?", f"/{name}?")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PostgresDatabase]:
    async with PostgresDatabase.at(database_url) as database:
        yield database


@pytest.fixture
def log() -> MemoryEventStore:
    return MemoryEventStore(MemoryContentStore())
