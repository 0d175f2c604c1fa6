"""What is known of closed epochs in a folder, beside the archive's segments.

``<folder>/<shard>/epochs/<epoch>.json`` says where an epoch begins and ends and whether it has left the broker,
``<epoch>.index`` where its streams' messages lie. Both appear complete or not at all, and are on the disk on return.
"""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path

from adapters.content.tiles import write_file
from adapters.system.folders import flush_folder
from domain.kernel.errors import NotFound, ServiceUnreachable, StoredDataInvalid
from domain.ledger.epochs import Closed, check_index

_NAME = re.compile(r"([0-9]{1,9})\.json\Z")


class FileEpochStore:
    """The ``EpochStore`` port in a folder. Any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is made at the first write."""
        self._folder = folder
        self._indexes: dict[tuple[int, int], tuple[tuple[int, int], memoryview]] = {}
        """By shard and epoch: which file it was, and its bytes."""

    def closed(self, shard: int) -> list[Closed]:
        """As the port says."""
        folder = self._of(shard)
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ServiceUnreachable(f"the archive cannot read {folder}: {error.strerror or error}") from error
        numbers = sorted(int(found[1]) for name in names if (found := _NAME.match(name)))
        return [self._read(shard, number) for number in numbers]

    def keep(self, closed: Closed, index: bytes | None = None) -> None:
        """As the port says."""
        folder = self._of(closed.shard)
        try:
            if index is not None:
                write_file(folder / f"{closed.epoch}.index", index, durably=True)
            write_file(folder / f"{closed.epoch}.json", closed.written(), durably=True)
            flush_folder(folder)
        except OSError as error:
            raise ServiceUnreachable(f"the archive cannot write {folder}: {error.strerror or error}") from error

    def index(self, shard: int, epoch: int) -> memoryview:
        """As the port says."""
        path = self._of(shard) / f"{epoch}.index"
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                kept = self._indexes.get((shard, epoch))
                if kept is not None and kept[0] == (found.st_ino, found.st_mtime_ns):
                    return kept[1]
                # A mapping cannot be empty, and what is empty is refused below.
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if found.st_size else b"")
        except FileNotFoundError:
            raise NotFound(f"{path} is missing: archive the epoch again, or take it from a backup") from None
        except OSError as error:
            raise ServiceUnreachable(f"the archive cannot read {path}: {error.strerror or error}") from error
        check_index(self._read(shard, epoch), data)
        self._indexes[shard, epoch] = (found.st_ino, found.st_mtime_ns), data
        return data

    def _read(self, shard: int, epoch: int) -> Closed:
        path = self._of(shard) / f"{epoch}.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ServiceUnreachable(f"the archive cannot read {path}: {error.strerror or error}") from error
        closed = Closed.read(data, str(path))
        if (closed.shard, closed.epoch) != (shard, epoch):
            raise StoredDataInvalid(f"{path} is of epoch {closed.epoch} of shard {closed.shard}: it was renamed")
        return closed

    def _of(self, shard: int) -> Path:
        return self._folder / str(shard) / "epochs"
