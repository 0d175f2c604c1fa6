"""Replays leave a trace: a stream of category ``replay``, appended straight to the event store.

A replay is a reading that someone did, not a wish that may be refused: no rule decides about it, and a command that
only reads starts no worker. So it is written by whoever replays, not asked for over the bus (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from commands.ports import NEW_STREAM, Clock, EventStore, Head, Selection
from commands.replays.executing import ReExecution
from domain.kernel.events import DomainEvent, Draft, EventCatalog, Recorded
from domain.kernel.ids import START, StreamId, event_id
from domain.kernel.values import format_time
from domain.runs.journal import ReplayDiverged
from domain.runs.replay_events import REPLAY_EVENTS, DivergenceFound, ReplayFinished, ReplayStarted

CATALOG: Final = EventCatalog(REPLAY_EVENTS)

MOST_DIVERGENCES: Final = 1000
"""Divergences that one replay records; its outcome counts all."""

LONGEST: Final = 2000
"""Characters of what was expected and what came."""


@dataclass(slots=True)
class ReplayLog:
    """The stream of one replay, as it is written."""

    store: EventStore
    clock: Clock
    stream: StreamId
    actor: str
    _head: Head = NEW_STREAM
    _divergences: int = 0
    _last_id: str = field(default="")

    async def append(self, *events: DomainEvent) -> None:
        """Append what happened; of divergences the first thousand. Raises ``ServiceUnreachable``."""
        wanted = [event for event in events if not isinstance(event, DivergenceFound) or self._has_room()]
        if not wanted:
            return
        now = format_time(self.clock.now())
        drafts = [
            Draft(
                id=event_id(f"{self.stream}@{self.actor}", number),
                type=event.TYPE,
                time=now,
                correlation=self.stream.id,
                causation=self._last_id or self.stream.id,
                actor=self.actor,
                data=event.as_json(),
            )
            for number, event in enumerate(wanted, start=self._head.version + 1)
        ]
        stored = await self.store.append(self.stream, drafts, self._head)
        self._head = Head(stored[-1].version, stored[-1].position.sequence)
        self._last_id = stored[-1].id

    def _has_room(self) -> bool:
        self._divergences += 1
        return self._divergences <= MOST_DIVERGENCES


def divergence(run: str, error: ReplayDiverged) -> DivergenceFound:
    """The program asks otherwise."""
    line, column = error.position or (None, None)
    return DivergenceFound(
        run=run,
        effect=error.effect,
        tool=None,
        expected=error.expected[:LONGEST],
        actual=error.actual[:LONGEST],
        line=line,
        column=column,
    )


def other_answers(run: str, done: ReExecution) -> Sequence[DivergenceFound]:
    """Tools that answer otherwise."""
    return [
        DivergenceFound(
            run=run,
            effect=other.effect,
            tool=other.tool,
            expected=other.expected[:LONGEST],
            actual=other.actual[:LONGEST],
            line=None,
            column=None,
        )
        for other in done.others
    ]


@dataclass(slots=True)
class PastReplay:
    """One replay as its stream tells it."""

    id: str
    time: str
    actor: str
    started: ReplayStarted
    divergences: list[DivergenceFound] = field(default_factory=list)
    finished: ReplayFinished | None = None
    """None while it goes on, and where it was ended from outside."""


async def past_replays(store: EventStore, tenant: str, newest: int) -> list[PastReplay]:
    """The newest replays of a tenant, oldest first."""
    found: dict[str, PastReplay] = {}
    async for event in _events(store, tenant):
        decoded = CATALOG.decode(event)
        name = event.stream.id
        if isinstance(decoded, ReplayStarted):
            found[name] = PastReplay(id=name, time=event.time, actor=event.actor, started=decoded)
            if len(found) > newest:
                del found[next(iter(found))]
        elif name in found and isinstance(decoded, DivergenceFound):
            found[name].divergences.append(decoded)
        elif name in found and isinstance(decoded, ReplayFinished):
            found[name].finished = decoded
    return list(found.values())


async def _events(store: EventStore, tenant: str) -> AsyncIterator[Recorded]:
    async for batch in store.read(START, Selection(tenant=tenant, category="replay")):
        for event in batch:
            yield event
