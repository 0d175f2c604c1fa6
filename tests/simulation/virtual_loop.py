"""An event loop with virtual time: nothing ever waits, and what happens is a function of the seed alone."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SHORTEST = 1e-6
"""Virtual seconds that each turn of the loop takes."""


MOST_TURNS = 500_000
"""Turns of the loop in which every history must have come to its end: a hundred times what the longest one takes.

Counted instead of timed, so that a busy machine fails no history, and one that never ends fails on any.
"""


class Stuck(AssertionError):
    """Every task waits and no timer is set, or the loop turns for ever: the simulated system can never end."""


class _InstantSelector(selectors.DefaultSelector):
    """Instead of waiting, sets the clock forward to the next timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.loop.turns += 1
        if self.loop.turns > MOST_TURNS:
            self.loop.turns = 0  # tasks that are cancelled now need some more
            raise Stuck(f"no end after {MOST_TURNS} turns of the loop, at second {self.loop.virtual_time:g}")
        ready = super().select(0)
        if timeout is None and not ready:
            raise Stuck("every task waits and no timer is set")
        # Work takes time too: without it a timer due a rounding error from now would come round for ever.
        self.loop.virtual_time += max(timeout or 0.0, SHORTEST)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at second 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self.virtual_time = 0.0
        self.turns = 0
        selector = _InstantSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual_time


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
