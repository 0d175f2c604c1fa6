"""A ledger that grows: leaves in, tiles out. It keeps the last, partial tile of every level and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from domain.kernel.merkle import Tree, leaf_hash
from domain.ledger.tiles import ENTRIES, HEIGHT, WIDTH, Tile, bundle, entries_of, hashes_of, tile_root


class Growth:
    """The tree over a shard, at its right edge."""

    def __init__(self) -> None:
        self._entries: list[bytes] = []
        """Leaf data of the last entry bundle, while it is partial."""
        self._levels: list[list[bytes]] = [[]]
        """Hashes of the last tile of every level, while it is partial."""
        self._full: list[tuple[Tile, bytes]] = []
        self._counts: list[int] = [0]
        """Full tiles of every level."""

    @classmethod
    def at(cls, size: int, read: Callable[[Tile], bytes]) -> Growth:
        """Go on from a tree of this size, out of its tiles. Raises ``StoredDataInvalid``, and what ``read`` raises."""
        growth = cls()
        width = size % WIDTH
        if width:
            tile = Tile(ENTRIES, size // WIDTH, width)
            growth._entries = entries_of(read(tile), tile)
        growth._levels, growth._counts = [], []
        level = 0
        while level == 0 or size >> (HEIGHT * level):
            number, width = divmod(size >> (HEIGHT * level), WIDTH)
            tile = Tile(level, number, width)
            growth._levels.append(hashes_of(read(tile), tile) if width else [])
            growth._counts.append(number)
            level += 1
        return growth

    @property
    def size(self) -> int:
        """Leaves."""
        return self._counts[0] * WIDTH + len(self._levels[0])

    def append(self, leaves: Iterable[bytes]) -> None:
        """Add leaf data."""
        entries = self._entries
        for leaf in leaves:
            entries.append(leaf)
            self._levels[0].append(leaf_hash(leaf))
            if len(entries) == WIDTH:
                self._full.append((Tile(ENTRIES, self._counts[0], WIDTH), bundle(entries)))
                entries.clear()
                self._close(0)

    def _close(self, level: int) -> None:
        """The last tile of a level is full: put its root into the level above."""
        hashes = self._levels[level]
        self._full.append((Tile(level, self._counts[level], WIDTH), b"".join(hashes)))
        if level + 1 == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        self._levels[level + 1].append(tile_root(hashes))
        self._levels[level] = []
        self._counts[level] += 1
        if len(self._levels[level + 1]) == WIDTH:
            self._close(level + 1)

    def tree(self) -> Tree:
        """Give the tree as it stands."""
        edge: list[bytes] = []
        for hashes in reversed(self._levels):
            start = 0
            for bit in reversed(range(HEIGHT)):
                if len(hashes) >> bit & 1:
                    edge.append(tile_root(hashes[start : start + (1 << bit)]))
                    start += 1 << bit
        return Tree(self.size, edge)

    def take(self) -> list[tuple[Tile, bytes]]:
        """Give the tiles that make the tree readable as it stands: full ones once, partial ones as they are."""
        found, self._full = self._full, []
        if self._entries:
            found.append((Tile(ENTRIES, self._counts[0], len(self._entries)), bundle(self._entries)))
        for level, hashes in enumerate(self._levels):
            if hashes:
                found.append((Tile(level, self._counts[level], len(hashes)), b"".join(hashes)))
        return found

    def give_back(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """What was taken and could not be kept: the full ones are given again, the partial ones are made anew."""
        self._full[:0] = [(tile, data) for tile, data in tiles if tile.width == WIDTH]
