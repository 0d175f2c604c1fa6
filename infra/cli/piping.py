"""Writing to whoever reads stdout, without ever waiting in the kernel for them: who waits there hears no Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import sys
from typing import Final

AT_ONCE: Final = select.PIPE_BUF
"""Bytes that a pipe which can be written to takes without waiting (POSIX, pipe)."""


async def write_out(data: bytes) -> None:
    """Write all of it to stdout. Cancelled while the reader lets it wait, it ends at once, behind a part of the data.

    Raises ``BrokenPipeError``.
    """
    pipe = _pipe()
    if pipe is None:
        sys.stdout.write(data.decode())
        sys.stdout.flush()
        return
    sys.stdout.flush()
    left = memoryview(data)
    while left:
        await _until_writable(pipe)
        left = left[os.write(pipe, left[:AT_ONCE]) :]


def _pipe() -> int | None:
    """The file descriptor of stdout where that is a pipe; files and terminals do not let anybody wait for ever."""
    try:
        number = sys.stdout.fileno()
        kind = os.fstat(number).st_mode
    except (OSError, ValueError, AttributeError):
        return None
    return number if stat.S_ISFIFO(kind) else None


async def _until_writable(pipe: int) -> None:
    waiting = select.poll()
    waiting.register(pipe, select.POLLOUT)
    if waiting.poll(0):
        return
    loop = asyncio.get_running_loop()
    writable = loop.create_future()
    loop.add_writer(pipe, _settle, writable)
    try:
        await writable
    finally:
        loop.remove_writer(pipe)


def _settle(writable: asyncio.Future[None]) -> None:
    if not writable.done():
        writable.set_result(None)
