"""Points that wait to be put into an index, or to leave it.

Who hears of them asks nothing of any service: what travels by the same feed, as a revocation, must be heard while the
embedder or the index is away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from commands.cache.meanings import recorded_point
from commands.filled import Filled
from commands.indexes import Embedder, Point, VectorIndex
from commands.reuse import Reuse
from domain.kernel.embedding import Embedding
from domain.kernel.errors import PrecedentError, ServiceUnreachable, StoredDataInvalid
from domain.kernel.ids import Position
from domain.kernel.values import ValueNotDecodable

logger = logging.getLogger(__name__)

AT_ONCE: Final = 256
"""Points that are made and put together: one at a time would take the index hundreds of times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """What becomes a point."""

    text: str
    embedder: str
    """Who made the point that is recorded."""
    vector: str
    """Base64."""
    labels: Mapping[str, str]
    position: Position
    """Of the event that says so."""


@dataclass(slots=True)
class Filling:
    """What an index lacks of what was heard."""

    embedder: Embedder
    vectors: VectorIndex
    filled: Filled
    """Told of every event before what it says is put or removed here."""
    _gathered: dict[str, Awaited] = field(default_factory=dict)
    _gone: dict[str, Position] = field(default_factory=dict)

    def put(self, name: str, awaited: Awaited) -> None:
        """Have a point made, or made anew, and put by the next ``flush``."""
        if not self.filled.has(awaited.position):
            self._gathered[name] = awaited
            self._gone.pop(name, None)

    def remove(self, names: Iterable[str], position: Position) -> None:
        """Have points taken out by the next ``flush``, as the event at this position says."""
        if self.filled.has(position):
            return
        for each in names:
            self._gathered.pop(each, None)
            self._gone[each] = position

    async def flush(self) -> None:
        """Bring the index up to what was heard. Raises as the ports, and then keeps what is left to be done."""
        if not self._gathered and not self._gone:
            return  # nor is an index started for nothing
        await self.filled.begin()
        self._gathered = {name: each for name, each in self._gathered.items() if not self.filled.has(each.position)}
        self._gone = {name: position for name, position in self._gone.items() if not self.filled.has(position)}
        upto = self.filled.heard
        await self._flush()
        await self.filled.note(upto)

    async def _flush(self) -> None:
        while self._gathered:
            awaited = dict(islice(self._gathered.items(), AT_ONCE))
            await self._put(await self._points(awaited))
            for name, each in awaited.items():
                if self._gathered.get(name) is each:
                    del self._gathered[name]
        if gone := sorted(self._gone):
            await self.vectors.remove(gone)
            for name in gone:
                self._gone.pop(name, None)

    async def _put(self, points: list[Point]) -> None:
        try:
            await self.vectors.put(points)
        except ServiceUnreachable:
            raise
        except PrecedentError:
            for point in points:
                await self._put_alone(point)

    async def _put_alone(self, point: Point) -> None:
        try:
            await self.vectors.put([point])
        except ServiceUnreachable:
            raise
        except PrecedentError as error:
            logger.warning("%s is not found by its meaning: %s", point.labels.get("entry"), error)

    async def _points(self, awaited: Mapping[str, Awaited]) -> list[Point]:
        """The recorded points; those of this process's embedder where others made them, or they cannot be read."""
        known = {name: self._recorded(each) for name, each in awaited.items()}
        unknown = [name for name, embedding in known.items() if embedding is None]
        known.update(await self._embedded({name: awaited[name].text for name in unknown}))
        return [
            Point(name, embedding, awaited[name].labels) for name, embedding in known.items() if embedding is not None
        ]

    def _recorded(self, awaited: Awaited) -> Embedding | None:
        try:
            return recorded_point(self.embedder.name, self.embedder.dimensions, awaited.embedder, awaited.vector)
        except (StoredDataInvalid, ValueNotDecodable):
            return None

    async def _embedded(self, texts: Mapping[str, str]) -> dict[str, Embedding]:
        if not texts:
            return {}
        try:
            return dict(zip(texts, await self.embedder.embed(list(texts.values())), strict=True))
        except ServiceUnreachable:
            raise
        except PrecedentError as error:
            if len(texts) == 1:
                logger.warning("%s is not found by its meaning: %s", next(iter(texts)), error)
                return {}
        return {name: point for each in texts.items() for name, point in (await self._embedded(dict([each]))).items()}


def filling(reuse: Reuse, kind: str, process: str) -> Filling:
    """What fills this process's index with points of a kind; ``process`` as of ``Filled``."""
    filled = Filled(reuse.vectors, reuse.embedder.name, reuse.embedder.dimensions, kind, process)
    return Filling(reuse.embedder, reuse.vectors, filled)
