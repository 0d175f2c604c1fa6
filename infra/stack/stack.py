"""The supervisor: starts the servers and our services in order, keeps them running, stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from infra.bootstrap.connections import connected
from infra.settings import Settings
from infra.stack.broker import broker_program, free_port
from infra.stack.component import Component, Program, RestartPolicy
from infra.stack.database import database_program, prepare_database
from infra.stack.directory import DataDirectory, StackLock
from infra.stack.endpoints import Endpoints, endpoints_at, endpoints_of
from infra.stack.errors import ComponentFailed, DataDirectoryRefused
from infra.stack.processes import ProcessIdentity
from infra.stack.service import Service, service_environment, service_program
from infra.stack.state import Phase, StackState, read_state, write_state

_log = logging.getLogger("precedent.stack")
_PORT_TRIES = 3
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_LEFTOVER_GRACE_SECONDS = 5.0


class Stack:
    """One embedded stack over one data directory.

    Servers that the settings name elsewhere are not started. ``start`` must be called on the main thread's event
    loop, or on one whose thread lives as long as the stack: the kernel ends the children with the thread that made
    them.
    """

    def __init__(
        self, settings: Settings, *, services: Sequence[Service] = (), restarts: RestartPolicy | None = None
    ) -> None:
        """Describe the stack; nothing is touched before ``start``."""
        self._settings = settings
        self._services = tuple(services)
        self._policy = restarts or RestartPolicy()
        self._components: dict[str, Component] = {}
        self._guard: asyncio.Task[None] | None = None
        self._failure: ComponentFailed | None = None
        self._ended = asyncio.Event()
        self._phase: Phase = "starting"
        self._directory: DataDirectory | None = None
        self._lock: StackLock | None = None

    async def start(self) -> Endpoints:
        """Start everything and return where it answers.

        1. The directory is made and locked. 2. What a killed supervisor left running is stopped. 3. The broker and the
        database start side by side. 4. The services start side by side, if the log has lost nothing. 5. The state says
        ready.

        Raises:
            StackAlreadyRunning: another supervisor has this data directory.
            DataDirectoryRefused: the directory cannot be used.
            ComponentFailed: a server or a service did not become ready; nothing runs any more.
            LogTruncated: the log is shorter than its newest checkpoint; nothing runs any more.

        """
        try:
            return await self._start()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise DataDirectoryRefused(
                f"data: {self._settings.data}: {error.strerror}; free some space there, or name another directory as "
                "`data` in precedent.yaml, or with PRECEDENT_DATA"
            ) from error

    async def _start(self) -> Endpoints:
        # 1
        self._directory = DataDirectory.prepare(self._settings.data)
        lock = StackLock(self._directory.root)
        lock.take()
        self._lock = lock
        try:
            # 2
            await asyncio.to_thread(stop_leftovers, self._directory)
            # 3
            await _all(self._start_broker(), self._start_database())
            # 4
            if self._services:
                await self._start_services()
            # 5
            self._phase = "ready"
            self._report()
            endpoints = endpoints_of(self._settings)
            assert endpoints is not None
        except BaseException:
            await self._stop("failed")
            raise
        self._guard = asyncio.create_task(self._keep_running())
        return endpoints

    async def wait(self) -> None:
        """Return once ``stop`` is called.

        Raises:
            ComponentFailed: a component could not be kept running; everything has been stopped.

        """
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Stop the services, then the servers; the data stays."""
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.wait((self._guard,))
        await self._stop("stopped")

    async def _keep_running(self) -> None:
        try:
            await _all(*(component.supervise() for component in self._components.values()))
        except ComponentFailed as failure:
            _log.error("%s", failure)  # the lines in its message say more than a traceback here
            self._failure = failure
            await self._stop("failed")

    async def _stop(self, end: Phase) -> None:
        if self._directory is None or self._lock is None or self._phase in ("stopped", "failed"):
            return
        self._phase = "stopping"
        self._report()
        services = [self._components[service.name] for service in self._services if service.name in self._components]
        servers = [component for component in self._components.values() if component not in services]
        for group in (services, servers):
            await asyncio.gather(*(component.stop() for component in group))
        self._directory.tidy()
        self._phase = end
        self._report()
        self._lock.release()
        self._ended.set()

    async def _start_broker(self) -> None:
        if self._settings.nats.url is not None:
            return
        assert self._directory is not None
        for attempt in range(1, _PORT_TRIES + 1):
            try:
                await self._add(broker_program(self._directory, self._settings.durability, free_port())).start()
            except ComponentFailed as failure:
                # Someone took the port between our look at it and the server's start.
                if attempt == _PORT_TRIES or "address already in use" not in str(failure):
                    raise
            else:
                return

    async def _start_database(self) -> None:
        if self._settings.database.url is not None:
            return
        assert self._directory is not None
        await prepare_database(self._directory, self._settings.durability)
        await self._add(database_program(self._directory, self._settings.durability)).start()

    async def _start_services(self) -> None:
        assert self._directory is not None
        endpoints = endpoints_at(self._settings, self._url("nats"), self._url("postgres"))
        # As the keeper, since streams of an earlier release are brought up to date here.
        async with connected(endpoints, "precedent-stack", keeping=True):
            pass  # what it refuses, every service would
        environment = service_environment(self._settings, self._url("nats"), self._url("postgres"))
        programs = [service_program(self._directory, service, environment) for service in self._services]
        await _all(*(self._add(program).start() for program in programs))

    def _url(self, server: str) -> str:
        elsewhere = {"nats": self._settings.nats.url, "postgres": self._settings.database.url}[server]
        url = elsewhere or self._components[server].program.url
        assert url is not None
        return url

    def _add(self, program: Program) -> Component:
        component = Component(program, self._policy, self._report)
        self._components[program.name] = component
        return component

    def _report(self) -> None:
        assert self._directory is not None
        supervisor = ProcessIdentity.of(os.getpid())
        assert supervisor is not None
        states = {name: component.state for name, component in self._components.items()}
        urls = {name: state.url for name, state in states.items()}
        state = StackState(
            supervisor=supervisor,
            phase=self._phase,
            nats_url=urls.get("nats"),
            database_url=urls.get("postgres"),
            components=states,
        )
        try:
            write_state(self._directory.root, state)
        except OSError as error:
            if self._guard is None and self._phase in ("starting", "ready"):
                raise
            # What runs goes on, and what ends does so in order, without a word that nobody can keep.
            _log.warning("the state of the stack cannot be kept: %s", error)


@contextlib.asynccontextmanager
async def embedded(
    settings: Settings, *, services: Sequence[Service] = (), restarts: RestartPolicy | None = None
) -> AsyncIterator[Endpoints]:
    """Run a stack for the length of a block."""
    stack = Stack(settings, services=services, restarts=restarts)
    endpoints = await stack.start()
    try:
        yield endpoints
    finally:
        await stack.stop()


def stop_leftovers(directory: DataDirectory) -> None:
    """End what a killed supervisor left behind; the caller holds the lock, so nobody supervises it any more."""
    state = read_state(directory.root)
    if state is None:
        return
    for name, component in state.components.items():
        if component.process is not None and component.process.alive():
            _log.warning("stopping %s (process %d), left by a supervisor that was killed", name, component.process.pid)
            component.process.stop(signal.Signals(component.stop_signal), grace=_LEFTOVER_GRACE_SECONDS)


async def _all(*works: Coroutine[Any, Any, None]) -> None:
    """Run them side by side; the first to fail ends the others, and its exception is raised as it is."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
