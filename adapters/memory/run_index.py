"""Runs that nobody drives, found by reading the whole log: for logs that fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from commands.ports import EventStore, Selection
from commands.runs.log import CATALOG
from domain.kernel.ids import START, StreamId
from domain.kernel.values import parse_time
from domain.runs.folding import evolve
from domain.runs.parts import RunEvent
from domain.runs.state import EMPTY, Run, Settlement


class LogRunIndex:
    """The ``RunIndex`` port on the log itself."""

    def __init__(self, store: EventStore) -> None:
        """Read from this log."""
        self._store = store

    async def unfinished(self, claim_ended_before: datetime, limit: int) -> Sequence[StreamId]:
        """As the port says."""
        runs: dict[StreamId, Run] = {}
        async for batch in self._store.read(START, Selection(category="run")):
            for recorded in batch:
                event = CATALOG.decode(recorded)
                if isinstance(event, RunEvent):
                    runs[recorded.stream] = evolve(runs.get(recorded.stream, EMPTY), event)
        return [stream for stream, run in runs.items() if _needs_driver(run, claim_ended_before)][:limit]


def _needs_driver(run: Run, now: datetime) -> bool:
    if run.ended or run.paused or run.waiting:
        return False
    if run.claim is not None and parse_time(run.claim.deadline) >= now:
        return False
    asleep = [parse_time(entry.due) for entry in run.journal.values() if entry.due and _asleep(entry.settlement)]
    if not asleep or any(entry.settlement in _FOR_DRIVER for entry in run.journal.values()):
        return True
    assert run.deadline is not None, "its time runs: it neither is paused nor waits for a person"
    return min(*asleep, parse_time(run.deadline)) <= now


_FOR_DRIVER: Final = frozenset({Settlement.REQUESTED, Settlement.APPROVED})
"""Effects that a driver has to do something about, whatever sleeps beside them."""


def _asleep(settlement: Settlement) -> bool:
    return settlement is Settlement.SLEEPING
