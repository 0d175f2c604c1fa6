"""Commands that share a stack which one of them started: it is stopped when the last of them has ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = "commands.lock"
"""In the data directory. Locked shared by each command that uses a stack, exclusively by the one that stops it."""

_LOOK_EVERY: Final = 0.1


@contextmanager
def opened(data: Path) -> Iterator[int]:
    """The lock of a data directory, not yet taken; what is taken is let go at the end of the block."""
    lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lock
    finally:
        os.close(lock)


@contextmanager
def using(data: Path) -> Iterator[bool]:
    """Keep a stack from being stopped for the length of the block; False where its stopping has begun."""
    if not data.is_dir():
        yield True  # servers that are configured elsewhere
        return
    with opened(data) as lock:
        yield _taken(lock, fcntl.LOCK_SH)


async def wait_until_unused(lock: int, on_wait: Callable[[], None]) -> None:
    """Return once no other command uses the stack; ``on_wait`` is called if that takes a while.

    From then on no other command begins to use it.
    """
    told = False
    while not _taken(lock, fcntl.LOCK_EX):
        if not told:
            told = True
            on_wait()
        await asyncio.sleep(_LOOK_EVERY)


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
