"""What a process does when it hears of programs: it fills its vector index, and notes which modules are revoked."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.indexes import Point
from commands.programs.log import CATALOG, embedding_of, labels
from commands.reuse import Reuse
from domain.kernel.embedding import Embedding
from domain.kernel.events import Recorded
from domain.kernel.values import ValueNotDecodable
from domain.programs.events import Offer, ProgramDemoted, ProgramPublished, ProgramRevoked, ProgramSuperseded


@dataclass(slots=True)
class Programs:
    """The programs that this process has heard of."""

    reuse: Reuse
    _entries: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Programs by tenant and module: when the module is revoked they leave the index together."""
    _gathered: dict[str, Point] = field(default_factory=dict)
    """Points that wait for ``flush``: one at a time would take the index hundreds of times as long."""

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``program``. Raises as the ports."""
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case ProgramPublished(offer=offer):
                self._entries.setdefault((stream.tenant, offer.module), set()).add(stream.id)
                self.reuse.interfaces.add(stream.tenant, offer.namespace, offer.interface)
                where = labels(stream.tenant, offer.namespace, offer.interface)
                self._gathered[stream.id] = Point(stream.id, await self._point(offer), where)
            case ProgramDemoted() | ProgramSuperseded():
                await self._remove([stream.id])
            case ProgramRevoked(module=module, reason=reason):
                self.reuse.revocations.add(stream.tenant, module, reason)
                await self._remove(sorted(self._entries.pop((stream.tenant, module), ())))

    async def flush(self) -> None:
        """Put what was gathered into the index. Raises as the port, and then keeps it."""
        points = list(self._gathered.values())
        if points:
            await self.reuse.vectors.put(points)
            for point in points:
                self._gathered.pop(point.id, None)

    async def _remove(self, ids: list[str]) -> None:
        for each in ids:
            self._gathered.pop(each, None)
        if ids:
            await self.reuse.vectors.remove(ids)

    async def _point(self, offer: Offer) -> Embedding:
        """The recorded point; one of this process's embedder where another made it, or it cannot be read."""
        if offer.meaning.embedder == self.reuse.embedder.name:
            try:
                return embedding_of(offer.meaning)
            except ValueNotDecodable:
                pass
        (embedding,) = await self.reuse.embedder.embed([offer.goal])
        return embedding
