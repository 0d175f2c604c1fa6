"""``python -m infra.workers KIND [NAME]``: one long-running process, ended by SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from domain.kernel.errors import PrecedentError
from infra.bootstrap.connections import check_floors
from infra.settings import Settings, load
from infra.stack.endpoints import Endpoints, endpoints_of
from infra.workers.ledger import keep_ledger
from infra.workers.projections import project
from infra.workers.runs import work

WORKERS: Final[Mapping[str, Callable[[Settings, Endpoints, str | None], Awaitable[None]]]] = {
    "worker": work,
    "projector": project,
    "ledger": keep_ledger,
}


async def _serve(kind: str, name: str | None) -> None:
    settings = load()
    endpoints = endpoints_of(settings)
    if endpoints is None:
        raise SystemExit("no broker or database: run `precedent up`, or configure nats.url and database.url")
    serving = asyncio.ensure_future(WORKERS[kind](settings, endpoints, name))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("%s was asked to end", kind)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # not made for every system
    except ImportError:
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Run the worker that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in WORKERS:
        raise SystemExit(f"usage: python -m infra.workers {{{','.join(WORKERS)}}} [NAME]")
    check_floors()
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_serve(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
    except PrecedentError as error:
        raise SystemExit(f"{error.code}: {error}") from error


if __name__ == "__main__":
    main()
