"""Leaves as the ledger's tiles have them, for who compares a log with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.kernel.merkle import HASH_SIZE, leaf_hash
from domain.ledger.leaf import parts_of

Tiles = Callable[[int], Sequence[bytes] | None]
"""Number of a tile or entry bundle to its hashes or leaf data; ``None`` where there is none."""


class RecordedLeaves:
    """Leaves as the tiles have them, a tile at a time."""

    def __init__(self, hashes: Tiles, entries: Tiles) -> None:
        self._hashes = hashes
        self._entries = entries
        self._kept: dict[int, Sequence[bytes]] = {}
        self._number = -1
        self._tile: Sequence[bytes] = ()

    def agrees(self, index: int, leaf: bytes) -> bool:
        """Tell whether there is this leaf, or nothing to compare with."""
        if index >> 8 != self._number:
            self.leaf(index)
            self._number, self._tile = index >> 8, self._kept.get(index >> 8, ())
        place = index & 255
        return place >= len(self._tile) or self._tile[place] == leaf

    def agree(self, index: int, leaves: bytes) -> bool:
        """As ``agrees``, of leaves that follow one another, joined."""
        taken, whole = 0, len(leaves) // HASH_SIZE
        while taken < whole:
            place = index + taken & 255
            self.leaf(index + taken)
            held = b"".join(self._kept.get(index + taken >> 8, ())[place : place + whole - taken])
            at = taken * HASH_SIZE
            if held != leaves[at : at + len(held)]:
                return False
            taken += 256 - place
        return True

    def leaf(self, index: int) -> bytes | None:
        """Give the leaf hash that the tiles have at this index."""
        number, place = index >> 8, index & 255
        tile = self._kept.get(number)
        if tile is None:
            tile = self._hashes(number) or ()
            if len(self._kept) > 4:
                self._kept.pop(min(self._kept))
            self._kept[number] = tile
        return tile[place] if place < len(tile) else None

    def entry(self, index: int) -> tuple[str, str, bytes] | None:
        """What the leaf says, where an entry bundle holds it and its hash is the tile's."""
        bundle = self._entries(index >> 8) or ()
        place = index & 255
        if place >= len(bundle) or leaf_hash(bundle[place]) != self.leaf(index):
            return None
        return parts_of(bundle[place])
