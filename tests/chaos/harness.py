"""A whole system on real servers, a load on it, and what must hold whatever was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.nats.command_client import CommandClient
from adapters.postgres.database import PostgresDatabase
from commands.catalog import COMMANDS, REACTIONS
from commands.handle import Answer, CommandEnvelope, CommandHandler
from commands.replays import recorded_events, verify_run
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.events import ToolCallOutcomeUnknown
from domain.runs.replay import fold
from domain.runs.state import Run, Settlement
from infra.bootstrap.write_side import WriteSide, write_side
from infra.settings import Settings, load
from infra.stack.commands import status
from infra.stack.component import RestartPolicy
from infra.stack.endpoints import Endpoints
from infra.stack.service import Service
from infra.stack.stack import embedded
from tests.chaos.tools import FOLDER, Counting, executions

TENANT = "chaos"
PATIENCE = 120.0
"""Seconds without news after which a test gives up waiting: it says that something hangs, never how long things take."""
TOOLS = ("chaos.append", "chaos.put", "chaos.look", "chaos.sum")
ENDS = ("RunCompleted", "RunFailed", "RunCancelled")


@dataclass(kw_only=True)
class System:
    """Servers, workers, and a person who uses them."""

    settings: Settings
    endpoints: Endpoints
    side: WriteSide
    client: CommandClient
    database: PostgresDatabase
    folder: Path
    accepted: dict[str, Answer] = field(default_factory=dict)

    def plan_fault(self, run: str, step: str, effect: str, number: signal.Signals) -> None:
        (self.folder / "faults" / run).write_text(f"{step}\n{effect}\n{number.name}\n")

    def faults_left(self) -> list[str]:
        return [file.name for file in (self.folder / "faults").iterdir() if file.suffix != ".done"]

    def forget_faults(self) -> None:
        for name in self.faults_left():
            (self.folder / "faults" / name).unlink()

    def had_fault(self, run: str) -> bool:
        return (self.folder / "faults" / f"{run}.done").exists()

    def pid(self, name: str) -> int | None:
        return next((each.pid for each in status(self.endpoints.data).components if each.name == name), None)

    def restarts(self, name: str) -> int:
        return next(each.restarts for each in status(self.endpoints.data).components if each.name == name)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)
        return pid

    async def kill_and_see_it_again(self, name: str) -> None:
        before = self.restarts(name)
        self.kill(name)
        await until(lambda: self.restarts(name) > before and self.pid(name) is not None)

    async def tell(self, kind: str, data: dict[str, Any], command: str) -> Answer:
        """Handle a command in this process: for stories whose workers are not at hand."""
        handler = CommandHandler(self.side.services, COMMANDS, REACTIONS)
        handled = await handler.handle(CommandEnvelope(id=command, type=kind, tenant=TENANT, data=data), "person")
        await handler.react(handled)
        return handled.answer

    async def send(self, kind: str, data: dict[str, Any], command: str, within: float = 5) -> Answer:
        """Send a command over the bus, again and again until it is answered, for a minute and a half at most."""
        envelope = CommandEnvelope(id=command, type=kind, tenant=TENANT, data=data)
        async with asyncio.timeout(90):
            while True:
                try:
                    answer = await self.client.send(envelope, "run", within)
                except ServiceUnreachable:
                    await asyncio.sleep(0.05)  # a broker that is just starting refuses at once
                    continue
                if answer.outcome == "accepted":
                    self.accepted[command] = answer
                return answer

    async def events(self, run: str) -> tuple[Recorded, ...]:
        return (await self.side.services.store.load(StreamId(TENANT, "run", run))).events

    async def state(self, run: str) -> Run:
        return fold(await recorded_events(self.side.services.store, StreamId(TENANT, "run", run)))

    async def until_ended(self, runs: Iterable[str]) -> None:
        """Wait until the runs have ended; a person looks at the world and answers what is asked meanwhile.

        However long that takes on a busy machine, but not while nothing happens any more.
        """
        left = set(runs)
        seen: dict[str, int] = {}
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE) as patience:
            while left:
                for name in sorted(left):
                    events = await recorded_events(self.side.services.store, StreamId(TENANT, "run", name))
                    if len(events) != seen.get(name):
                        seen[name] = len(events)
                        patience.reschedule(loop.time() + PATIENCE)
                    run = fold(events)
                    if run.ended:
                        left.discard(name)
                    for key in run.waiting:
                        await self._resolve(name, run, key)
                await asyncio.sleep(0.1)

    async def _resolve(self, name: str, run: Run, key: str) -> None:
        entry = run.journal[key]
        if entry.settlement is not Settlement.UNKNOWN:
            return
        happened = any((done.run, done.effect) == (name, key) for done in executions(self.folder))
        told: dict[str, Any] = {"outcome": "repeat"}
        if happened:
            (_, n), *_ = entry.arguments.items()
            told = {"outcome": "happened", "result": n + 1}
        version = len(await self.events(name))
        await self.tell(
            "ResolveOutcome", {"run": name, "effect": key, **told}, f"{name}-{key}-{version}".replace("/", "-")
        )

    # What must hold, whatever was killed.

    async def check(self, runs: Iterable[str]) -> None:
        done = executions(self.folder)
        for name in runs:
            events = await self.events(name)
            kinds = [event.short_name for event in events]
            assert [event.version for event in events] == list(range(1, len(events) + 1))
            assert len({event.id for event in events}) == len(events)
            assert kinds[-1] in ENDS
            assert sum(kind in ENDS for kind in kinds) == 1
            self._check_effects(events, [each for each in done if each.run == name])
            services = self.side.services
            await verify_run(services.store, StreamId(TENANT, "run", name), services.agents.agents())

    def _check_effects(self, events: Sequence[Recorded], done: Sequence[Any]) -> None:
        recorded = {
            event.data["effect"]: event
            for event in events
            if event.short_name == "ToolCallCompleted" and event.data["source"] == "executed"
        }
        for key, event in recorded.items():
            times = [each.at for each in done if each.effect == key]
            assert times, f"{key} is recorded as done and was not"
            if event.data["tool"] == "chaos.append":
                assert len(times) == 1, f"{key} must be done once, and was done {len(times)} times"
            if event.data["tool"] != "chaos.sum":  # its state is made again by doing its calls again
                recorded_at = datetime.fromisoformat(event.time).timestamp()
                assert all(at <= recorded_at for at in times), f"{key} was done again after it was recorded"
        once = Counter(each.effect for each in done if each.tool == "chaos.append")
        assert set(once.values()) <= {1}, once


def unknown_outcomes(events: Iterable[Recorded]) -> list[str]:
    return [event.data["effect"] for event in events if event.type == ToolCallOutcomeUnknown.TYPE]


def task(plan: str, **more: Any) -> dict[str, Any]:
    return {"task": {"goal": "Survive", "plan": plan, "tools": [*TOOLS, "timer.sleep"], "output": ":int", **more}}


def three_calls(tool: str) -> dict[str, Any]:
    """A task of three calls, effects 0 to 2, each fed with the one before."""
    return task(f"(let [a (call :{tool} {{:n 1}}) b (call :{tool} {{:n a}})] (call :{tool} {{:n b}}))")


@asynccontextmanager
async def system(data: Path, workers: Sequence[str], *, concurrent: int = 16) -> AsyncIterator[System]:
    """Broker (every write synced), database, projector and these workers, supervised."""
    folder = data.parent / "world"
    (folder / "faults").mkdir(parents=True)
    os.environ[FOLDER] = str(folder)
    settings = load(
        data=data,
        tenant=TENANT,
        durability="fsync",
        tools=["tests.chaos.tools"],
        agents=["tests.chaos.agents"],
        workers=concurrent,
    )
    services = [
        Service(name="projector", argv=(sys.executable, "-m", "infra.workers", "projector")),
        *(Service(name=n, argv=(sys.executable, "-m", "tests.chaos.worker", n, str(folder))) for n in workers),
    ]
    async with AsyncExitStack() as stack:
        policy = RestartPolicy(limit=1000, longest_pause=0.2)
        endpoints = await stack.enter_async_context(embedded(settings, services=services, restarts=policy))
        side = await stack.enter_async_context(write_side(settings, endpoints, run_scoped=(Counting(),)))
        client = await stack.enter_async_context(CommandClient(side.connection, TENANT, "person"))
        database = await stack.enter_async_context(PostgresDatabase.at(endpoints.database_url))
        yield System(settings=settings, endpoints=endpoints, side=side, client=client, database=database, folder=folder)


async def until(holds: Callable[[], Any] | Callable[[], Awaitable[Any]], seconds: float = PATIENCE) -> Any:
    """Wait for a condition, at most so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
