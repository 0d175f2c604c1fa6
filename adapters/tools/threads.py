"""Runs blocking functions in daemon threads, so that one that never ends holds up nothing but its own call."""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Timed:
    """What a function gave, and the processor seconds that its thread used."""

    result: Any
    cpu_seconds: float


class DaemonThreads:
    """A bounded number of threads, one for each call.

    The thread pool of asyncio is not used: a call that never returns would take one of its few threads for ever and
    keep the interpreter from exiting.
    """

    def __init__(self, most: int) -> None:
        """Run at most so many calls at once; further ones wait, also for those that nobody waits for any more."""
        self._free = asyncio.Semaphore(most)

    async def run(self, call: Callable[[], Any], name: str) -> Timed:
        """Await a blocking call. When the waiting is cancelled the thread goes on, its result unseen."""
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        done: asyncio.Future[Timed] = loop.create_future()
        context = contextvars.copy_context()

        def settle(result: Timed | None, error: BaseException | None) -> None:
            self._free.release()
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            elif result is not None:
                done.set_result(result)

        def work() -> None:
            result, problem = None, None
            try:
                result = Timed(context.run(call), time.thread_time())
            except BaseException as error:  # noqa: BLE001  # SystemExit too is the tool's failure, not our end
                problem = _settable(error)
            # A loop that closed in the meantime waits for nothing.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, problem)

        threading.Thread(target=work, name=name, daemon=True).start()
        return await done


def _settable(error: BaseException) -> BaseException:
    """A future refuses StopIteration, and SystemExit would end whoever awaits it."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
