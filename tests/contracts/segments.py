"""What every archive of segments does. Subclass and give the fixtures; ``again`` is the store as another process's."""

from collections.abc import Callable

import pytest

from commands.ledger_ports import SegmentStore
from domain.kernel.errors import NotFound
from domain.kernel.ids import Position
from domain.ledger.segments import Kept, beginning, frame, read, read_open, sealed, written
from domain.ledger.stored import Stored

MESSAGES = [Stored(Position(0, 0, place), f"evt.{place}", b"headers", bytes(place)) for place in range(1, 31)]
OPEN = beginning(Position(0, 0, 1))


class SegmentStoreContract:
    @pytest.fixture
    def shard(self) -> int:
        return 7

    async def test_none_at_first(self, segments: SegmentStore, shard: int) -> None:
        assert list(segments.listed(shard)) == []
        for kept in (Kept(1, None), Kept(1, 9)):
            with pytest.raises(NotFound):
                segments.read(shard, kept)

    async def test_an_open_segment_grows_and_is_sealed(self, segments: SegmentStore, shard: int) -> None:
        data = OPEN
        segments.extend(shard, 1, data)
        for message in MESSAGES:
            segments.extend(shard, 1, frame(message))
            data += frame(message)
            assert segments.read(shard, Kept(1, None)) == data
        segments.flush(shard)
        assert list(segments.listed(shard)) == [Kept(1, None)]
        assert read_open(segments.read(shard, Kept(1, None))).messages == MESSAGES
        segments.seal(shard, Kept(1, 30), sealed(data, 30))
        assert list(segments.listed(shard)) == [Kept(1, 30)]
        assert read(segments.read(shard, Kept(1, 30))).messages == MESSAGES
        with pytest.raises(NotFound):
            segments.read(shard, Kept(1, None))

    async def test_sealing_again_changes_nothing(self, segments: SegmentStore, shard: int) -> None:
        data = written(Position(0, 0, 1), MESSAGES)
        for _ in range(2):
            segments.seal(shard, Kept(1, 30), data)
        assert segments.read(shard, Kept(1, 30)) == data

    async def test_segments_are_listed_in_order_and_shards_kept_apart(self, segments: SegmentStore, shard: int) -> None:
        for first in (100, 9, 21):
            segments.extend(shard, first, b"x")
        segments.seal(shard, Kept(1, 8), b"y")
        segments.seal(shard, Kept(9, 20), b"z")
        segments.extend(shard + 1, 5, b"w")
        assert list(segments.listed(shard)) == [Kept(1, 8), Kept(9, 20), Kept(21, None), Kept(100, None)]
        assert list(segments.listed(shard + 1)) == [Kept(5, None)]

    async def test_of_several_processes_the_longest_counts(
        self, segments: SegmentStore, again: Callable[[], SegmentStore], shard: int
    ) -> None:
        other = again()
        segments.extend(shard, 1, b"ab")
        other.extend(shard, 1, b"abc")
        segments.extend(shard, 1, b"cd")
        assert other.read(shard, Kept(1, None)) == b"abcd"

    async def test_what_an_ended_process_left_open_is_dropped(
        self, segments: SegmentStore, again: Callable[[], SegmentStore], shard: int
    ) -> None:
        segments.extend(shard, 1, b"longer")
        segments.extend(shard, 9, b"alone")
        segments.release(shard)
        other = again()
        other.extend(shard, 1, b"mine")
        other.forsake(shard)
        assert list(other.listed(shard)) == [Kept(1, None)]
        assert other.read(shard, Kept(1, None)) == b"mine"
        segments.extend(shard, 1, b"begun anew")
        assert other.read(shard, Kept(1, None)) == b"begun anew"
