"""The ledger's tiles in a folder, laid out as C2SP tlog-tiles has them, so that any of its clients can read them.

``<folder>/<shard>/tile/<L>/<N>``, and ``…/checkpoint`` beside them. Tiles can be made again from the log, so they are
renamed into place but not flushed to the disk one by one.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from adapters.system.whole_files import appearing
from domain.kernel.errors import NotFound, ServiceUnreachable
from domain.ledger.tiles import WIDTH, Tile, part_of


class FileTileStore:
    """The ``TileStore`` port in a folder. Any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is made at the first write."""
        self._folder = folder

    async def put_tiles(self, shard: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """As the port says."""
        await asyncio.to_thread(self._put, shard, tiles)

    async def tile(self, shard: int, tile: Tile) -> bytes:
        """As the port says."""
        return await asyncio.to_thread(self.read, shard, tile)

    async def put_checkpoint(self, shard: int, note: str) -> None:
        """As the port says."""
        await asyncio.to_thread(self._put_checkpoint, self._folder / str(shard) / "checkpoint", note)

    async def checkpoint(self, shard: int) -> str | None:
        """As the port says."""
        path = self._folder / str(shard) / "checkpoint"
        try:
            return await asyncio.to_thread(path.read_text, "utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceUnreachable(f"the tile store cannot read {path}: {error}") from error

    def _put_checkpoint(self, path: Path, note: str) -> None:
        try:
            write_file(path, note.encode(), durably=True)
        except OSError as error:
            raise ServiceUnreachable(f"the tile store cannot write {path}: {error.strerror or error}") from error

    def read(self, shard: int, tile: Tile) -> bytes:
        """As the port says."""
        path = self._path(shard, tile)
        try:
            return path.read_bytes() if tile.width == WIDTH else self._part(shard, tile)
        except FileNotFoundError:
            raise NotFound(f"{tile.path} is not in {self._folder / str(shard)}") from None
        except OSError as error:
            raise ServiceUnreachable(f"the tile store cannot read {path}: {error.strerror or error}") from error

    def _part(self, shard: int, tile: Tile) -> bytes:
        try:
            return self._path(shard, tile).read_bytes()
        except FileNotFoundError:  # its tile may be full by now
            return part_of(self._path(shard, tile._replace(width=WIDTH)).read_bytes(), tile)

    def _put(self, shard: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        for tile, data in tiles:
            path = self._path(shard, tile)
            try:
                write_file(path, data)
                if tile.width == WIDTH:
                    shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
            except OSError as error:
                raise ServiceUnreachable(f"the tile store cannot write {path}: {error.strerror or error}") from error

    def _path(self, shard: int, tile: Tile) -> Path:
        return self._folder / str(shard) / tile.path


def write_file(path: Path, data: bytes, *, durably: bool = False) -> None:
    """Make a file appear complete, or not at all, and its folder where there is none. Raises ``OSError``."""
    try:
        _write(path, data, durably)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, data, durably)


def _write(path: Path, data: bytes, durably: bool) -> None:
    with appearing(path, durably=durably) as file:
        file.write(data)
