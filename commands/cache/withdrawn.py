"""What was invalidated in a namespace, read from its stream at the log's leader: nothing that was said is missed."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.cache.log import CATALOG, CATEGORY
from commands.ports import EventStore
from domain.cache.events import CacheInvalidated
from domain.cache.keys import namespace_stream
from domain.cache.rules import Withdrawal, Withdrawals
from domain.kernel.ids import StreamId
from domain.kernel.values import parse_time


@dataclass(slots=True)
class Withdrawn:
    """Invalidations of whole namespaces, or of parts of them; what was read before is not read again."""

    _read: dict[StreamId, tuple[int, Withdrawals]] = field(default_factory=dict)
    """By the namespace's stream: up to which version."""

    async def of(self, store: EventStore, tenant: str, namespace: str) -> Withdrawals:
        """All of them as of now. Raises ``ServiceUnreachable``, ``StoredDataInvalid``."""
        stream = StreamId(tenant, CATEGORY, namespace_stream(namespace))
        known, withdrawals = self._read.get(stream, (0, Withdrawals()))
        slice_ = await store.load(stream, known)
        for recorded in slice_.events:
            event = CATALOG.decode(recorded)
            if isinstance(event, CacheInvalidated):
                withdrawals.add(tenant, event, Withdrawal(recorded.position, parse_time(recorded.time), event.reason))
        self._read[stream] = (slice_.head.version, withdrawals)
        return withdrawals
