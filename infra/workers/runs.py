"""The worker: takes commands from the bus and drives runs."""

from __future__ import annotations

import os
import secrets

from commands.runs.pool import DriverPool
from infra.bootstrap import command_bus, write_side
from infra.settings import Settings
from infra.stack.endpoints import Endpoints
from infra.stack.service import announce_ready


async def work(settings: Settings, endpoints: Endpoints) -> None:
    """Serve until cancelled."""
    # A supervised worker keeps its name over restarts, so that it takes its runs up again at once.
    name = os.environ.get("PRECEDENT_WORKER_NAME") or f"worker-{secrets.token_hex(4)}"
    async with write_side(settings, endpoints) as side:
        bus = command_bus(side, endpoints)
        await bus.start()
        try:
            announce_ready()
            await DriverPool(side.services, f"{name}/{secrets.token_hex(4)}", settings.workers).work()
        finally:
            await bus.stop()
