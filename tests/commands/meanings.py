"""A world in which a test says which goals are near to which, and what is known of right and wrong answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

from adapters.embedding.unit import unit
from adapters.memory.cache_tier import MemoryCacheTier
from adapters.memory.flights import MemoryFlights
from adapters.vectors.memory import MemoryVectorIndex
from commands.cache.cache import Cache
from commands.cache.flying import SingleFlight
from commands.cache.hearing import Entries
from commands.cache.judgements import append_judgement
from commands.cache.log import CATALOG
from commands.catalog import COMMANDS, REACTIONS
from commands.evidence import EvidenceBook
from commands.handle import CommandHandler
from commands.ports import Selection
from commands.replays import recorded_events
from domain.cache.events import CacheEntryPublished, CacheEvent, ReuseJudged
from domain.cache.keys import CacheKey
from domain.cache.semantic import Policy as Terms
from domain.kernel.embedding import Embedding
from domain.kernel.ids import START, StreamId
from domain.runs.events import ModelCallAnswered, ModelCallRequested
from domain.runs.inheritance import history_digest
from domain.runs.parts import Lookup
from tests.commands.reusing import PLAN, TASK, ReusingWorld
from tests.commands.world import TENANT


def entry_of(event: CacheEntryPublished) -> str:
    """Id of a published entry."""
    return CacheKey(event.namespace, event.level, event.kind, event.version, event.digest).id


MANY = 40
"""Right answers in a row after which a namespace is open, on the terms of these tests."""

TERMS = Terms(bound=0.2, trust=0.9, explore_one_in=1_000_000)


class ChosenPoints:
    """The ``Embedder`` port on a circle: the likeness of two goals is what the test chose."""

    name = "chosen"
    dimensions = 64

    def __init__(self) -> None:
        self.near: dict[str, tuple[int, float]] = {}
        """By goal: around which direction it lies, and how near to it."""
        self._seen: dict[str, int] = {}

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        return [unit(self.name, self._point(text)) for text in texts]

    def _point(self, text: str) -> list[float]:
        direction, likeness = self.near.get(text, (0, 0.0))
        own = self._seen.setdefault(text, len(self._seen))
        point = [0.0] * self.dimensions
        point[direction] = likeness
        point[16 + own % 48] = sqrt(max(0.0, 1 - likeness**2))
        return point


class MeaningWorld(ReusingWorld):
    """A world whose runs may be answered with what another goal was answered."""

    def use(self, policy: Any = None, **changes: Any) -> None:
        points = changes.setdefault("embedder", getattr(self, "points", None) or ChosenPoints())
        self.points = points
        changes.setdefault("vectors", MemoryVectorIndex(points.name, points.dimensions))
        changes.setdefault("evidence", EvidenceBook(policy=TERMS))
        super().use(policy, **changes)

    def alike(self, *goals: str, likeness: float = 0.99) -> None:
        """These goals lie around one direction, at this cosine from it."""
        direction = len({place for place, _ in self.points.near.values()})
        self.points.near |= dict.fromkeys(goals, (direction, likeness))

    async def solve(self, run: str, plan: str | None = "", **task: Any) -> list[str]:
        return await super().solve(run, PLAN if plan == "" else plan, **({"cache": {"levels": ["L3"]}} | task))

    async def believe(self, score: float, namespace: str = "default", judged: int = MANY) -> None:
        """So many answers at this score were right, so that it opens the namespace."""
        for number in range(judged):
            seen = ReuseJudged(
                namespace=namespace,
                level="L3",
                entry=f"{number:064x}",
                score=score,
                correct=True,
                judge="test/1",
                source="exploration",
                run=f"before-{score}-{number}",
            )
            await append_judgement(self.services, TENANT, seen, actor="agent:critic")
        await self.feed.catch_up()

    async def events_of(self, run: str) -> list[Any]:
        return list(await recorded_events(self.store, StreamId(TENANT, "run", run)))

    async def looked(self, run: str) -> Lookup:
        """What level L3 said last in a run."""
        return (await self.lookups(run))[-1]

    async def lookups(self, run: str) -> list[Lookup]:
        asked = [event for event in await self.events_of(run) if isinstance(event, ModelCallRequested)]
        return [lookup for event in asked for lookup in event.lookups if lookup.level == "L3"]

    async def answers(self, run: str) -> list[ModelCallAnswered]:
        return [event for event in await self.events_of(run) if isinstance(event, ModelCallAnswered)]

    async def cache_events(self) -> list[CacheEvent]:
        found = [e async for batch in self.store.read(START, Selection(category="cache")) for e in batch]
        return [event for each in found if isinstance(event := CATALOG.decode(each), CacheEvent)]

    async def published(self) -> list[CacheEntryPublished]:
        return [
            event
            for event in await self.cache_events()
            if isinstance(event, CacheEntryPublished) and event.level == "L3"
        ]

    async def judged(self) -> list[ReuseJudged]:
        """What runs told, without what the test made believe."""
        found = [event for event in await self.cache_events() if isinstance(event, ReuseJudged)]
        return [event for event in found if event.judge != "test/1"]

    async def all_lookups(self, run: str) -> list[Lookup]:
        asked = [event for event in await self.events_of(run) if isinstance(event, ModelCallRequested)]
        return [lookup for event in asked for lookup in event.lookups]

    async def fork(self, name: str, of: str, **task: Any) -> None:
        """A run that inherits all that another was answered."""
        events = (await self.store.load(StreamId(TENANT, "run", of))).events
        at = len(events) - 2
        point = {"run": of, "at": at, "digest": history_digest(event.body for event in events[:at])}
        accepted = (await self.state(of)).accepted_task
        file = TASK | {"goal": accepted.goal, "cache": accepted.cache.model_dump()} | task
        answer = await self.send("SubmitRun", {"task": file, "fork": point}, name)
        assert answer.outcome == "accepted", answer
        await self.drive(name)

    def keep_exact(self) -> None:
        """Have exact answers kept, too."""
        cache = Cache(near=(MemoryCacheTier(),), flight=SingleFlight(MemoryFlights()))
        self.services = replace(self.services, cache=cache)
        self.handler = CommandHandler(self.services, COMMANDS, REACTIONS)
        self.feed.listeners["cache"].append(Entries(cache).hear)  # type: ignore[attr-defined]
