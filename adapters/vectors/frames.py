"""How the index process is spoken to: frames over a Unix socket.

``length (4 bytes) request (4) kind (1) | head length (4) head | tail``, numbers little-endian, the head JSON, the tail
vectors in binary32. Answers carry the number of their request and may come in any order.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from struct import Struct, error
from typing import Any, Final

import orjson

_HEADER: Final = Struct("<IIB")
_HEAD: Final = Struct("<I")

LONGEST: Final = 256 * 1024 * 1024
"""Bytes in one frame; what says more is no frame of ours."""

SOCKET: Final = "socket"
_LONGEST_PATH: Final = 100
"""Bytes that every system takes as the address of a Unix socket (unix(7): 108 on Linux, 104 elsewhere)."""


class Kind(IntEnum):
    """What a frame asks or answers."""

    HELLO = 1
    PUT = 2
    REMOVE = 3
    SEARCH = 4
    COUNT = 5
    CLEAR = 6
    OPTIMIZE = 7
    DONE = 64
    """An answer."""
    REFUSED = 65
    """Points of another embedder are here; the head says of which."""
    FAILED = 66
    """The engine could not; the head says why."""


class FrameInvalid(Exception):
    """Close the connection: whoever is at the other end does not speak like this."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One request or answer."""

    request: int
    kind: Kind
    head: Mapping[str, Any]
    tail: bytes = b""

    def packed(self) -> bytes:
        """The bytes to send."""
        head = orjson.dumps(self.head)
        length = _HEAD.size + len(head) + len(self.tail)
        return b"".join(
            (_HEADER.pack(length, self.request, self.kind), _HEAD.pack(len(head)), head, self.tail),
        )


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None at the end of the connection, however it came. Raises ``FrameInvalid``."""
    try:
        length, request, kind = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if length > LONGEST:
            raise FrameInvalid(f"a frame of {length:,} bytes")
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        (size,) = _HEAD.unpack_from(body)
        head = orjson.loads(body[_HEAD.size : _HEAD.size + size])
        return Frame(request, Kind(kind), head, body[_HEAD.size + size :])
    except (ValueError, error) as problem:
        raise FrameInvalid(str(problem)) from None


@contextmanager
def socket_path(folder: Path) -> Iterator[str]:
    """The address of the socket in a folder, short enough for the kernel however deep the folder lies.

    Raises ``OSError`` where there is no folder, or its path is too long for this system.
    """
    path = str(folder / SOCKET)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    if sys.platform != "linux":
        raise OSError(f"{path} is too long for the address of a socket: name a data directory with a shorter path")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
