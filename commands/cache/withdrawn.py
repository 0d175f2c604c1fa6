"""What was invalidated in a namespace, read from its stream: nothing that was said is missed."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.cache.log import CATALOG, CATEGORY
from commands.heard import UNHEARD, Heard
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

    async def of(self, store: EventStore, tenant: str, namespace: str, heard: Heard = UNHEARD) -> Withdrawals:
        """All of them as of now; as ``heard`` has them where that is given.

        Raises ``ServiceUnreachable``, ``StoredDataInvalid``.
        """
        stream = StreamId(tenant, CATEGORY, namespace_stream(namespace))
        known, withdrawals = self._read.get(stream, (0, Withdrawals()))
        events = await heard.events(store, stream, known)
        for recorded in events:
            event = CATALOG.decode(recorded)
            if isinstance(event, CacheInvalidated):
                withdrawals.add(tenant, event, Withdrawal(recorded.position, parse_time(recorded.time), event.reason))
        self._read[stream] = (events[-1].version if events else known, withdrawals)
        return withdrawals
