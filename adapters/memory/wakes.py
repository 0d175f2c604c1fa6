"""The work queue of runs in memory, with timers and redelivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.memory.faults import Delivery, Fate, Faults, NoFaults
from commands.ports import Clock, HeldWake, Wake

LOST_AFTER: Final = 5.0
"""Seconds of silence after which a delivered wake is delivered again."""


@dataclass(slots=True, eq=False)
class _Queued:
    wake: Wake
    visible: float
    """Monotonic seconds from which it may be delivered."""


class MemoryWakes:
    """A list of wakes, each with the time from which it may be delivered."""

    def __init__(self, clock: Clock, *, faults: Faults | None = None) -> None:
        self._clock = clock
        self._faults = faults or NoFaults()
        self._queued: list[_Queued] = []
        self._news = asyncio.Event()

    async def send(self, wake: Wake, due: datetime | None = None) -> None:
        """As the port says."""
        delay = 0.0 if due is None else max(0.0, (due - self._clock.now()).total_seconds())
        self._queued.append(_Queued(wake, self._clock.monotonic() + delay))
        self._news.set()

    async def receive(self, limit: int, wait: float) -> Sequence[HeldWake]:
        """As the port says."""
        deadline = self._clock.monotonic() + wait
        while True:
            self._news.clear()
            now = self._clock.monotonic()
            if held := await self._deliver(self._take(now, limit)):
                return held
            if now >= deadline:
                return []
            soonest = min((queued.visible for queued in self._queued), default=deadline)
            await self._sleep(min(soonest, deadline) - now)

    def _take(self, now: float, limit: int) -> list[tuple[_Queued, Delivery]]:
        due = [queued for queued in self._queued if queued.visible <= now]
        due.sort(key=lambda queued: queued.visible)
        taken = [(queued, self._faults.wake(queued.wake)) for queued in due[:limit]]
        for queued, delivery in taken:
            if delivery.fate is not Fate.DOUBLED:
                queued.visible = now + LOST_AFTER
        return taken

    async def _deliver(self, taken: Sequence[tuple[_Queued, Delivery]]) -> list[HeldWake]:
        await asyncio.sleep(max((delivery.there for _, delivery in taken), default=0.0))
        return [_Held(queued, self) for queued, delivery in taken if delivery.fate is not Fate.LOST]

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._news.wait()
        except TimeoutError:
            return

    def settle(self, queued: _Queued) -> None:
        """Forget a wake; one that is settled already stays so."""
        if queued in self._queued:
            self._queued.remove(queued)

    def show_after(self, queued: _Queued, delay: float) -> None:
        """Deliver again after so many seconds."""
        queued.visible = self._clock.monotonic() + delay
        self._news.set()


class _Held:
    __slots__ = ("_queue", "_queued", "wake")

    def __init__(self, queued: _Queued, queue: MemoryWakes) -> None:
        self.wake = queued.wake
        self._queued = queued
        self._queue = queue

    async def settle(self) -> None:
        """As the port says."""
        self._queue.settle(self._queued)

    async def keep(self) -> None:
        """As the port says."""
        self._queue.show_after(self._queued, LOST_AFTER)

    async def put_back(self, delay: float) -> None:
        """As the port says."""
        self._queue.show_after(self._queued, delay)
