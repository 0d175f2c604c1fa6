"""A process that drives one run whose plan calls a slow pure tool, and prints how that was answered.

python -m tests.adapters.nats.caching URL USER PASSWORD TENANT RUN FOLDER SECONDS
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from adapters.access.same_tenant import OnlyTenants
from adapters.memory.answers import MemoryAnswers
from adapters.memory.cache_tier import MemoryCacheTier
from adapters.memory.content import MemoryContentStore
from adapters.memory.run_index import LogRunIndex
from adapters.memory.wakes import MemoryWakes
from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.nats.connection import Connection
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.flights import JetStreamFlights
from adapters.system.clock import SystemClock, SystemRandomness
from commands.cache.cache import Cache
from commands.cache.flying import SingleFlight
from commands.cache.hearing import Entries
from commands.catalog import COMMANDS, REACTIONS
from commands.feed import Feed
from commands.handle import CommandEnvelope, CommandHandler
from commands.replays import recorded_events
from commands.runs.driver import Driver
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
from domain.runs.events import ToolCallCompleted
from domain.tools import CallContext, ToolDeclaration, ToolOutcome, ToolSucceeded
from tests.commands.caching import declared
from tests.commands.world import Models
from tests.contracts.event_store import SHARDS

SLOW = {"slow.double": declared("slow.double", "pure")}


class SlowTools:
    """The ``ToolRunner`` port: each call leaves a file, and takes its time."""

    def __init__(self, folder: Path, run: str, seconds: float) -> None:
        self._mark = folder / run
        self._seconds = seconds

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return SLOW

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        pass

    def close_run(self, run: str) -> None:
        pass

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        del name, call
        self._mark.touch()
        await asyncio.sleep(self._seconds)
        n = arguments["n"]
        assert isinstance(n, int)
        return ToolSucceeded(value=2 * n)


async def main(url: str, user: str, password: str, tenant: str, run: str, folder: str, seconds: str) -> None:
    connection = await Connection.open(url, name=run, user=user or None, password=password or None)
    clock = SystemClock()
    content = MemoryContentStore()
    store = JetStreamEventStore(connection, content, shards=SHARDS)
    feed = Feed(store, clock, {})
    cache = Cache(
        near=(MemoryCacheTier(), JetStreamCacheTier(connection, clock)),
        flight=SingleFlight(JetStreamFlights(connection)),
        silent_for=feed.silent_for,
    )
    feed.listeners = {"cache": (Entries(cache).hear,)}
    services = Services(
        store=store,
        content=content,
        wakes=MemoryWakes(clock),
        answers=MemoryAnswers(),
        authorizer=OnlyTenants([tenant]),
        tools=SlowTools(Path(folder), run, float(seconds)),
        models=Models(),
        runs=LogRunIndex(store),  # type: ignore[arg-type]  # never asked
        clock=clock,
        randomness=SystemRandomness(),
        cache=cache,
    )
    hearing = asyncio.create_task(feed.follow())
    task = {"goal": "g", "plan": "(call :slow.double {:n 21})", "tools": list(SLOW), "cache": {"levels": ["L2"]}}
    envelope = CommandEnvelope(id=run, type="SubmitRun", tenant=tenant, data={"task": task})
    answer = (await CommandHandler(services, COMMANDS, REACTIONS).handle(envelope, "someone")).answer
    assert answer.outcome == "accepted", answer
    while feed.silent_for("cache") > 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stream = StreamId(tenant, "run", run)
    await Driver(services, stream, f"{run}/1").drive()
    (event,) = [each for each in await recorded_events(store, stream) if isinstance(each, ToolCallCompleted)]
    print(event.source, event.result, flush=True)  # noqa: T201
    hearing.cancel()
    store.close()
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
