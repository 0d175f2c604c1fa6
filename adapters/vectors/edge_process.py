"""``python -m adapters.vectors.edge_process FOLDER EMBEDDER DIMENSIONS KILOBYTES``: one index, for all who ask.

1. Take the folder's lock: one process has an index open. 2. Go to the background. 3. Open the index. 4. Listen on
``FOLDER/socket``, which only its owner may use. 5. Say ``{}`` on standard output and close it, or what is wrong.
6. Answer until the last client has left, or somebody took the folder away, or SIGTERM came. 7. Close the index, then
the connections: who waits for the end of theirs knows that all is on the disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from adapters.vectors.edge_service import Service
from adapters.vectors.edge_shard import Shard, SpaceDiffers
from adapters.vectors.frames import SOCKET, Frame, FrameInvalid, Kind, read_frame, socket_path

_log = logging.getLogger(__name__)

LOCK: Final = "lock"
ALONE: Final = 15.0
"""Seconds to wait for the first client."""
BROKEN: Final = 70
"""Exit code after a panic in the engine, whose state nobody knows then."""
LOOK: Final = 1.0
"""Seconds between two looks whether the folder is still there."""


class Server:
    """The connections to an open index."""

    def __init__(self, service: Service, folder: Path, lock: int) -> None:
        """Serve while the lock that we hold is the one in the folder."""
        self._service, self._lock_file, self._lock = service, folder / LOCK, lock
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Answer until it is time to end; then the index is closed, and connections end with the process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        loop.call_later(ALONE, self._end_if_alone)
        server = await asyncio.start_unix_server(self._client, sock=listening)
        for work in (self._service.keep_up(), self._watch_folder()):
            self._begin(work)
        await self._ended.wait()
        server.close()
        await self._service.close()
        if self._holds_folder():
            self._lock_file.with_name(SOCKET).unlink(missing_ok=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while (frame := await read_frame(reader)) is not None:
                if not self._holds_folder():
                    self._ended.set()
                if self._ended.is_set():
                    return
                if frame.kind is Kind.SEARCH:
                    await self._answer(frame, writer)  # at once: it waits for nothing
                else:
                    self._begin(self._answer(frame, writer))
        except FrameInvalid as error:
            _log.warning("a client that does not speak like one was sent away: %s", error)
        if len(self._clients) == 1:
            self._ended.set()  # and the connection ends after the index is closed
        else:
            self._clients.remove(writer)
            writer.close()

    async def _answer(self, frame: Frame, writer: asyncio.StreamWriter) -> None:
        answer = await self._service.answer(frame)
        if answer is not None:
            await _send(writer, answer)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.critical("the engine broke down", exc_info=task.exception())
            os._exit(BROKEN)

    def _end_if_alone(self) -> None:
        if not self._clients:
            self._ended.set()

    async def _watch_folder(self) -> None:
        while self._holds_folder():  # noqa: ASYNC110  # nobody tells us when it goes
            await asyncio.sleep(LOOK)
        _log.warning("%s was taken away", self._lock_file.parent)
        self._ended.set()

    def _holds_folder(self) -> bool:
        try:
            return self._lock_file.stat().st_ino == os.fstat(self._lock).st_ino
        except OSError:
            return False


async def _send(writer: asyncio.StreamWriter, frame: Frame) -> None:
    with suppress(ConnectionError):
        writer.write(frame.packed())
        await writer.drain()


def _locked(folder: Path) -> int | None:
    """The descriptor that holds the lock; None where another process does."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _listening(folder: Path) -> socket.socket:
    (folder / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    with socket_path(folder) as path:
        listening.bind(path)
    (folder / SOCKET).chmod(0o600)  # in a folder that only its owner can enter
    return listening


def _say(**what: str) -> None:
    sys.stdout.buffer.write(orjson.dumps(what))
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def main(folder: Path, embedder: str, dimensions: int, kilobytes: int) -> None:
    """Carry out the numbered steps above."""
    os.umask(0o077)
    # 1
    lock = _locked(folder)
    if lock is None:
        _say(held=(folder / LOCK).read_text("utf-8") or "unknown")
        return
    # 2
    if os.fork():
        os._exit(0)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    os.ftruncate(sys.stderr.fileno(), 0)  # the log of the process before this one
    try:
        # 3
        shard = Shard(folder, embedder, dimensions, kilobytes)
        # 4
        listening = _listening(folder)
    except SpaceDiffers as differs:
        _say(differs=str(differs))
        return
    except Exception as error:  # noqa: BLE001
        _log.exception("the index cannot be opened")
        _say(failed=str(error))
        return
    # 5
    _say()
    # 6, 7
    asyncio.run(Server(Service(shard, embedder, dimensions), folder, lock).serve(listening))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
