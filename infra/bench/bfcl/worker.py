"""``python -m infra.bench.bfcl.worker``: a worker as any other, which also has the classes of BFCL as tools."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal

import uvloop

from commands.runs.pool import DriverPool
from infra.bench.bfcl.corpus import locate
from infra.bench.bfcl.tools import BfclTools
from infra.bootstrap import command_bus, write_side
from infra.settings import load
from infra.stack.endpoints import endpoints_of
from infra.stack.service import announce_ready


async def work() -> None:
    """Serve until cancelled."""
    settings = load()
    endpoints = endpoints_of(settings)
    assert endpoints is not None, "the supervisor of the benchmark starts this beside its servers"
    async with write_side(settings, endpoints, run_scoped=(BfclTools(locate()),)) as side:
        bus = command_bus(side, endpoints)
        await bus.start()
        try:
            announce_ready()
            await DriverPool(side.services, f"bfcl/{secrets.token_hex(4)}", settings.workers).work()
        finally:
            await bus.stop()


async def _serve() -> None:
    working = asyncio.ensure_future(work())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working


if __name__ == "__main__":
    uvloop.run(_serve())
