"""Replays of recorded runs: read the events, verify purely."""

from __future__ import annotations

from commands.ports import EventStore
from commands.runs.log import CATALOG
from domain.kernel.errors import NotFound
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.events import RunEvent
from domain.runs.replay import Replay, fold, verify
from domain.runs.state import Run


async def recorded(store: EventStore, run: StreamId) -> tuple[Recorded, ...]:
    """Every event of a run as it is stored. Raises ``NotFound``."""
    loaded = await store.load(run)
    if not loaded.events:
        raise NotFound(f"there is no run {run.id} of tenant {run.tenant}; `precedent runs` lists them")
    return loaded.events


async def recorded_events(store: EventStore, run: StreamId) -> list[RunEvent]:
    """Every event of a run. Raises ``NotFound``, and ``UnknownEventType`` rather than skip one."""
    events = await recorded(store, run)
    return [event for each in events if isinstance(event := CATALOG.decode_known(each), RunEvent)]


async def verify_run(store: EventStore, run: StreamId) -> Replay:
    """Re-execute a run against its journal. Raises ``ReplayDiverged`` at the first difference."""
    return verify(await recorded_events(store, run))


async def view_run(store: EventStore, run: StreamId, at: int | None = None) -> Run:
    """State of a run after its first ``at`` events (all, when None)."""
    events = await recorded_events(store, run)
    return fold(events if at is None else events[:at])
