"""Our own programs under the supervisor, and how they say that they are ready."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Settings
from infra.settings.load import leaves, variable
from infra.stack.component import Program
from infra.stack.directory import DataDirectory
from infra.stack.endpoints import credential_file

READY_FILE = "PRECEDENT_READY_FILE"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program to run beside the servers, such as ``(sys.executable, "-m", "infra.workers", "worker")``.

    It finds the settings and the addresses of the servers in its environment (``infra.settings.load()`` reads them)
    and calls :func:`announce_ready` once it serves. SIGTERM asks it to end.
    """

    name: str
    argv: tuple[str, ...]


def announce_ready() -> None:
    """Tell the supervisor that this service serves now; nothing when no supervisor started it."""
    if file := os.environ.get(READY_FILE):
        Path(file).write_text(str(os.getpid()), "ascii")


def service_environment(settings: Settings, nats_url: str, database_url: str) -> dict[str, str]:
    """What a service must know so that ``load()`` gives it these very settings with the running servers' addresses."""
    given: dict[str, Any] = dict(leaves(settings.overrides))
    given |= {"data": settings.data, "nats.url": nats_url, "database.url": database_url}
    if settings.nats.url is None:
        given["nats.credentials"] = credential_file(settings.data)
    environment = {variable(path): _text(value) for path, value in given.items()}
    if settings.config_file is not None:
        environment["PRECEDENT_CONFIG"] = str(settings.config_file)
    return environment


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (list, tuple, bool, int, float)) else str(value)


def service_program(directory: DataDirectory, service: Service, environment: Mapping[str, str]) -> Program:
    """How to run the service and wait for its ready file."""
    ready_file = directory.ready_files / service.name

    async def is_ready(pid: int) -> bool:
        # The process id tells this start's file from the one before it.
        return ready_file.exists() and ready_file.read_text("ascii") == str(pid)

    return Program(
        name=service.name,
        argv=service.argv,
        log=directory.logs / f"{service.name}.log",
        cwd=Path.cwd(),
        env={**os.environ, **environment, READY_FILE: str(ready_file)},
        stop_signal=signal.SIGTERM,
        is_ready=is_ready,
    )
