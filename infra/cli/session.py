"""Connect to the stack that runs, or run one for as long as a command takes."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from adapters.nats.command_client import AnswerOverdue, CommandClient, check_served
from adapters.nats.connection import Connection
from adapters.nats.event_store import JetStreamEventStore
from adapters.postgres.database import PostgresDatabase
from adapters.system.clock import SystemClock, SystemRandomness
from commands.catalog import COMMANDS
from commands.handle import Answer, CommandEnvelope
from domain.kernel.errors import PrecedentError
from domain.kernel.ids import Positions, StreamId, ulid
from infra.bootstrap.connections import connected, database, event_store
from infra.cli.invocation import Invocation
from infra.cli.sharing import opened, using, wait_until_unused
from infra.settings import Settings
from infra.stack.directory import DataDirectory
from infra.stack.endpoints import Endpoints, endpoints_of
from infra.stack.errors import StackAlreadyRunning
from infra.stack.service import Service
from infra.stack.stack import embedded
from infra.stack.state import read_state
from projections import builds
from projections.catalog import PROJECTIONS
from projections.runner import Runner
from projections.waiting import wait_for

SERVICES: Final = tuple(
    # A worker that keeps its name takes its runs up again at once when it was killed and started anew.
    Service(name=name, argv=(sys.executable, "-m", "infra.workers", name, f"{name}-embedded"))
    for name in ("worker", "projector", "ledger")
)

ROWS_WITHIN: Final = 10.0
"""Seconds for the read side to reach what has been written."""

ANSWERS_WITHIN: Final = 10.0
"""Seconds for the answer to a command."""

STARTED_WITHIN: Final = 20.0
"""Seconds for a stack that another process is starting or stopping."""


class NoWorker(PrecedentError):
    """The stack that runs was started by a command that only reads: end that, or wait for its end, and try again."""

    code = "stack.no-worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A connected client of one deployment."""

    settings: Settings
    endpoints: Endpoints
    connection: Connection
    store: JetStreamEventStore
    database: PostgresDatabase
    commands: CommandClient
    own: bool
    """Whether this command started the stack, and so will stop it."""
    projected: bool
    """Whether a projector keeps the read side in step."""

    def run(self, name: str) -> StreamId:
        """Stream of a run. Raises ``HostileName``."""
        return StreamId(self.settings.tenant, "run", name)

    def envelope(self, command: str, data: dict[str, Any]) -> CommandEnvelope:
        """A new command."""
        now = SystemClock().now()
        return CommandEnvelope(id=new_id(), type=command, tenant=self.settings.tenant, time=now, data=data)

    async def send(self, envelope: CommandEnvelope) -> Answer:
        """Send a command of the catalog and give its answer. Raises ``AnswerOverdue``, ``ServiceUnreachable``."""
        try:
            return await self.commands.send(envelope, COMMANDS[envelope.type].category, within=ANSWERS_WITHIN)
        except AnswerOverdue as error:
            way_out = "it stays on the bus and may still be handled: see `precedent status` and `precedent runs`"
            raise AnswerOverdue(f"{error}; command {envelope.id}: {way_out}") from error

    async def read_up_to(self, wanted: Positions) -> None:
        """Wait until the read side has what is in the log up to there. Raises ``ProjectionBehind``."""
        await builds.prepare(self.database, PROJECTIONS.values())
        runner = None
        if not self.projected:
            runner = asyncio.create_task(Runner(self.store, self.database, tuple(PROJECTIONS.values())).run())
        try:
            await wait_for(self.database, wanted, PROJECTIONS, ROWS_WITHIN)
        finally:
            if runner is not None:
                runner.cancel()
                with suppress(asyncio.CancelledError, PrecedentError):
                    await runner


def new_id() -> str:
    """A new command id, which is also the id of the stream that the command begins."""
    milliseconds = int(SystemClock().now().timestamp() * 1000)
    return ulid(milliseconds, SystemRandomness().bytes(10))


def principal() -> str:
    """Who sends commands from here: the login name, as far as it can be one token of a subject."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "operator"
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64] or "operator"


@asynccontextmanager
async def session(
    cli: Invocation, *, services: bool, settings: Settings | None = None, whole: bool = True, keeping: bool = False
) -> AsyncIterator[Session]:
    """Connect; without ``services`` a stack started here has broker and database only, which is enough to read.

    ``whole``: refuse a log that has lost events; an audit looks at such a one too.

    ``keeping``: with the account that may close and drop epochs.

    ``settings`` are those to act by, where they are not just what the command line says.

    Raises ``ConfigurationError``, ``NoWorker``, ``TenantUnserved``, and what the servers raise when unreachable.
    """
    settings = settings or cli.settings()
    async with AsyncExitStack() as stack:
        endpoints, own = await _endpoints(cli, settings, stack, services=services)
        connection = await stack.enter_async_context(
            connected(endpoints, "precedent-cli", whole=whole, keeping=keeping)
        )
        if services:
            await check_served(connection, settings.tenant)
        yield Session(
            settings=settings,
            endpoints=endpoints,
            connection=connection,
            store=await stack.enter_async_context(event_store(connection, endpoints)),
            database=await stack.enter_async_context(database(endpoints)),
            commands=await stack.enter_async_context(CommandClient(connection, settings.tenant, principal())),
            own=own,
            projected=_runs(settings, "projector"),
        )


async def _endpoints(
    cli: Invocation, settings: Settings, stack: AsyncExitStack, *, services: bool
) -> tuple[Endpoints, bool]:
    """Where to connect, and whether that was started here; both last until ``stack`` is left."""
    deadline = asyncio.get_running_loop().time() + STARTED_WITHIN
    while True:
        found = endpoints_of(settings)
        if found is not None and stack.enter_context(using(settings.data)):
            _check_worker(settings, services=services)
            return found, False
        try:
            return await _start(cli, settings, stack, services=services), True
        except StackAlreadyRunning:
            # Another process is just starting it, or stopping it.
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.1)


def _check_worker(settings: Settings, *, services: bool) -> None:
    if services and not _runs(settings, "worker"):
        raise NoWorker(
            f"the stack of {settings.data} runs without a worker, for a command that only reads; "
            "wait for its end or stop it (`precedent status` shows its process), and try again"
        )


def _runs(settings: Settings, service: str) -> bool:
    """Whether a service of ours runs, as far as can be known: servers configured elsewhere have theirs elsewhere."""
    if settings.nats.url is not None and settings.database.url is not None:
        return True
    state = read_state(settings.data)
    return state is not None and service in state.components


def _what_starts(settings: Settings, *, services: bool) -> str:
    """What is not configured elsewhere, in words."""
    parts = [
        *(["broker"] if settings.nats.url is None else []),
        *(["database"] if settings.database.url is None else []),
        *(["services"] if services else []),
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


async def _start(cli: Invocation, settings: Settings, stack: AsyncExitStack, *, services: bool) -> Endpoints:
    what = _what_starts(settings, services=services)
    note = f"starting {what} for this command (data in {settings.data}; `precedent up --detach` keeps them running)"
    DataDirectory.prepare(settings.data)
    lock = stack.enter_context(opened(settings.data))  # let go only after the servers have been stopped
    with cli.output.working(note):
        endpoints = await stack.enter_async_context(embedded(settings, services=SERVICES if services else ()))

    def say_who_waits() -> None:
        cli.output.warn("other commands use the servers that this one started; waiting for them (Ctrl-C: do not wait)")

    stack.push_async_callback(wait_until_unused, lock, say_who_waits)
    return endpoints
