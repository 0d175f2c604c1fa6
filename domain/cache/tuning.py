"""How the cache sets itself: one rule for how long answers last, one for how many are kept near.

How long: an answer that expired and was asked for anew was the same, or had changed. After ``ENOUGH`` of these in a
namespace, of one kind and volatility: where at most ``FEW`` had changed, answers last twice as long from then on, up to
``LONGEST`` times what the volatility says; where more than ``MANY`` had, half as long, down to ``SHORTEST`` of it.

How many: where more than ``MANY`` of the entries that came had to go for others, twice as many are kept, up to a
ceiling; where less than a quarter of the room was used, half as many, down to a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from domain.cache.events import CacheTuned, Volatility
from domain.cache.keys import Kind

ENOUGH: Final = 20
FEW: Final = 0.01
MANY: Final = 0.10
LONGEST: Final = 8.0
SHORTEST: Final = 1 / 8

Scope: TypeAlias = tuple[str, str, Kind, Volatility]
"""Tenant, namespace, what answers, and how soon it may change."""


@dataclass(frozen=True, slots=True)
class Renewals:
    """Answers that had expired and were asked for anew, since the last decision."""

    same: int = 0
    changed: int = 0

    def counted(self, *, same: bool) -> Renewals:
        """One more."""
        return Renewals(self.same + same, self.changed + (not same))


def lasting(scope: Scope, seen: Renewals, seconds: float, factor: float) -> CacheTuned | None:
    """What follows for how long answers last; None where there is nothing to do.

    ``seconds``: what the volatility says; ``factor``: by how much that is changed already.
    """
    total = seen.same + seen.changed
    share = seen.changed / total if total else 0.0
    if total < ENOUGH or FEW < share <= MANY:
        return None
    changed = min(LONGEST, factor * 2) if share <= FEW else max(SHORTEST, factor / 2)
    if changed == factor:
        return None
    reason = f"of {total} answers that were asked for anew after they had expired, {seen.changed} had changed"
    _, namespace, kind, volatility = scope
    return CacheTuned(
        namespace=namespace,
        setting="ttl",
        kind=kind,
        volatility=volatility,
        before=seconds * factor,
        after=seconds * changed,
        reason=reason,
    )


def room(entries: int, most: int, came: int, given_up: int, *, floor: int, ceiling: int) -> tuple[int, str] | None:
    """How many entries to keep near from now on, and why; None where that does not change."""
    if came and given_up / came > MANY and most < ceiling:
        return min(ceiling, most * 2), f"of {came} entries that came, {given_up} others had to go for them"
    after = most
    while came and not given_up and entries < after / 4 and after > floor:  # where nothing comes, nothing is learned
        after = max(floor, after // 2)
    return (after, f"{entries} of {most} places are used") if after < most else None
