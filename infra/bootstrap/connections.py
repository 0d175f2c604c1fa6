"""The broker, the log and the database."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.postgres.database import PostgresDatabase
from infra.bootstrap.content import content_store
from infra.bootstrap.ledger import archived_epochs, check_whole
from infra.settings import ConfigurationError
from infra.stack.endpoints import Endpoints

FLOORS = ("domain", "commands", "projections", "adapters", "infra")


def check_floors() -> None:
    """Refuse to start on a mixture of two installations: the five packages must lie side by side."""
    parents = {Path(str(importlib.import_module(name).__file__)).parents[1] for name in FLOORS}
    if len(parents) > 1:
        raise ConfigurationError(
            f"{', '.join(FLOORS)} come from different places ({', '.join(sorted(map(str, parents)))}); "
            "remove what shadows them from PYTHONPATH or the working directory"
        )


@asynccontextmanager
async def connected(
    endpoints: Endpoints, name: str, *, whole: bool = True, keeping: bool = False
) -> AsyncIterator[Connection]:
    """Connect to the broker and see that its streams are there.

    ``keeping``: as the keeper, who may close and drop epochs, where the broker tells accounts apart.

    ``whole``: only to a log that is as long as its checkpoints say. Raises ``LogTruncated``.
    """
    user, password = (keeping and endpoints.nats_keeper) or (endpoints.nats_user, endpoints.nats_password)
    connection = await Connection.open(endpoints.nats_url, name=name, user=user, password=password)
    try:
        await ensure_streams(connection, archived=archived_epochs(endpoints.content_directory))
        if whole:
            await check_whole(connection, endpoints)
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def event_store(
    connection: Connection, endpoints: Endpoints, *, grouped: bool = True
) -> AsyncIterator[JetStreamEventStore]:
    """The log. ``grouped``: whether the broker syncs every write, so that many appends are better sent as one."""
    archived = archived_epochs(endpoints.content_directory)
    with (
        content_store(endpoints.content) as content,
        closing(JetStreamEventStore(connection, content, archived=archived, grouped=grouped)) as store,
    ):
        yield store


def database(endpoints: Endpoints) -> PostgresDatabase:
    """The read side's database."""
    return PostgresDatabase.at(endpoints.database_url)
