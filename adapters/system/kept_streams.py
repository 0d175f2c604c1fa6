"""Streams in a file without a name, which only this process has and which ends with it.

The system keeps in memory what is read of it, as far as there is room: 100,000 programs are half a gigabyte, and no
process should need that much. What was put out of memory takes one read of the disk. Each event is a record that says
where the one before it in its stream begins.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from commands.heard import contradicts
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId

MOST: Final = 1024 * 1024 * 1024
"""Bytes of the file; of what comes when it is full the log is asked."""

LARGEST: Final = 256 * 1024
"""Bytes of an event that is kept."""

_NONE: Final = -1
"""In place of the record before the first."""
_UNKNOWN: Final = -2
"""In place of the last record: the log must be asked."""

_HEAD: Final = struct.Struct("<qIIIqII")
_AT_ONCE: Final = 8 * 1024
"""Bytes that are read in the hope that they hold a whole record."""


class _Record(NamedTuple):
    before: int
    """Where the record of the version before begins, or ``_NONE``."""
    version: int
    epoch: int
    shard: int
    sequence: int
    address: int
    """Bytes of the address, and of the body behind it."""
    body: int


class FileStreams:
    """``commands.heard.KeptStreams`` in a file of this process. A context manager that gives the file up."""

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        """Have the file in this folder; it is made for the first event."""
        self._folder, self._most = folder, most
        self._file: FileIO | None = None
        self._is_closed = False
        self._size = 0
        self._last: dict[bytes, int] = {}
        """Where the last record of a stream begins: some 200 bytes of memory for each stream."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._is_closed, self._last = None, True, {}

    def add(self, recorded: Recorded) -> None:
        """As the port says; nothing once the file was given up."""
        if self._is_closed:
            return
        name = _name(recorded.stream)
        last = self._last.get(name)
        if last == _UNKNOWN:
            return
        try:
            kept = None if last is None else self._read(last)[1]
            if kept is not None and contradicts(recorded, kept):
                self._last[name] = _UNKNOWN
                return
            known = 0 if kept is None else kept.version
            if recorded.version <= known:
                return
            is_next = recorded.version == known + 1 and recorded.resolved is None and len(recorded.body) <= LARGEST
            self._last[name] = self._written(recorded, _NONE if last is None else last) if is_next else _UNKNOWN
        except (OSError, struct.error, ValueError, IndexError):  # the last two of an address that was spoilt
            self._last[name] = _UNKNOWN

    def events(self, stream: StreamId, after: int = 0) -> Sequence[Recorded] | None:
        """As the port says; nothing is known once the file was given up."""
        if self._is_closed:
            return None
        name = _name(stream)
        at = self._last.get(name)
        if at is None:
            return ()
        if at == _UNKNOWN:
            return None
        found: list[Recorded] = []
        try:
            while at != _NONE:
                head, recorded = self._read(at)
                if head.version > after:
                    found.append(recorded)
                if head.version <= after + 1:
                    break
                at = head.before
        except (OSError, struct.error, UnicodeDecodeError):
            self._last[name] = _UNKNOWN
            return None
        found.reverse()
        return found

    def _written(self, recorded: Recorded, before: int) -> int:
        """Where the record begins that was written; ``_UNKNOWN`` where there is no room."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # as long as we are
        address, position = recorded.address.encode(), recorded.position
        head = _Record(
            before,
            recorded.version,
            position.epoch,
            position.shard,
            position.sequence,
            len(address),
            len(recorded.body),
        )
        data, begin = _HEAD.pack(*head) + address + recorded.body, self._size
        if begin + len(data) > self._most or os.pwrite(self._file.fileno(), data, begin) != len(data):
            return _UNKNOWN
        self._size += len(data)
        return begin

    def _bytes(self, begin: int, size: int) -> bytes:
        assert self._file is not None, "what has a record has a file"
        return os.pread(self._file.fileno(), size, begin)

    def _read(self, begin: int) -> tuple[_Record, Recorded]:
        data = self._bytes(begin, _AT_ONCE)
        head = _Record(*_HEAD.unpack_from(data))
        body, end = _HEAD.size + head.address, _HEAD.size + head.address + head.body
        if end > len(data):
            data = self._bytes(begin, end)
        if end > len(data):
            raise OSError(f"the record at {begin} is cut short")
        address = data[_HEAD.size : body].decode()
        return head, Recorded(Position(head.epoch, head.shard, head.sequence), address, data[body:end])


def _name(stream: StreamId) -> bytes:
    return blake2b(str(stream).encode(), digest_size=16).digest()
