"""Processes on the in-memory adapters with a cache: each has a tier and a feed of its own, they share everything else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.memory.cache_tier import MemoryCacheTier
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.faults import Delivery, Fate, NoFaults
from adapters.memory.flights import MemoryFlights
from commands.cache.cache import Cache
from commands.cache.data import DataVersions
from commands.cache.flying import SingleFlight
from commands.cache.hearing import Entries
from commands.cache.log import CATALOG
from commands.catalog import COMMANDS, REACTIONS
from commands.feed import Feed
from commands.handle import CommandHandler
from commands.indexes import CacheSource, CacheTier, Flights
from commands.ports import Selection
from commands.replays import recorded_events
from commands.runs.driver import Driver, Rest
from commands.services import Services
from domain.cache.events import CacheEntryPublished, CacheEvent
from domain.cache.keys import CacheKey
from domain.kernel.ids import START, StreamId
from domain.kernel.values import Value
from domain.rtfs.capability import Capability, Parameter
from domain.runs.events import ModelCallAnswered, ModelCallRequested, ToolCallCompleted, ToolCallFailed
from domain.runs.parts import Lookup, RunEvent
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome, ToolSucceeded
from tests.commands.world import INT, TENANT, World

L2 = {"levels": ["L2"]}


def declared(name: str, effects: Any, **more: Any) -> ToolDeclaration:
    capability = Capability(
        name=name, version="1", effects=effects, parameters=(Parameter("n", INT),), result=INT, doc=name
    )
    return ToolDeclaration(capability=capability, timeout=60, **more)


DECLARED = {
    each.name: each
    for each in (
        declared("m.double", "pure"),
        declared("m.dice", "pure", momentary=True),
        declared("m.count", "pure", stateful=True),
        declared("m.fails", "pure"),
        declared("m.hangs", "pure"),
        declared("crm.get", "read", data="crm"),
        declared("crm.set", "write", data="crm", idempotent=True),
        declared("web.get", "read"),
        declared("mail.send", "external", idempotent=True),
    )
}


@dataclass
class CountedTools:
    """The ``ToolRunner`` port: counts calls by tool; ``during`` is awaited within each."""

    calls: Counter[str] = field(default_factory=Counter)
    during: Callable[[str], Awaitable[None]] | None = None
    number: int = 100
    """What is in the data that crm.get reads and crm.set writes."""
    failure: str = "m.overflow"
    factor: int = 2
    took: float = 0.0
    """Seconds that each call says it took."""

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return DECLARED

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        pass

    def close_run(self, run: str) -> None:
        pass

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        del call
        self.calls[name] += 1
        if self.during is not None:
            await self.during(name)
        n = arguments["n"]
        assert isinstance(n, int)
        match name:
            case "m.fails":
                return ToolFailed(type=self.failure, message="too large", duration=self.took)
            case "m.hangs":
                return ToolFailed(type="tool.timeout", message="no answer", retryable=True)
            case "crm.set":
                self.number = n
                return ToolSucceeded(value=n)
            case "crm.get":
                return ToolSucceeded(value=self.number)
        return ToolSucceeded(value=self.factor * n, duration=self.took)


@dataclass
class Process:
    """One process: services of its own over what all share."""

    world: CachingWorld
    name: str
    services: Services
    cache: Cache
    feed: Feed
    handler: CommandHandler

    async def drive(self, run: str) -> Rest:
        return await Driver(self.services, StreamId(TENANT, "run", run), f"{self.name}/1").drive()


class SlowPublication(NoFaults):
    """What is appended to the cache arrives this much later."""

    seconds = 0.0
    lost = False
    """Whether it never arrives."""

    def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
        if any(stream.category == "cache" for stream in streams):
            return Delivery(Fate.LOST if self.lost else Fate.DELIVERED, there=self.seconds)
        return super().append(streams, attempt)


class CachingWorld(World):
    """A world of processes whose runs may be given answers again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.slow = SlowPublication()
        self.store = MemoryEventStore(self.services.content, faults=self.slow)
        self.services = replace(self.services, store=self.store)
        self.counted = CountedTools()
        self.flights: Flights = MemoryFlights()
        self.shared: CacheTier = MemoryCacheTier()
        self.shared.name = "shared"  # type: ignore[misc]
        self.far: list[CacheSource] = []
        self.services = replace(self.services, tools=self.counted)
        self.one = self.process("one")
        self.handler = self.one.handler

    def process(self, name: str, **changes: Any) -> Process:
        cache = Cache(near=(MemoryCacheTier(), self.shared), far=tuple(self.far), flight=SingleFlight(self.flights))
        listeners: dict[str, Any] = {}
        feed = Feed(self.store, self.clock, listeners)
        data = DataVersions(self.counted.declarations, self.clock, feed.silent_for)
        cache = replace(cache, **({"data": data, "silent_for": feed.silent_for} | changes))
        listeners |= {"cache": [Entries(cache).hear], "run": [data.hear]}
        services = replace(self.services, cache=cache)
        return Process(self, name, services, cache, feed, CommandHandler(services, COMMANDS, REACTIONS))

    @asynccontextmanager
    async def listening(self, *processes: Process) -> AsyncIterator[None]:
        """The feeds of these processes, under way."""
        following = []
        for process in processes or (self.one,):
            await process.feed.catch_up()
            following.append(asyncio.create_task(process.feed.follow()))
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def call(self, run: str, plan: str, by: Process | None = None, **task: Any) -> Any:
        """Submit and drive a run with this plan; give its output."""
        task = {"tools": list(DECLARED), "cache": L2} | task
        answer = await self.submit(run, plan, **task)
        assert answer.outcome == "accepted", answer
        await (by or self.one).drive(run)
        await asyncio.sleep(0.01)
        return (await self.state(run)).output

    async def events(self, run: str) -> list[RunEvent]:
        return list(await recorded_events(self.store, StreamId(TENANT, "run", run)))

    async def lookups(self, run: str) -> list[Lookup]:
        asking = (ModelCallRequested, ToolCallCompleted, ToolCallFailed)
        return [each for event in await self.events(run) if isinstance(event, asking) for each in event.lookups]

    async def tool_events(self, run: str) -> list[ToolCallCompleted | ToolCallFailed]:
        return [event for event in await self.events(run) if isinstance(event, ToolCallCompleted | ToolCallFailed)]

    async def sources(self, run: str) -> list[str]:
        answering = (ModelCallAnswered, ToolCallCompleted, ToolCallFailed)
        return [event.source for event in await self.events(run) if isinstance(event, answering)]

    async def cache_events(self) -> list[CacheEvent]:
        found = [e async for batch in self.store.read(START, Selection(category="cache")) for e in batch]
        return [event for each in found if isinstance(event := CATALOG.decode(each), CacheEvent)]

    async def published(self) -> list[CacheEntryPublished]:
        return [event for event in await self.cache_events() if isinstance(event, CacheEntryPublished)]

    async def published_key(self) -> CacheKey:
        event = (await self.published())[-1]
        return CacheKey(event.namespace, event.level, event.kind, event.version, event.digest)
