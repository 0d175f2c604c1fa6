"""A blocking call in a daemon thread of its own, awaited from the event loop.

The thread pool of asyncio is not used: a call that never returns would take one of its few threads for ever and keep
the interpreter from exiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def begun(
    call: Callable[[], T], name: str, ended: Callable[[], None] = lambda: None
) -> tuple[asyncio.Future[T], threading.Thread]:
    """Begin a call; give what will have its result or its error, and the thread.

    ``ended`` is called in the event loop when the thread is done, also where nobody waits for the result any more. What
    would end whoever awaits it (``SystemExit``, ``StopIteration``) comes as the cause of a ``RuntimeError``. Raises
    ``RuntimeError`` where the system has no thread left.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        ended()
        if not done.done():
            settled()

    def work() -> None:
        settled: Callable[[], None] = lambda: None  # noqa: E731
        # A loop that closed in the meantime waits for nothing; nor is what is raised into the thread at its very end
        # anybody's business.
        with contextlib.suppress(BaseException):
            try:
                settled = _outcome(call, done)
            finally:
                loop.call_soon_threadsafe(settle, settled)

    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except BaseException:
        ended()  # there was none, and its place is free
        raise
    return done, thread


def _outcome(call: Callable[[], T], done: asyncio.Future[T]) -> Callable[[], None]:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001  # it is raised where the call is awaited
        problem = _settable(error)
        return lambda: done.set_exception(problem)
    return lambda: done.set_result(result)


def _settable(error: BaseException) -> BaseException:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
