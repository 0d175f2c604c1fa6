"""What a process does when it hears of programs: it fills its vector index, and notes which modules are revoked."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.cache.meanings import point_id
from commands.points import Awaited, Filling, filling
from commands.programs.log import CATALOG, KIND, labels
from commands.reuse import Reuse
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position
from domain.programs.events import (
    Offer,
    ProgramDemoted,
    ProgramPublished,
    ProgramReinstated,
    ProgramRevoked,
    ProgramSuperseded,
    module_stream,
)


@dataclass(slots=True)
class Programs:
    """The programs that this process has heard of.

    Hearing asks nothing of any service: a revocation must be heard while the embedder or the index is away.
    """

    reuse: Reuse
    process: str = ""
    """A name that no other process has; empty where nothing is to be noted in the index."""
    _entries: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Points by tenant and module, as many as programs were published: when the module is revoked they leave the index
    together."""
    _filling: Filling = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing heard."""
        self._filling = filling(self.reuse, KIND, self.process)

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``program``. Raises ``StoredDataInvalid``."""
        self._filling.filled.hear(recorded)
        event, stream, position = CATALOG.decode(recorded), recorded.stream, recorded.position
        match event:
            case ProgramPublished(offer=offer) | ProgramReinstated(offer=offer):
                if offer.id != stream.id:
                    raise StoredDataInvalid(f"program {offer.id} is in the stream {stream.id} of something else")
                self.reuse.interfaces.add(stream.tenant, offer.namespace, offer.interface)
                self._gather(stream.tenant, stream.id, offer, position)
            case ProgramDemoted() | ProgramSuperseded():
                self._filling.remove([point_id(stream.tenant, stream.id)], position)
            case ProgramRevoked(module=module, reason=reason):
                if module_stream(module) != stream.id:
                    raise StoredDataInvalid(f"the revocation of {module[:80]} is in the stream {stream.id}")
                self.reuse.revocations.add(stream.tenant, module, reason)
                self._filling.remove(self._entries.pop((stream.tenant, module), set()), position)

    async def flush(self) -> None:
        """Bring the index up to what was heard. Raises as the port, and then keeps what is left to be done."""
        await self._filling.flush()

    def _gather(self, tenant: str, entry: str, offer: Offer, position: Position) -> None:
        if self.reuse.revocations.reason(tenant, offer.module) is not None:
            return
        name = point_id(tenant, entry)
        self._entries.setdefault((tenant, offer.module), set()).add(name)
        if self._filling.filled.has(position):
            return
        where = labels(tenant, offer.namespace, offer.interface) | {"entry": entry, "module": offer.module}
        meaning = offer.meaning
        self._filling.put(
            name,
            Awaited(text=offer.goal, embedder=meaning.embedder, vector=meaning.vector, labels=where, position=position),
        )
