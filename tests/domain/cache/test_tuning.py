"""How long answers last, and how many are kept near, follows from what was measured."""

from __future__ import annotations

import pytest

from domain.cache.tuning import ENOUGH, LONGEST, SHORTEST, Renewals, Scope, lasting, room

SCOPE: Scope = ("acme", "default", "tool", "slow")


@pytest.mark.parametrize(
    ("same", "changed", "factor", "after"),
    [
        (ENOUGH, 0, 1.0, 200.0),
        (ENOUGH - 1, 0, 1.0, None),  # too few to tell
        (19, 1, 1.0, None),  # 5 %: neither few nor many
        (18, 2, 1.0, None),  # just 10 %
        (17, 3, 1.0, 50.0),
        (0, ENOUGH, 1.0, 50.0),
        (ENOUGH, 0, LONGEST, None),
        (ENOUGH, 0, LONGEST * 0.75, 100.0 * LONGEST),
        (0, ENOUGH, SHORTEST, None),
        (0, 0, 1.0, None),
    ],
)
def test_answers_that_stay_the_same_last_longer(same: int, changed: int, factor: float, after: float | None) -> None:
    tuned = lasting(SCOPE, Renewals(same, changed), 100.0, factor)
    assert (None if tuned is None else tuned.after) == after
    if tuned is not None:
        assert (tuned.namespace, tuned.kind, tuned.volatility, tuned.setting) == ("default", "tool", "slow", "ttl")
        assert tuned.before == 100.0 * factor


@pytest.mark.parametrize(
    ("entries", "most", "came", "given_up", "after"),
    [
        (1_000, 1_000, 500, 400, 2_000),
        (1_000, 1_000, 500, 40, None),  # 8 %
        (8_000, 8_000, 500, 400, None),  # at the ceiling
        (6_000, 6_000, 500, 400, 8_000),
        (500, 4_000, 10, 0, 2_000),
        (200, 4_000, 10, 0, 1_000),
        (200, 1_000, 10, 0, None),  # at the floor
        (200, 1_500, 10, 0, 1_000),
        (1, 4_000, 1, 0, 1_000),  # at once
        (0, 4_000, 0, 0, None),  # nothing came
    ],
)
def test_the_near_tier_has_the_room_that_it_needs(
    entries: int, most: int, came: int, given_up: int, after: int | None
) -> None:
    found = room(entries, most, came, given_up, floor=1_000, ceiling=8_000)
    assert (None if found is None else found[0]) == after
