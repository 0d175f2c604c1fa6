"""What every process that reuses must hear, as it happens: what was published, withdrawn, invalidated and judged.

Indexes and tiers are filled from here. They may lag or be lost: what may run or be given again is decided by the log
itself, or by having heard the log within the last second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from commands.ports import Clock, EventStore, Selection
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Positions
from domain.kernel.values import parse_time

logger = logging.getLogger(__name__)

PAUSE: Final = 0.5
"""Seconds before the next attempt while the log, or what is filled from it, is unreachable."""

Hear: TypeAlias = Callable[[Recorded], Awaitable[None]]
"""Raises ``ServiceUnreachable`` to be told the same again; any other error leaves the event out."""


@dataclass(slots=True)
class Feed:
    """Follows whole categories of events, from the first one on."""

    store: EventStore
    clock: Clock
    listeners: Mapping[str, Sequence[Hear]]
    """By category."""
    flushes: Sequence[Callable[[], Awaitable[None]]] = ()
    """What listeners have gathered goes where it belongs, beside the hearing: an index that is slow to start must not
    keep a revocation from being heard. What fails is tried again."""
    heard: dict[str, Positions] = field(default_factory=dict)
    """By category: up to where everything was told."""
    _word: dict[str, float] = field(default_factory=dict)
    _gathered: asyncio.Event = field(default_factory=asyncio.Event)

    def silent_for(self, category: str) -> float:
        """Seconds since the log last said anything of a category, be it that there is no news; infinite before."""
        last = self._word.get(category)
        return float("inf") if last is None else self.clock.monotonic() - last

    async def catch_up(self) -> None:
        """Tell what the log holds now. Raises ``ServiceUnreachable``."""
        for category in self.listeners:
            async for events in self.store.read(self.heard.get(category, START), Selection(category=category)):
                await self._tell(category, events)
            self._word[category] = self.clock.monotonic()
        await self._flush()

    async def follow(self) -> None:
        """Tell what arrives, for ever; wait while the log, or a listener, cannot be reached."""
        await asyncio.gather(self._flush_for_ever(), *(self._follow(category) for category in self.listeners))

    async def _flush(self) -> None:
        self._gathered.clear()
        for flush in self.flushes:
            await flush()

    async def _flush_for_ever(self) -> None:
        while True:
            await self._gathered.wait()
            try:
                await self._flush()
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the index for good
                logger.warning("what was heard is not in the index yet: %s: %s", type(error).__name__, error)
                await asyncio.sleep(PAUSE)
                self._gathered.set()

    async def _follow(self, category: str) -> None:
        while True:
            try:
                asked = self.clock.monotonic()
                async for events in self.store.follow(self.heard.get(category, START), Selection(category=category)):
                    await self._tell(category, events)
                    self._word[category] = max(self._word.get(category, float("-inf")), self._as_of(events, asked))
                    asked = self.clock.monotonic()
            except ServiceUnreachable as error:
                logger.warning("the feed of category %s waits: %s", category, error)
            except Exception:  # a fault on one event must not end what revocations travel by
                logger.exception("the feed of category %s stumbled", category)
            await asyncio.sleep(PAUSE)

    def _as_of(self, events: Sequence[Recorded], asked: float) -> float:
        """Up to which moment everything is told: after old events there may be more, after none there was nothing.

        That there was nothing may have been said long ago, where this process stood still: it holds for ``asked``.
        """
        if not events:
            return asked
        now = self.clock.monotonic()
        try:
            told = parse_time(events[-1].time)
        except (PrecedentError, KeyError, ValueError):
            return float("-inf")  # nobody knows how old it is
        return now - max(0.0, (self.clock.now() - told).total_seconds())

    async def _tell(self, category: str, events: Sequence[Recorded]) -> None:
        for recorded in events:
            for hear in self.listeners[category]:
                try:
                    await hear(recorded)
                except ServiceUnreachable:
                    raise
                except Exception as error:  # noqa: BLE001  # one event must not end what revocations travel by
                    # Nothing is used by what an index says: what cannot be read is what is not found.
                    logger.warning("event %s is left out: %s: %s", recorded.position, type(error).__name__, error)
            self.heard[category] = self.heard.get(category, START).advanced(recorded.position)
        self._gathered.set()
