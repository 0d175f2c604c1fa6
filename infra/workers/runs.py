"""The worker: takes commands from the bus and drives runs."""

from __future__ import annotations

import secrets

from commands.runs.pool import DriverPool
from infra.bootstrap import command_bus, write_side
from infra.settings import Settings
from infra.stack.endpoints import Endpoints
from infra.stack.service import announce_ready


async def work(settings: Settings, endpoints: Endpoints, name: str | None) -> None:
    """Serve until cancelled. A worker that keeps its ``name`` over restarts takes its runs up again at once."""
    name = name or f"worker-{secrets.token_hex(4)}"
    async with write_side(settings, endpoints) as side:
        bus = command_bus(side, endpoints)
        await bus.start()
        try:
            announce_ready()
            await DriverPool(side.services, f"{name}/{secrets.token_hex(4)}", settings.workers).work()
        finally:
            await bus.stop()
