"""A run out of a bundle: its events, whole, and replayed without any server."""

from __future__ import annotations

from adapters.memory.content import MemoryContentStore
from commands.appends import resolved
from commands.runs.log import CATALOG
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.ledger.bundle import Bundle
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from domain.runs.parts import RunEvent
from domain.runs.planning import AgentPinned
from domain.runs.replay import Replay, verify


async def replayed(bundle: Bundle) -> Replay | None:
    """Verify the run by re-execution; None for an agent's, whose code is in no bundle.

    Raises ``ReplayDiverged``, ``UnknownEventType``.
    """
    checkpoint = Checkpoint.parse(Note.parse(bundle.checkpoint).text)
    content, tenant = MemoryContentStore(), StreamId.parse(bundle.source).tenant
    for data in bundle.content.values():
        await content.put(tenant, data, "application/json")
    events: list[RunEvent] = []
    for each in bundle.events:
        recorded = Recorded(checkpoint.position(each.index), each.subject, each.body)
        event = CATALOG.decode_known(await resolved(recorded, content))
        if isinstance(event, RunEvent):
            events.append(event)
    return None if any(isinstance(event, AgentPinned) for event in events) else verify(events)
