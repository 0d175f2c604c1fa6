"""Tiles (C2SP tlog-tiles): how the tree lies in files, so that any proof is made from few of them.

A tile of level ``L`` holds up to 256 hashes of the tree's level ``8 * L``; an entry bundle holds the leaf data of up to
256 leaves. Full tiles never change; the last one of a level is partial and named by its width. Once a tile is full, its
partial ones go: whoever wants one takes the beginning of the full one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.merkle import HASH_SIZE, Node, node_hash

HEIGHT: Final = 8
"""Levels of the tree that a tile spans."""

WIDTH: Final = 1 << HEIGHT
"""Hashes of a full tile."""


class Tile(NamedTuple):
    """One tile: level ``-1`` is an entry bundle."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """Where it lies: ``tile/<L>/<N>``, with ``.p/<W>`` while it is partial."""
        level = "entries" if self.level < 0 else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_number(self.number)}{partial}"


ENTRIES: Final = -1


def tiles_of(size: int, before: int = 0) -> Iterator[Tile]:
    """Give the tiles that a tree of this size has and one of ``before`` leaves had not, entry bundles too."""
    yield from _level(ENTRIES, before, size)
    level = 0
    while size >> (HEIGHT * level):
        yield from _level(level, before >> (HEIGHT * level), size >> (HEIGHT * level))
        level += 1


def _level(level: int, before: int, count: int) -> Iterator[Tile]:
    if before == count:
        return
    for number in range(before >> HEIGHT, (count + WIDTH - 1) >> HEIGHT):
        yield Tile(level, number, min(WIDTH, count - (number << HEIGHT)))


def node_of(read: Callable[[Tile], bytes], size: int) -> Node:
    """Give the hashes of a tree's full nodes out of its tiles: what proofs are made from.

    ``read`` gives a tile's bytes. Raises ``StoredDataInvalid`` for a tile of another length than its width says.
    """

    def node(level: int, index: int) -> bytes:
        tile = _tile_of(level, index, size)
        above = level % HEIGHT
        first = (index << above) - (tile.number << HEIGHT)
        return _over(hashes_of(read(tile), tile)[first : first + (1 << above)])

    return node


def tiles_for(make: Callable[[Node], object], size: int) -> list[Tile]:
    """Give the tiles of a tree that a proof is made from; ``make`` makes it, given the tree's nodes."""
    needed: dict[Tile, None] = {}

    def node(level: int, index: int) -> bytes:
        needed[_tile_of(level, index, size)] = None
        return b""

    make(node)
    return list(needed)


def edge_tiles(size: int) -> list[Tile]:
    """Give the partial tiles of a tree of this size, which a growing tree goes on from."""
    found = [Tile(ENTRIES, size >> HEIGHT, size % WIDTH)] if size % WIDTH else []
    level = 0
    while size >> (HEIGHT * level):
        number, width = divmod(size >> (HEIGHT * level), WIDTH)
        if width:
            found.append(Tile(level, number, width))
        level += 1
    return found


def _tile_of(level: int, index: int, size: int) -> Tile:
    tile_level, above = divmod(level, HEIGHT)
    number = (index << above) >> HEIGHT
    return Tile(tile_level, number, min(WIDTH, (size >> (HEIGHT * tile_level)) - (number << HEIGHT)))


def hashes_of(data: bytes, tile: Tile) -> list[bytes]:
    """Cut a tile into its hashes. Raises ``StoredDataInvalid``."""
    if len(data) != tile.width * HASH_SIZE:
        raise StoredDataInvalid(f"{tile.path} has {len(data)} bytes, not {tile.width * HASH_SIZE}")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def part_of(full: bytes, tile: Tile) -> bytes:
    """A partial tile out of the full one that took its place. Raises ``StoredDataInvalid``."""
    whole = tile._replace(width=WIDTH)
    if tile.level == ENTRIES:
        return bundle(entries_of(full, whole)[: tile.width])
    return b"".join(hashes_of(full, whole)[: tile.width])


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """Give the hash over a full tile, which stands in the tile above."""
    return _over(hashes)


def bundle(entries: Sequence[bytes]) -> bytes:
    """Join leaf data to an entry bundle: each preceded by its length in two bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def entries_of(data: bytes, tile: Tile) -> list[bytes]:
    """Cut an entry bundle. Raises ``StoredDataInvalid``."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(found) != tile.width:
        raise StoredDataInvalid(f"{tile.path} does not hold {tile.width} entries")
    return found


def _over(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _number(number: int) -> str:
    text = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        text = f"x{number % 1000:03d}/{text}"
    return text
