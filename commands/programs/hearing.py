"""What a process does when it hears of programs: it fills its vector index, and notes which modules are revoked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from commands.cache.meanings import point_id, recorded_point
from commands.indexes import Point
from commands.programs.log import CATALOG, labels
from commands.reuse import Reuse
from domain.kernel.embedding import Embedding
from domain.kernel.errors import PrecedentError, ServiceUnreachable, StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.values import ValueNotDecodable
from domain.programs.events import (
    Meaning,
    Offer,
    ProgramDemoted,
    ProgramPublished,
    ProgramRevoked,
    ProgramSuperseded,
    module_stream,
)

logger = logging.getLogger(__name__)

AT_ONCE: Final = 256
"""Points that are made and put together."""


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What becomes a point."""

    goal: str
    meaning: Meaning
    labels: Mapping[str, str]


@dataclass(slots=True)
class Programs:
    """The programs that this process has heard of.

    Hearing asks nothing of any service: a revocation must be heard while the embedder or the index is away.
    """

    reuse: Reuse
    _entries: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Points by tenant and module, as many as programs were published: when the module is revoked they leave the index
    together."""
    _gathered: dict[str, _Awaited] = field(default_factory=dict)
    """Points that wait for ``flush``: one at a time would take the index hundreds of times as long."""
    _gone: set[str] = field(default_factory=set)
    """Points that wait to be removed."""

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``program``. Raises ``StoredDataInvalid``."""
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case ProgramPublished(offer=offer):
                if offer.id != stream.id:
                    raise StoredDataInvalid(f"program {offer.id} is in the stream {stream.id} of something else")
                self.reuse.interfaces.add(stream.tenant, offer.namespace, offer.interface)
                self._gather(stream.tenant, stream.id, offer)
            case ProgramDemoted() | ProgramSuperseded():
                self._remove({point_id(stream.tenant, stream.id)})
            case ProgramRevoked(module=module, reason=reason):
                if module_stream(module) != stream.id:
                    raise StoredDataInvalid(f"the revocation of {module[:80]} is in the stream {stream.id}")
                self.reuse.revocations.add(stream.tenant, module, reason)
                self._remove(self._entries.pop((stream.tenant, module), set()))

    async def flush(self) -> None:
        """Bring the index up to what was heard. Raises as the port, and then keeps what is left to be done."""
        while self._gathered:
            awaited = dict(islice(self._gathered.items(), AT_ONCE))
            await self._put(await self._points(awaited))
            for name, each in awaited.items():
                if self._gathered.get(name) is each:
                    del self._gathered[name]
        if gone := sorted(self._gone):
            await self.reuse.vectors.remove(gone)
            self._gone.difference_update(gone)

    def _gather(self, tenant: str, entry: str, offer: Offer) -> None:
        if self.reuse.revocations.reason(tenant, offer.module) is not None:
            return
        name = point_id(tenant, entry)
        self._entries.setdefault((tenant, offer.module), set()).add(name)
        where = labels(tenant, offer.namespace, offer.interface) | {"entry": entry}
        self._gathered[name] = _Awaited(offer.goal, offer.meaning, where)
        self._gone.discard(name)

    def _remove(self, names: set[str]) -> None:
        for each in names:
            self._gathered.pop(each, None)
        self._gone |= names

    async def _put(self, points: list[Point]) -> None:
        try:
            await self.reuse.vectors.put(points)
        except ServiceUnreachable:
            raise
        except PrecedentError:
            for point in points:
                await self._put_alone(point)

    async def _put_alone(self, point: Point) -> None:
        try:
            await self.reuse.vectors.put([point])
        except ServiceUnreachable:
            raise
        except PrecedentError as error:
            logger.warning("program %s is not found by its meaning: %s", point.labels.get("entry"), error)

    async def _points(self, awaited: Mapping[str, _Awaited]) -> list[Point]:
        """The recorded points; those of this process's embedder where others made them, or they cannot be read."""
        known = {name: self._recorded(each.meaning) for name, each in awaited.items()}
        unknown = [name for name, embedding in known.items() if embedding is None]
        known.update(await self._embedded({name: awaited[name].goal for name in unknown}))
        return [
            Point(name, embedding, awaited[name].labels) for name, embedding in known.items() if embedding is not None
        ]

    def _recorded(self, meaning: Meaning) -> Embedding | None:
        embedder = self.reuse.embedder
        try:
            return recorded_point(embedder.name, embedder.dimensions, meaning.embedder, meaning.vector)
        except (StoredDataInvalid, ValueNotDecodable):
            return None

    async def _embedded(self, goals: Mapping[str, str]) -> dict[str, Embedding]:
        if not goals:
            return {}
        try:
            return dict(zip(goals, await self.reuse.embedder.embed(list(goals.values())), strict=True))
        except ServiceUnreachable:
            raise
        except PrecedentError as error:
            if len(goals) == 1:
                logger.warning("program %s is not found by its meaning: %s", next(iter(goals)), error)
                return {}
        return {name: point for each in goals.items() for name, point in (await self._embedded(dict([each]))).items()}
