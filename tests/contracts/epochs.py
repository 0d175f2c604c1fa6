"""What every store of closed epochs does. Subclass and give the fixtures; ``again`` is another process's."""

from dataclasses import replace

import pytest

from commands.ledger_ports import EpochStore
from domain.kernel.errors import NotFound
from domain.kernel.values import digest_bytes
from domain.ledger.epochs import Closed, index_of


def made(epoch: int, shard: int = 0) -> tuple[Closed, bytes]:
    index = index_of(bytes([place + epoch]) * 16 for place in range(10))
    first = 1 + 10 * epoch
    return Closed(epoch=epoch, shard=shard, first=first, last=first + 9, index=digest_bytes(index)), index


class EpochStoreContract:
    def test_none_at_first(self, epochs: EpochStore) -> None:
        assert list(epochs.closed(0)) == []
        with pytest.raises(NotFound):
            epochs.index(0, 0)

    def test_they_come_in_order_with_their_indexes(self, epochs: EpochStore, again: EpochStore) -> None:
        wanted = [made(epoch) for epoch in range(12)]
        for closed, index in reversed(wanted):
            epochs.keep(closed, index)
        epochs.keep(*made(0, shard=1))
        for store in (epochs, again):
            assert list(store.closed(0)) == [closed for closed, _ in wanted]
            assert [bytes(store.index(0, closed.epoch)) for closed, _ in wanted] == [index for _, index in wanted]
            assert len(store.closed(1)) == 1
            assert list(store.closed(2)) == []

    def test_what_is_known_may_change_and_the_index_stays(self, epochs: EpochStore, again: EpochStore) -> None:
        closed, index = made(3)
        epochs.keep(closed, index)
        assert bytes(again.index(0, 3)) == index
        epochs.keep(replace(closed, has_left=True))
        assert [each.has_left for each in again.closed(0)] == [True]
        assert bytes(again.index(0, 3)) == index

    def test_an_index_that_is_made_anew_is_seen(self, epochs: EpochStore, again: EpochStore) -> None:
        closed, index = made(3)
        epochs.keep(closed, index)
        assert bytes(again.index(0, 3)) == index
        other = bytes(160)
        epochs.keep(replace(closed, index=digest_bytes(other)), other)
        assert bytes(again.index(0, 3)) == other
