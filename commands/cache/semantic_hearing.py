"""What a process does when it hears of answers: it fills its vector index, and empties it of what is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from commands.cache.log import CATALOG
from commands.cache.meanings import KIND, LONGEST_GOAL, point_id, recorded_point
from commands.indexes import Point
from commands.reuse import Reuse
from domain.cache.events import CacheEntryInvalidated, CacheEntryPublished, CacheInvalidated, Meaning
from domain.cache.rules import Withdrawal
from domain.kernel.embedding import Embedding
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import ValueNotDecodable, parse_time


@dataclass(frozen=True, slots=True)
class _Entry:
    namespace: str
    depends: tuple[str, ...]
    """What it rests on."""
    position: Position
    asked: datetime


@dataclass(slots=True)
class Answers:
    """The answers of level L3 that this process has heard of."""

    reuse: Reuse
    _heard: dict[StreamId, _Entry] = field(default_factory=dict)
    """When what they rest on changes, they leave the index together."""
    _gathered: dict[str, Point] = field(default_factory=dict)
    """Points that wait for ``flush``: one at a time would take the index hundreds of times as long."""

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``. Raises as the ports."""
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case CacheEntryPublished(level="L3", meaning=Meaning() as meaning):
                point = await self._labelled(stream, event, meaning)
                self._gathered[point.id] = point
                asked = parse_time(event.asked or recorded.time)
                self._heard[stream] = _Entry(event.namespace, event.depends, recorded.position, asked)
            case CacheEntryInvalidated() if stream in self._heard:
                await self._remove([stream])
            case CacheInvalidated(level=None | "L3"):
                withdrawal = Withdrawal(recorded.position, parse_time(recorded.time), event.reason)
                covered = [name for name, entry in self._heard.items() if withdrawal.covers(entry)]
                await self._remove([name for name in covered if self._is_meant(stream.tenant, event, name)])

    async def flush(self) -> None:
        """Put what was gathered into the index. Raises as the port, and then keeps it."""
        points = list(self._gathered.values())
        if not points:
            return
        await self.reuse.vectors.put(points)
        for point in points:
            if self._gathered.get(point.id) is point:
                del self._gathered[point.id]

    async def _labelled(self, stream: StreamId, event: CacheEntryPublished, meaning: Meaning) -> Point:
        value = event.value if isinstance(event.value, dict) else {}
        program, parameters = value.get("program"), value.get("parameters")
        known = isinstance(program, str) and isinstance(parameters, str)
        if not known or len(meaning.text.encode()) > LONGEST_GOAL:
            raise StoredDataInvalid(f"entry {stream.id} does not say what it answers: it is not found by its meaning")
        labels = {
            "kind": KIND,
            "tenant": stream.tenant,
            "namespace": event.namespace,
            "parameters": str(parameters),
            "program": str(program),
            "entry": stream.id,
            "goal": meaning.text,
        }
        return Point(point_id(stream.tenant, stream.id), await self._point(meaning), labels)

    async def _point(self, meaning: Meaning) -> Embedding:
        """The recorded point; one of this process's embedder where another made it, or it cannot be read."""
        embedder = self.reuse.embedder
        try:
            known = recorded_point(embedder.name, embedder.dimensions, meaning.embedder, meaning.vector)
        except (StoredDataInvalid, ValueNotDecodable):
            known = None
        if known is not None:
            return known
        (embedding,) = await embedder.embed([meaning.text])
        return embedding

    def _is_meant(self, tenant: str, event: CacheInvalidated, name: StreamId) -> bool:
        entry = self._heard[name]
        named = (name.tenant, entry.namespace) == (tenant, event.namespace) and event.tag is None
        return named and (event.depends is None or event.depends in entry.depends)

    async def _remove(self, entries: list[StreamId]) -> None:
        points = [point_id(entry.tenant, entry.id) for entry in entries]
        for point in points:
            self._gathered.pop(point, None)
        if points:
            await self.reuse.vectors.remove(points)
        for entry in entries:
            del self._heard[entry]
