"""Size and time of inclusion proofs against the size of the tree, and a picture of them.

Called by ``python -m benchmarks.ledger --plot FILE.svg``. Every size is measured on its own tree, whose tiles are held
in memory; time is CPU time of this process: the smallest of several rounds, of a hundred proofs each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import floor, log2, log10
from pathlib import Path

from domain.kernel.merkle import HASH_SIZE, Node, Tree, inclusion_proof, leaf_hash, verifies_inclusion
from domain.ledger.tiles import HEIGHT, WIDTH, Tile, node_of, tile_root

LARGEST = 20
"""Power of two: a million leaves."""

ROUNDS = 5
PROOFS = 100


@dataclass(frozen=True)
class Proof:
    """What proofs in a tree of one size cost."""

    size: int
    hashes: int
    """In the longest of them."""
    made: float
    """Microseconds to make one out of tiles."""
    verified: float
    """Microseconds to verify one."""


class Levels:
    """The tiles of a tree, and of every smaller one that it begins with."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._levels = [leaves]
        while len(self._levels[-1]) >= WIDTH:
            below = self._levels[-1]
            full = len(below) >> HEIGHT
            self._levels.append([tile_root(below[each * WIDTH : (each + 1) * WIDTH]) for each in range(full)])

    def read(self, tile: Tile) -> bytes:
        """A tile's bytes."""
        first = tile.number * WIDTH
        return b"".join(self._levels[tile.level][first : first + tile.width])


def measured(largest: int = LARGEST) -> list[Proof]:
    """Proofs in trees of every power of two up to this one."""
    leaves = [leaf_hash(place.to_bytes(8, "big")) for place in range(1 << largest)]
    levels, draw = Levels(leaves), random.Random(0)  # the same leaves every time
    found = []
    for power in range(4, largest + 1):
        size = 1 << power
        node, root = node_of(levels.read, size), _root(leaves, size)
        places = [draw.randrange(size) for _ in range(PROOFS)]
        proofs = [inclusion_proof(place, size, node) for place in places]
        pairs = list(zip(places, proofs, strict=True))
        assert all(verifies_inclusion(leaves[place], place, size, proof, root) for place, proof in pairs)
        made = _least(partial(_make, places, size, node))
        verified = _least(partial(_verify, leaves, pairs, size, root))
        found.append(Proof(size, max(map(len, proofs)), made, verified))
    return found


def _make(places: list[int], size: int, node: Node) -> None:
    for place in places:
        inclusion_proof(place, size, node)


def _verify(leaves: list[bytes], pairs: list[tuple[int, list[bytes]]], size: int, root: bytes) -> None:
    for place, proof in pairs:
        verifies_inclusion(leaves[place], place, size, proof, root)


def _root(leaves: list[bytes], size: int) -> bytes:
    tree = Tree()
    tree.extend(leaves[:size])
    return tree.root()


def _least(work: Callable[[], object]) -> float:
    """Microseconds of CPU for one of a hundred."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times) / PROOFS * 1e6


WIDE, HIGH, TOP = 210.0, 190.0, 50.0
"""A panel of the picture, in pixels."""


def plot(proofs: list[Proof], file: Path) -> None:
    """Draw them."""
    file.write_text(drawn(proofs), "utf-8")


def drawn(proofs: list[Proof]) -> str:
    """Give the picture as SVG: leaves on a logarithmic axis, so that what grows with the logarithm is a line."""
    sizes = [each.size for each in proofs]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 300" font-family="sans-serif" font-size="12">',
        "<title>Inclusion proofs: size and time against the events in the log</title>",
        '<rect width="840" height="300" fill="#ffffff"/>',
        *_panel(50, f"hashes in a proof ({HASH_SIZE} bytes each)", sizes, [float(each.hashes) for each in proofs]),
        *_panel(330, "microseconds to make one", sizes, [each.made for each in proofs]),
        *_panel(610, "microseconds to verify one", sizes, [each.verified for each in proofs]),
        '<text x="420" y="290" text-anchor="middle" fill="#333333">events in the log (k: 1,024, M: 1,048,576)</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _short(size: int) -> str:
    """A number of events with as many digits as have room below an axis: `16`, `4 k`, `1 M`."""
    for unit, letter in ((1 << 20, " M"), (1 << 10, " k")):
        if size >= unit:
            return f"{size // unit}{letter}"
    return str(size)


def _panel(left: float, title: str, sizes: list[int], values: list[float]) -> list[str]:
    """One quantity against the size of the log."""
    top = _round_above(max(values))
    bottom = TOP + HIGH

    def x(size: int) -> float:
        return left + WIDE * (log2(size) - log2(sizes[0])) / (log2(sizes[-1]) - log2(sizes[0]))

    parts = [f'<text x="{left}" y="30" fill="#111111">{title}</text>']
    for size in sizes[::4]:
        parts.append(f'<line x1="{x(size):.1f}" y1="{TOP}" x2="{x(size):.1f}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(
            f'<text x="{x(size):.1f}" y="{bottom + 18}" text-anchor="middle" fill="#333333">{_short(size)}</text>'
        )
    for step in range(5):
        y = bottom - HIGH * step / 4
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDE}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#333333">{top * step / 4:g}</text>')
    points = [f"{x(size):.1f},{bottom - HIGH * value / top:.1f}" for size, value in zip(sizes, values, strict=True)]
    parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="#1f5fa8" stroke-width="2"/>')
    for point in points:
        across, down = point.split(",")
        parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="#1f5fa8"/>')
    return parts


def _round_above(value: float) -> float:
    """The next number above that four lines divide well."""
    unit = 10.0 ** floor(log10(value))
    return next(unit * step for step in (1, 2, 2.4, 4, 6, 8, 10) if unit * step >= value)
