"""Streams in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence

from commands.heard import contradicts
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId


class MemoryStreams:
    """``commands.heard.KeptStreams`` in a dictionary."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._streams: dict[StreamId, list[Recorded] | None] = {}
        """None: the log must be asked."""

    def add(self, recorded: Recorded) -> None:
        """As the port says."""
        events = self._streams.setdefault(recorded.stream, [])
        if events is None:
            return
        if events and contradicts(recorded, events[-1]):
            self._streams[recorded.stream] = None
            return
        if recorded.version <= len(events):
            return
        if recorded.version == len(events) + 1:
            events.append(recorded)
        else:
            self._streams[recorded.stream] = None

    def events(self, stream: StreamId, after: int = 0) -> Sequence[Recorded] | None:
        """As the port says."""
        events = self._streams.get(stream, [])
        return None if events is None else tuple(events[after:])
