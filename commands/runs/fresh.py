"""Runs that this process has just accepted: whoever drives them here need not read back what was written here."""

from __future__ import annotations

from typing import Final

from commands.ports import Head, StreamSlice
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId

MOST: Final = 256
"""Runs that are remembered; the oldest is forgotten."""

LARGEST: Final = 64 * 1024
"""Bytes of a first event that is remembered."""


class FreshRuns:
    """First events by run, each given once.

    A run may have gone on elsewhere meanwhile. Its driver learns that as it always does: its first append, which comes
    before anything that it does to the world, meets a conflict.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._first: dict[StreamId, Recorded] = {}

    def keep(self, event: Recorded) -> None:
        """Remember an event, if it is the first of its run and small."""
        if event.version != 1 or len(event.body) > LARGEST or event.resolved is not None:
            return
        while len(self._first) >= MOST:
            del self._first[next(iter(self._first))]
        self._first[event.stream] = event

    def take(self, run: StreamId) -> StreamSlice | None:
        """The run as it was then, and forget it."""
        event = self._first.pop(run, None)
        return None if event is None else StreamSlice((event,), Head(event.version, event.position.sequence))
