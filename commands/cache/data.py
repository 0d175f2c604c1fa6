"""Versions of the data that read-only tools read: a write through a tool of the same family moves it.

A version is named after the last write that was recorded as requested. While a write is under way nobody knows what a
read sees: its family is not reused then, neither looked up nor published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from commands.cache.terms import LONGEST_SILENCE
from commands.ports import Clock, EventStore, Selection
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, Positions, StreamId
from domain.kernel.values import parse_time
from domain.tools import ToolDeclaration

REQUESTED: Final = "ToolCallRequested"
SETTLED: Final = frozenset({"ToolCallCompleted", "ToolCallFailed", "ToolCallOutcomeUnknown", "OutcomeResolved"})
ENDED: Final = frozenset({"RunCompleted", "RunFailed", "RunCancelled"})
LONGEST_CALL: Final = timedelta(days=1)
"""Longest timeout that a tool may have."""
SLACK: Final = timedelta(seconds=30)
"""Beyond a tool's timeout, until its worker has recorded the outcome."""


class DataUnknown(Exception):  # never leaves this package
    """The version cannot be told now; the message says why."""


@dataclass(frozen=True, slots=True)
class _Write:
    tool: str
    version: str


@dataclass(slots=True)
class DataVersions:
    """What this process has heard of writes. Feed it category ``run`` (``hear``), from where ``catch_up`` ended."""

    declarations: Callable[[], Mapping[str, ToolDeclaration]]
    clock: Clock
    silent_for: Callable[[str], float]
    _last: dict[tuple[str, _Write], tuple[Position, str]] = field(default_factory=dict)
    """By tenant and tool: the last write, its place and its event's id."""
    _open: dict[StreamId, dict[str, _Write]] = field(default_factory=dict)
    """By run: effects that write, and have no outcome that was heard."""
    _lasting: dict[StreamId, dict[_Write, datetime]] = field(default_factory=dict)
    """By run that ended in the middle of a write: until when its tool may still be at it."""

    def version(self, tenant: str, family: str) -> str:
        """Name of the version of a family's data. Raises ``DataUnknown``."""
        silence = self.silent_for("run")
        if silence > LONGEST_SILENCE:
            raise DataUnknown(f"the log has not been heard for {silence:.1f} s, and {family} may have been written")
        for run, writes in self._open.items():
            if run.tenant == tenant and any(self._concerns(write, family) for write in writes.values()):
                raise DataUnknown(f"run {run.id} is writing {family}")
        for run, lasting in self._lasting.items():
            if run.tenant == tenant and any(self._concerns(write, family) for write in self._still(lasting)):
                raise DataUnknown(f"run {run.id} ended while it wrote {family}")
        writes_of = [
            place for (of, write), place in self._last.items() if of == tenant and self._concerns(write, family)
        ]
        # Shards have no order among each other: every one's last write is in the name.
        newest = {place.shard: (place, id_) for place, id_ in sorted(writes_of)}
        return ",".join(id_ for _, (_, id_) in sorted(newest.items())) or "unwritten"

    def _still(self, lasting: Mapping[_Write, datetime]) -> list[_Write]:
        now = self.clock.now()
        return [write for write, until in lasting.items() if until > now]

    def _concerns(self, write: _Write, family: str) -> bool:
        """Whether a tool writes this data; one that is not here, or at another version, may write anything."""
        declared = self.declarations().get(write.tool)
        return declared is None or declared.capability.version != write.version or declared.data == family

    def begin(self, run: StreamId, effect: str, tool: str, version: str) -> None:
        """A write of this process is about to happen; its end is heard from the log, as everyone's."""
        self._open.setdefault(run, {})[effect] = _Write(tool, version)

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``run``."""
        name = recorded.short_name
        if name == REQUESTED:
            write = self._requested(recorded)
            self._open.setdefault(recorded.stream, {})[str(recorded.data["effect"])] = write
        elif recorded.stream not in self._open:
            return
        elif name in SETTLED:
            self._settled(recorded.stream, str(recorded.data.get("effect")))
        elif name in ENDED:
            self._ended(recorded.stream, recorded.time)

    def _requested(self, recorded: Recorded) -> _Write:
        write = _Write(str(recorded.data["tool"]), str(recorded.data["version"]))
        name = (recorded.stream.tenant, write)
        place = (recorded.position, recorded.id)
        self._last[name] = max(self._last.get(name, place), place)
        return write

    def _settled(self, run: StreamId, effect: str) -> None:
        self._open[run].pop(effect, None)
        if not self._open[run]:
            del self._open[run]

    def _ended(self, run: StreamId, time: str) -> None:
        now = self.clock.now()
        self._lasting = {of: lasting for of, lasting in self._lasting.items() if self._still(lasting)}
        self._lasting[run] = {
            write: max(parse_time(time), now) + self._timeout(write) + SLACK for write in self._open.pop(run).values()
        }

    def _timeout(self, write: _Write) -> timedelta:
        declared = self.declarations().get(write.tool)
        return LONGEST_CALL if declared is None else timedelta(seconds=declared.timeout)

    async def catch_up(self, store: EventStore) -> Positions:
        """Learn what was written before, from the requests alone; give the positions from which to hear on.

        A request that may still be under way is looked up in its run. Raises ``ServiceUnreachable``.
        """
        end = await store.end()
        recent: set[StreamId] = set()
        async for events in store.read(START, Selection(category="run", event=REQUESTED)):
            for recorded in events:
                write = self._requested(recorded)
                if parse_time(recorded.time) + self._timeout(write) + SLACK > self.clock.now():
                    recent.add(recorded.stream)
        for run in sorted(recent, key=str):
            for recorded in (await store.load(run)).events:
                await self.hear(recorded)
        return end
