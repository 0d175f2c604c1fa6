"""The projector: keeps every projection in step with the log."""

from __future__ import annotations

from infra.bootstrap.connections import connected, database, event_store
from infra.settings import Settings
from infra.stack.endpoints import Endpoints
from infra.stack.service import announce_ready
from projections.builds import prepare
from projections.catalog import PROJECTIONS
from projections.runner import Runner


async def project(settings: Settings, endpoints: Endpoints, name: str | None) -> None:  # noqa: ARG001
    """Serve until cancelled."""
    async with (
        connected(endpoints, "precedent-projector") as connection,
        event_store(connection, endpoints) as store,
        database(endpoints) as sql,
    ):
        projections = tuple(PROJECTIONS.values())
        await prepare(sql, projections)  # whoever waits for this service reads its tables next
        announce_ready()
        await Runner(store, sql, projections).run()
