"""Runs a blocking function in a daemon thread of its own, so that one that never ends holds up nothing else."""

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


async def in_daemon_thread(call: Callable[[], Any], name: str) -> Timed:
    """Await a blocking call. When the waiting is cancelled the thread goes on, its result unseen.

    The thread pool of asyncio is not used: a call that never returns would take one of its few threads for ever and
    keep the interpreter from exiting.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Timed] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Timed | None, error: BaseException | None) -> None:
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
        except BaseException as error:  # noqa: BLE001  # SystemExit too: it is the tool's failure, not the worker's end
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
