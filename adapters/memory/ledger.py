"""The ledger's stores in memory: tiles and checkpoints, nothing kept after the process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from domain.kernel.errors import NotFound, VersionConflict
from domain.ledger.tiles import Tile


class MemoryTileStore:
    """Tiles in a dict."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, str], bytes] = {}

    async def put_tiles(self, shard: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """As the port says."""
        for tile, data in tiles:
            self._tiles[shard, tile.path] = data

    async def tile(self, shard: int, tile: Tile) -> bytes:
        """As the port says."""
        try:
            return self._tiles[shard, tile.path]
        except KeyError:
            raise NotFound(f"{tile.path} of shard {shard} is not there") from None


class MemoryCheckpointLog:
    """Checkpoints in lists; places count from 1."""

    def __init__(self) -> None:
        self._notes: defaultdict[int, list[str]] = defaultdict(list)

    async def publish(self, shard: int, note: str, after: int) -> int:
        """As the port says."""
        notes = self._notes[shard]
        if len(notes) != after:
            raise VersionConflict(f"the newest checkpoint of shard {shard} is {len(notes)}, not {after}")
        notes.append(note)
        return len(notes)

    async def newest(self, shard: int) -> tuple[int, str] | None:
        """As the port says."""
        notes = self._notes[shard]
        return (len(notes), notes[-1]) if notes else None

    async def all(self, shard: int) -> AsyncIterator[str]:
        """As the port says."""
        for note in tuple(self._notes[shard]):
            yield note
