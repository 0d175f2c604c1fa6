"""``python -m infra.bench.bfcl.worker``: a worker as any other, which also has the classes of BFCL as tools."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import uvloop

from infra.bench.bfcl.corpus import locate
from infra.bench.bfcl.tools import BfclTools
from infra.settings import load
from infra.stack.endpoints import endpoints_of
from infra.workers.runs import work


async def serve() -> None:
    """Work until SIGTERM."""
    settings = load()
    endpoints = endpoints_of(settings)
    assert endpoints is not None, "the supervisor of the benchmark starts this beside its servers"
    working = asyncio.ensure_future(work(settings, endpoints, "bfcl", (BfclTools(locate()),)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working


if __name__ == "__main__":
    uvloop.run(serve())
