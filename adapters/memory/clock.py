"""Clocks that a test or a simulation moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

BIRTH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where in-memory clocks start, unless told otherwise."""


class ManualClock:
    """Stands still until ``advance`` is called."""

    def __init__(self, start: datetime = BIRTH) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Wall clock, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class LoopClock:
    """Time of the running event loop: virtual where the loop's is. ``jump`` moves the wall clock alone."""

    def __init__(self, start: datetime = BIRTH) -> None:
        self._start = start

    def now(self) -> datetime:
        """Wall clock, UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """The loop's own time in seconds."""
        return asyncio.get_running_loop().time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back when negative."""
        self._start += timedelta(seconds=seconds)
