"""The ledger's process: it puts every event into the tree and signs how it stands."""

from __future__ import annotations

from infra.bootstrap.connections import connected, event_store
from infra.bootstrap.ledger import identity, ledger
from infra.settings import Settings
from infra.stack.endpoints import Endpoints
from infra.stack.service import announce_ready


async def keep_ledger(settings: Settings, endpoints: Endpoints, name: str | None) -> None:  # noqa: ARG001
    """Serve until cancelled."""
    async with (
        connected(endpoints, "precedent-ledger", keeping=True) as connection,
        event_store(connection, endpoints) as store,
        identity(settings, store) as known,
    ):
        await ledger(connection, endpoints, known, archive=settings.ledger.archive).run(announce_ready)
