"""The ledger's stores in memory: messages, tiles and checkpoints, nothing kept after the process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from domain.kernel.errors import NotFound, VersionConflict
from domain.kernel.ids import Position
from domain.ledger.stored import Stored
from domain.ledger.tiles import WIDTH, Tile, part_of


class MemoryStoredLog:
    """Messages in a list for every shard: whoever made it may append, change and remove them."""

    def __init__(self, shards: int = 1) -> None:
        self.messages: list[list[Stored]] = [[] for _ in range(shards)]

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """As the port says."""
        messages = self.messages[shard]
        if not messages:
            return Position(0, shard, 1), Position(0, shard, 0)
        return messages[0].position, messages[-1].position

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        found = [each for each in self.messages[shard] if each.position.sequence > after]
        for start in range(0, len(found), batch):
            yield found[start : start + batch]

    async def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As the port says."""
        while True:
            async for events in self.read_stored(shard, after, batch):
                yield events
                after = events[-1].position.sequence
            await asyncio.sleep(0.02)
            yield ()


class MemoryTileStore:
    """Tiles in a dict."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, str], bytes] = {}
        self._checkpoints: dict[int, str] = {}

    async def put_tiles(self, shard: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """As the port says."""
        for tile, data in tiles:
            self._tiles[shard, tile.path] = data
            if tile.width == WIDTH:
                for width in range(1, WIDTH):
                    self._tiles.pop((shard, tile._replace(width=width).path), None)

    async def tile(self, shard: int, tile: Tile) -> bytes:
        """As the port says."""
        return self.read(shard, tile)

    def read(self, shard: int, tile: Tile) -> bytes:
        """As the port says."""
        if (found := self._tiles.get((shard, tile.path))) is not None:
            return found
        try:
            return part_of(self._tiles[shard, tile._replace(width=WIDTH).path], tile)
        except KeyError:
            raise NotFound(f"{tile.path} of shard {shard} is not there") from None

    async def put_checkpoint(self, shard: int, note: str) -> None:
        """As the port says."""
        self._checkpoints[shard] = note

    async def checkpoint(self, shard: int) -> str | None:
        """As the port says."""
        return self._checkpoints.get(shard)


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
