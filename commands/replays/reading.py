"""Replays of recorded runs: read the events, verify purely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commands.ports import EventStore
from commands.replays.watching import verify_watched
from commands.runs.log import CATALOG
from domain.kernel.errors import NotFound
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.execution import NONE, Agents
from domain.runs.parts import RunEvent
from domain.runs.planning import AgentPinned
from domain.runs.replay import HistoryInvalid, Replay, verify


async def recorded(store: EventStore, run: StreamId) -> tuple[Recorded, ...]:
    """Every event of a run as it is stored. Raises ``NotFound``."""
    loaded = await store.load(run)
    if not loaded.events:
        raise NotFound(f"there is no run {run.id} of tenant {run.tenant}; `precedent runs` lists them")
    return loaded.events


async def recorded_events(store: EventStore, run: StreamId) -> list[RunEvent]:
    """Every event of a run. Raises as ``known_events``, and ``NotFound``."""
    return known_events(await recorded(store, run))


def known_events(events: Iterable[Recorded]) -> list[RunEvent]:
    """The events of a whole stream, decoded.

    Raises ``UnknownEventType`` rather than skip one, ``HistoryInvalid`` where one is missing or is no event of a run.
    """
    known: list[RunEvent] = []
    for version, each in enumerate(events, start=1):
        if each.version != version:
            raise HistoryInvalid(
                f"event {version} of {each.stream} is missing; the next that is there is {each.version}"
            )
        event = CATALOG.decode_known(each)
        assert isinstance(event, RunEvent), "the catalog has no others"
        known.append(event)
    return known


async def verify_run(store: EventStore, run: StreamId, agents: Agents = NONE) -> Replay:
    """Re-execute a run against its journal. Raises as ``verify_events``, and ``NotFound``."""
    return await verify_events(await recorded_events(store, run), agents)


async def verify_events(events: Sequence[RunEvent], agents: Agents = NONE) -> Replay:
    """Re-execute a run against its journal; an agent is watched, since its code may never come back.

    Raises ``ReplayDiverged`` at the first difference, ``HistoryInvalid``, ``AgentUnavailable``, ``AgentStuck``.
    """
    if any(isinstance(event, AgentPinned) for event in events):
        return await verify_watched(events, agents)
    return verify(events)
