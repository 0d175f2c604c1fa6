"""The worker: takes commands from the bus and drives runs."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from adapters.nats.earlier_wakes import carry_over
from adapters.tools.registry import RunScopedTools
from commands.feed import Feed
from commands.runs.pool import DriverPool
from infra.bootstrap.collector import relieve_collector
from infra.bootstrap.write_side import command_bus, write_side
from infra.settings import Settings
from infra.stack.endpoints import Endpoints
from infra.stack.service import announce_ready

HEARD: Final = 1.0
"""Seconds within which the log was heard by whoever has heard all of it."""


async def work(
    settings: Settings, endpoints: Endpoints, name: str | None, run_scoped: tuple[RunScopedTools, ...] = ()
) -> None:
    """Serve until cancelled. A worker that keeps its ``name`` over restarts takes its runs up again at once."""
    name = name or f"worker-{secrets.token_hex(4)}"
    async with write_side(settings, endpoints, run_scoped=run_scoped) as side:
        bus = command_bus(side, endpoints)
        # What is reused may lag behind the log at first: a task that comes meanwhile is answered by the model.
        background = [
            asyncio.create_task(side.feed.follow()),
            asyncio.create_task(side.kept.keep(side.services, settings.tenant)),
            asyncio.create_task(_relieve_when_heard(side.feed)),
            asyncio.create_task(carry_over(side.connection, side.services.clock, side.services.wakes)),
        ]
        await bus.start()
        try:
            relieve_collector()
            announce_ready()
            pool = DriverPool(side.services, f"{name}/{secrets.token_hex(4)}", settings.workers)
            background.append(asyncio.create_task(pool.listen()))
            await pool.work()
        finally:
            for task in background:
                task.cancel()
            await bus.stop()


async def _relieve_when_heard(feed: Feed) -> None:
    """What was heard at the start lives as long, and to look through it takes half a second at 100,000 programs."""
    while max(map(feed.silent_for, feed.listeners)) > HEARD:  # noqa: ASYNC110  # nobody tells us when it is
        await asyncio.sleep(HEARD)
    relieve_collector()
