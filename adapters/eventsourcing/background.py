"""An event loop in a thread of its own, for a library whose interface is synchronous."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """A running loop; any thread may ``call`` into it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="precedent-eventsourcing", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for its result here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Run it there until it ends or is cancelled."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def offer(self, waiting: queue.Queue[T], item: T) -> None:
        """From within the loop: put an item into a queue that another thread reads, without holding up the loop."""
        while True:
            try:
                waiting.put_nowait(item)
            except queue.Full:
                await asyncio.sleep(0.005)
            else:
                return

    @property
    def is_running(self) -> bool:
        """Whether it has not been closed."""
        return self._loop.is_running()

    def close(self) -> None:
        """End the loop, once what runs there has been cancelled."""
        self.call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
