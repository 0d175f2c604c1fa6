"""What ``precedent up``, ``down`` and ``status`` do, as plain functions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import ConfigurationError, Settings, load
from infra.stack.component import last_lines
from infra.stack.directory import DataDirectory, StackLock
from infra.stack.endpoints import Endpoints, endpoints_of
from infra.stack.errors import ComponentFailed, DataDirectoryRefused, StackAlreadyRunning
from infra.stack.processes import memory_bytes
from infra.stack.service import Service
from infra.stack.stack import Stack, stop_leftovers
from infra.stack.state import ComponentState, Phase, read_state

_DOWN_SECONDS = 30.0
_READY = "ready"


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """One server or service."""

    name: str
    pid: int | None
    healthy: bool
    url: str | None
    #: Seconds since its latest start.
    uptime: float | None
    restarts: int
    memory_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class StackStatus:
    """The stack of one data directory."""

    data: Path
    running: bool
    phase: Phase | None
    supervisor_pid: int | None
    components: tuple[ComponentStatus, ...]


async def up(settings: Settings, *, services: Sequence[Service] = (), on_ready: Callable[[Endpoints], None]) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; ``on_ready`` is called once, when clients may connect.

    Raises:
        StackAlreadyRunning, DataDirectoryRefused, ComponentFailed: as ``Stack.start`` and ``Stack.wait``.

    """
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signalled.set)
    stack = Stack(settings, services=services)
    work = asyncio.create_task(_run(stack, on_ready))
    told_to_stop = asyncio.create_task(signalled.wait())
    try:
        await asyncio.wait((work, told_to_stop), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (told_to_stop, work):
            task.cancel()
        await asyncio.wait((told_to_stop, work))
        await stack.stop()


async def _run(stack: Stack, on_ready: Callable[[Endpoints], None]) -> None:
    on_ready(await stack.start())
    await stack.wait()


def up_detached(settings: Settings, *, services: Sequence[Service] = ()) -> Endpoints:
    """Start the stack in a process of its own, which outlives this one, and return once it is ready.

    Its log is ``logs/stack.log`` in the data directory.

    Raises:
        StackAlreadyRunning, DataDirectoryRefused, ComponentFailed: as ``Stack.start``.

    """
    directory = DataDirectory.prepare(settings.data)
    log = directory.logs / "stack.log"
    told, tells = os.pipe()
    try:
        with log.open("ab") as stream:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "infra.stack", str(tells)],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                pass_fds=(tells,),
                start_new_session=True,
            )
    finally:
        os.close(tells)
    assert process.stdin is not None
    with os.fdopen(told, encoding="utf-8") as outcome:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(_request(settings, services))
        answer = outcome.read()
    if answer == _READY and (endpoints := endpoints_of(settings)) is not None:
        # It outlives us on purpose: nobody here will wait for it.
        process.returncode = 0
        return endpoints
    process.wait()
    raise _as_error(answer, log)


def run_detached(request: bytes, tells: int) -> int:
    """Be the process that ``up_detached`` starts; returns the exit code."""
    asked = json.loads(request)
    with os.fdopen(tells, "w", encoding="utf-8") as outcome:

        def ready(_: Endpoints) -> None:
            outcome.write(_READY)
            outcome.close()

        try:
            settings = load(Path(asked["config"]) if asked["config"] else None, **asked["overrides"])
            services = [Service(name=name, argv=tuple(argv)) for name, argv in asked["services"]]
            asyncio.run(up(settings, services=services, on_ready=ready))
        except (ConfigurationError, StackAlreadyRunning, ComponentFailed) as error:
            if outcome.closed:
                raise
            json.dump({"code": error.code, "message": str(error)}, outcome)
            return 1
    return 0


def down(data: Path) -> bool:
    """Stop the stack of a data directory and wait for its end; whether there was anything to stop."""
    state = read_state(data)
    if state is None:
        return False
    if state.supervisor.alive() and state.phase not in ("stopped", "failed"):  # else it does other things by now
        state.supervisor.stop(signal.SIGTERM, grace=_DOWN_SECONDS)
    elif not any(component.process and component.process.alive() for component in state.components.values()):
        return False
    directory = DataDirectory.prepare(data)
    lock = StackLock(directory.root)
    lock.take()
    try:
        stop_leftovers(directory)
    finally:
        lock.release()
    return True


def status(data: Path) -> StackStatus:
    """What runs now."""
    state = read_state(data)
    if state is None:
        return StackStatus(data=data, running=False, phase=None, supervisor_pid=None, components=())
    running = state.supervisor.alive() and state.phase in ("starting", "ready", "stopping")
    return StackStatus(
        data=data,
        running=running,
        phase=state.phase,
        supervisor_pid=state.supervisor.pid if running else None,
        components=tuple(_status(name, component) for name, component in state.components.items()),
    )


def _status(name: str, component: ComponentState) -> ComponentStatus:
    process = component.process if component.process is not None and component.process.alive() else None
    return ComponentStatus(
        name=name,
        pid=process.pid if process else None,
        healthy=component.healthy and process is not None,
        url=component.url,
        uptime=time.time() - component.since if process and component.since else None,
        restarts=component.restarts,
        memory_bytes=memory_bytes(process.pid) if process else None,
    )


def _request(settings: Settings, services: Sequence[Service]) -> bytes:
    asked: dict[str, Any] = {
        "config": str(settings.config_file) if settings.config_file else None,
        "overrides": settings.overrides,
        "services": [[service.name, service.argv] for service in services],
    }
    return json.dumps(asked, default=str).encode()


def _as_error(answer: str, log: Path) -> Exception:
    if not answer:
        shown = "".join(f"\n    {line}" for line in last_lines(log))
        return ComponentFailed(f"the supervisor ended before it was ready; the end of {log}:{shown}")
    told = json.loads(answer)
    kinds = {kind.code: kind for kind in (StackAlreadyRunning, DataDirectoryRefused, ConfigurationError)}
    return kinds.get(told["code"], ComponentFailed)(told["message"])
