"""The archive's segments in a folder, beside the ledger's tiles.

``<folder>/<shard>/segments/<first>-<last>.segment.gz``, sequences in twenty digits; of a segment that still grows
``<first>.<random>.open``, uncompressed, which the process that writes it keeps locked. A sealed segment appears
complete or not at all, and its bytes are read back from the file before the open one goes.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import re
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.content.tiles import write_file
from adapters.system.folders import flush_folder
from domain.kernel.errors import NotFound, ServiceUnreachable
from domain.ledger.segments import LARGEST, Kept, SegmentInvalid

LEVEL: Final = 1
"""Of compression: the fastest; higher ones save a tenth and take twice as long."""

_CHUNK: Final = 1024 * 1024

_SEALED = re.compile(r"([0-9]{20})-([0-9]{20})\.segment\.gz\Z")
_OPEN = re.compile(r"([0-9]{20})\.[0-9a-f]{8}\.open\Z")


@dataclass(slots=True)
class _Open:
    path: Path
    descriptor: int
    size: int = 0
    is_flushed: bool = True
    is_doubtful: bool = False
    """Whether a flush failed: the system then counts as written what may never get to the disk."""


class FileSegmentStore:
    """The ``SegmentStore`` port in a folder. Any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is made at the first write."""
        self._folder = folder
        self._open: dict[tuple[int, int], _Open] = {}

    def listed(self, shard: int) -> list[Kept]:
        """As the port says."""
        found: dict[int, Kept] = {}
        for name in self._names(shard):
            if (parts := _SEALED.match(name)) is not None:
                found[int(parts[1])] = Kept(int(parts[1]), int(parts[2]))
            elif (parts := _OPEN.match(name)) is not None:
                found.setdefault(int(parts[1]), Kept(int(parts[1]), None))
        return sorted(found.values())

    def read(self, shard: int, kept: Kept) -> bytes:
        """As the port says."""
        if kept.last is None:
            found = [self._read(path) for path in self._opened(shard, kept.first)]
            if not found:
                raise NotFound(f"there is no open segment from {kept.first} on (any more)")
            return max(found, key=len)  # of several processes', which all write the same
        return uncompressed(self._read(self._sealed(shard, kept)), f"the segment from {kept.first} on")

    def extend(self, shard: int, first: int, data: bytes) -> None:
        """As the port says."""
        with self._writing(shard):
            mine = self._open.get((shard, first))
            if mine is None:
                mine = self._open[shard, first] = self._begun(shard, first)
            _add(mine, data)

    def flush(self, shard: int) -> None:
        """As the port says."""
        with self._writing(shard):
            for (of_shard, _), mine in tuple(self._open.items()):
                if of_shard == shard and not mine.is_flushed:
                    mine.is_flushed = True  # before: what is added meanwhile is for the next time
                    try:
                        if mine.is_doubtful:
                            _write_again(mine)
                        os.fsync(mine.descriptor)
                    except OSError:
                        mine.is_flushed, mine.is_doubtful = False, True
                        raise
                    mine.is_doubtful = False

    def seal(self, shard: int, kept: Kept, data: bytes) -> None:
        """As the port says."""
        path = self._sealed(shard, kept)
        with self._writing(shard):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(path, gzip.compress(data, LEVEL, mtime=0), durably=True)
            flush_folder(path.parent)
        if self.read(shard, kept) != data:
            raise ServiceUnreachable(f"the archive did not give back what was written to {path}: look at its disk")
        for each in self._opened(shard, kept.first):
            each.unlink(missing_ok=True)
        mine = self._open.pop((shard, kept.first), None)
        if mine is not None:
            os.close(mine.descriptor)

    def release(self, shard: int) -> None:
        """As the port says."""
        for key in [key for key in self._open if key[0] == shard]:
            os.close(self._open.pop(key).descriptor)

    def forsake(self, shard: int) -> None:
        """As the port says."""
        mine = {each.path for each in self._open.values()}
        for name in self._names(shard):
            path = self._of(shard) / name
            if _OPEN.match(name) and path not in mine:
                with suppress(FileNotFoundError):
                    _remove_unless_locked(path)

    def _begun(self, shard: int, first: int) -> _Open:
        path = self._of(shard) / f"{first:020}.{secrets.token_hex(4)}.open"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        flush_folder(path.parent)
        return _Open(path, descriptor)

    def _of(self, shard: int) -> Path:
        return self._folder / str(shard) / "segments"

    def _sealed(self, shard: int, kept: Kept) -> Path:
        return self._of(shard) / f"{kept.first:020}-{kept.last:020}.segment.gz"

    def _names(self, shard: int) -> list[str]:
        try:
            return [path.name for path in self._of(shard).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ServiceUnreachable(f"the archive cannot read {self._of(shard)}: {error.strerror or error}") from error

    def _opened(self, shard: int, first: int) -> list[Path]:
        names = (name for name in self._names(shard) if (parts := _OPEN.match(name)) and int(parts[1]) == first)
        return [self._of(shard) / name for name in names]

    def _read(self, path: Path) -> bytes:
        try:
            with open(path, "rb", opener=_file_only) as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read(min(size, LARGEST + 1))
        except FileNotFoundError:
            raise NotFound(f"{path} is not there (any more)") from None
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise SegmentInvalid(f"{path} is a socket or a device and no file, as segments are") from None
            raise ServiceUnreachable(f"the archive cannot read {path}: {error.strerror or error}") from error
        if len(data) > LARGEST:
            raise SegmentInvalid(f"{path} has more than {LARGEST} bytes; no segment has")
        return data

    @contextmanager
    def _writing(self, shard: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self._of(shard)
            raise ServiceUnreachable(f"the archive cannot write {where}: {error.strerror or error}") from error


def _file_only(path: str, flags: int) -> int:
    """Open a file, and wait for nobody who would write to a pipe of its name. Raises ``SegmentInvalid``."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SegmentInvalid(f"{path} is a folder, a pipe or a device and no file, as segments are")
    return descriptor


def _add(mine: _Open, data: bytes) -> None:
    """Add all of it or, where the disk is full, nothing."""
    view, written = memoryview(data), 0
    try:
        while written < len(data):
            written += os.pwrite(mine.descriptor, view[written:], mine.size + written)
    except OSError:
        os.ftruncate(mine.descriptor, mine.size)
        raise
    mine.size += len(data)
    mine.is_flushed = False


def _write_again(mine: _Open) -> None:
    place, end = 0, mine.size
    while place < end:
        data = os.pread(mine.descriptor, min(end - place, _CHUNK), place)
        if not data:
            raise OSError(errno.EIO, f"{mine.path} was cut at {place} bytes by someone else")
        place += os.pwrite(mine.descriptor, data, place)


def uncompressed(data: bytes, name: str) -> bytes:
    """Give a segment's bytes out of a file's, never more than a segment may have. Raises ``SegmentInvalid``."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        found = inflate.decompress(data, LARGEST + 1)
    except zlib.error as error:
        raise SegmentInvalid(f"{name} cannot be uncompressed ({error}): it was damaged") from None
    if not inflate.eof or inflate.unused_data or len(found) > LARGEST:
        raise SegmentInvalid(f"{name} was cut, is followed by something else, or is larger than any segment")
    return found


def _remove_unless_locked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    finally:
        os.close(descriptor)
