"""How much of a log positions stand for. Sequences of a shard go on from one epoch to the next."""

from __future__ import annotations

from collections.abc import Mapping

from domain.kernel.ids import Positions


def count(positions: Positions) -> int:
    """Events up to these positions."""
    return sum(_furthest(positions).values())


def ends_before(end: Positions, reached: Positions) -> bool:
    """Whether a log that ends here cannot be the one in which ``reached`` was reached."""
    last = _furthest(end)
    return any(last.get(shard, 0) < sequence for shard, sequence in _furthest(reached).items())


def _furthest(positions: Positions) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for (_, shard), sequence in positions.reached.items():
        found[shard] = max(found.get(shard, 0), sequence)
    return found
