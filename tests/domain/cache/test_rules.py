"""When an entry may be given: it is the right one, it lasts, and nothing withdrew it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.cache.events import CacheInvalidated
from domain.cache.rules import Withdrawal, Withdrawals, expiry, refusal
from domain.kernel.ids import Position
from tests.domain.cache.entries import KEY, NOW, at, entry, held


def withdrawal(sequence: int, seconds: float, *, shard: int = 0) -> Withdrawal:
    return Withdrawal(Position(0, shard, sequence), at(seconds), "wrong")


def refused(found, withdrawals: Withdrawals | None = None, *, seconds: float = 100.0, **asked) -> str | None:  # type: ignore[no-untyped-def]
    wanted = {"tenant": "acme", "key": KEY} | asked
    return refusal(found, **wanted, now=at(seconds), withdrawals=withdrawals or Withdrawals())


def test_a_whole_entry_that_lasts_is_given() -> None:
    assert refused(held()) is None


def test_what_is_another_tenants_or_another_keys_is_not() -> None:
    assert refused(held(), tenant="other") == "the entry is another tenant's"
    assert refused(held(entry(key=replace(KEY, version="m.double@2")))) == "the entry answers another key"


def test_what_has_expired_or_may_never_be_kept_is_not() -> None:
    lasting = held(entry(lasts=60, volatility="fast"))
    assert refused(lasting, seconds=59.9) is None
    assert refused(lasting, seconds=60.0) == "it expired at 2026-01-01T00:01:00.000000Z"
    assert refused(held(entry(volatility="never"))) == "the entry says that it must never be kept"


@pytest.mark.parametrize("more", [{"expires": "soon"}, {"asked": "then"}, {"digest": "x"}, {"namespace": "a/b"}])
def test_what_cannot_be_read_is_not(more: dict[str, str]) -> None:
    withdrawals = Withdrawals()
    withdrawals.add("acme", CacheInvalidated(namespace="default", reason=""), withdrawal(1, -5))
    assert "cannot be read" in (refused(held(entry().model_copy(update=more)), withdrawals) or "")


@pytest.mark.parametrize(
    ("sequence", "seconds", "shard", "covered"),
    [
        (11, -50, 0, True),  # after it in the log, whatever the clocks say
        (9, -1, 0, False),  # before it in both
        (9, 0.5, 0, True),  # before it in the log, but the answer was asked for earlier still
        (99, -1, 1, False),  # another shard: its numbers mean nothing here
        (1, 0.5, 1, True),
    ],
)
def test_an_invalidation_covers_what_knows_nothing_of_it(
    sequence: int, seconds: float, shard: int, covered: bool
) -> None:
    assert withdrawal(sequence, seconds, shard=shard).covers(held(sequence=10)) is covered


@pytest.mark.parametrize(
    ("named", "covered"),
    [
        ({}, True),
        ({"level": "L2"}, True),
        ({"level": "L3"}, False),
        ({"tag": "m"}, True),
        ({"tag": "fs"}, False),
        ({"depends": "tool:m.double@1"}, True),
        ({"depends": "tool:m.double@2"}, False),
        ({"level": "L2", "tag": "m", "depends": "data:crm"}, False),
        ({"namespace": "other"}, False),
    ],
    ids=repr,
)
def test_an_invalidation_is_of_what_all_that_it_names_applies_to(named: dict[str, str], covered: bool) -> None:
    withdrawals = Withdrawals()
    event = CacheInvalidated.model_validate({"namespace": "default", "reason": "wrong"} | named)
    withdrawals.add("acme", event, withdrawal(11, 2))
    found = held(entry(tags=("m",), depends=("tool:m.double@1",)))
    assert refused(found, withdrawals) == ("it was invalidated: wrong" if covered else None)
    assert refused(replace(found, tenant="other"), withdrawals, tenant="other") is None


def test_one_entry_is_withdrawn_alone_and_may_come_again() -> None:
    withdrawals = Withdrawals()
    withdrawals.add_entry("acme", KEY.id, withdrawal(11, 2))
    assert refused(held(), withdrawals) == "it was invalidated: wrong"
    assert refused(held(entry(asked=3), sequence=12), withdrawals) is None
    other = replace(KEY, version="m.double@2")
    assert refused(held(entry(key=other)), withdrawals, key=other) is None


def test_of_several_invalidations_the_newest_counts_in_whatever_order_they_come() -> None:
    event = CacheInvalidated(namespace="default", reason="")
    for order in ([(11, 2.0), (21, 9.0)], [(21, 9.0), (11, 2.0)]):
        withdrawals = Withdrawals()
        for sequence, seconds in order:
            withdrawals.add("acme", event, withdrawal(sequence, seconds))
        assert refused(held(entry(asked=8), sequence=20), withdrawals) is not None
        assert refused(held(entry(asked=10), sequence=22), withdrawals) is None


def test_an_answer_may_last_for_ever() -> None:
    assert expiry(NOW, None) is None
    assert expiry(NOW, 1e300) is None
    assert expiry(NOW, 60) == "2026-01-01T00:01:00.000000Z"
