"""Runs blocking functions in daemon threads, so that one that never ends holds up nothing but its own call."""

import asyncio
import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commands.threads import begun


@dataclass(frozen=True, slots=True)
class Timed:
    """What a function gave, and the processor seconds that its thread used."""

    result: Any
    cpu_seconds: float


class DaemonThreads:
    """A bounded number of threads, one for each call."""

    def __init__(self, most: int) -> None:
        """Run at most so many calls at once; further ones wait, also for those that nobody waits for any more."""
        self._free = asyncio.Semaphore(most)

    async def run(self, call: Callable[[], Any], name: str) -> Timed:
        """Await a blocking call. When the waiting is cancelled the thread goes on, its result unseen."""
        await self._free.acquire()
        context = contextvars.copy_context()
        done, _ = begun(lambda: Timed(context.run(call), time.thread_time()), name, self._free.release)
        return await done
