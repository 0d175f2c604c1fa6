"""One long-running process of a kind, ended by SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Final, TypeAlias

from domain.kernel.errors import PrecedentError
from infra.bootstrap.connections import check_floors
from infra.settings import Settings, load
from infra.stack.endpoints import Endpoints, endpoints_of

Serve: TypeAlias = Callable[[Settings, Endpoints, str | None], Awaitable[None]]
"""Serves until cancelled, under a name if it is given one."""

WORKERS: Final[Mapping[str, tuple[str, str]]] = {
    "worker": ("infra.workers.runs", "work"),
    "projector": ("infra.workers.projections", "project"),
    "ledger": ("infra.workers.ledger", "keep_ledger"),
}
"""Module and function of each kind: only the one that is asked for is imported."""


def main() -> None:
    """Run the worker that the command line names."""
    begin_log()
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in WORKERS:
        raise SystemExit(f"usage: python -m infra.workers {{{','.join(WORKERS)}}} [NAME]")
    check_floors()
    serve = function_of(sys.argv[1])
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_until_told(serve, sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))
    except PrecedentError as error:
        raise SystemExit(f"{error.code}: {error}") from error


def begin_log() -> None:
    """Write what is worth a line to standard error. Clients of HTTP would write every URL, and what is secret in it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for client in ("httpx", "httpcore"):
        logging.getLogger(client).setLevel(logging.WARNING)


def function_of(kind: str) -> Serve:
    """What serves as this kind; its module is imported now."""
    module, function = WORKERS[kind]
    gc.disable()  # see `__main__`
    serve: Serve = getattr(import_module(module), function)
    gc.enable()
    return serve


async def _until_told(serve: Serve, kind: str, name: str | None) -> None:
    settings = load()
    endpoints = endpoints_of(settings)
    if endpoints is None:
        raise SystemExit("no broker or database: run `precedent up`, or configure nats.url and database.url")
    serving = asyncio.ensure_future(serve(settings, endpoints, name))
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
