"""What every store of tiles and every log of checkpoints does. Subclass and give the fixtures; shards keep tests apart."""

import asyncio
import random

import pytest

from commands.ledger_ports import CheckpointLog, TileStore
from domain.kernel.errors import NotFound, StoredDataInvalid, VersionConflict
from domain.kernel.merkle import leaf_hash
from domain.ledger.tiles import ENTRIES, Tile, bundle


@pytest.fixture
def shard() -> int:
    return random.randrange(10**6, 10**9)


class TileStoreContract:
    async def test_tiles_come_back_byte_for_byte(self, tiles: TileStore, shard: int) -> None:
        written = [
            (Tile(ENTRIES, 0, 7), b"entries"),
            (Tile(0, 0, 7), bytes(range(256))),
            (Tile(0, 1, 256), b"full"),
            (Tile(1, 1_234_067, 256), b""),
        ]
        await tiles.put_tiles(shard, written)
        await tiles.put_tiles(shard, written)
        for tile, data in written:
            assert await tiles.tile(shard, tile) == data

    async def test_a_tile_that_nobody_wrote(self, tiles: TileStore, shard: int) -> None:
        with pytest.raises(NotFound, match=r"tile/0/000\.p/3"):
            await tiles.tile(shard, Tile(0, 0, 3))

    async def test_a_full_tile_takes_the_place_of_the_partial_ones(self, tiles: TileStore, shard: int) -> None:
        leaves = [bytes([number]) * (number + 1) for number in range(256)]
        hashes = [leaf_hash(leaf) for leaf in leaves]
        for width in (1, 7, 255, 256):
            found = [(Tile(ENTRIES, 0, width), bundle(leaves[:width])), (Tile(0, 0, width), b"".join(hashes[:width]))]
            await tiles.put_tiles(shard, found)
        for width in (1, 7, 100, 255, 256):  # as a proof under an earlier checkpoint wants them
            assert await tiles.tile(shard, Tile(0, 0, width)) == b"".join(hashes[:width])
            assert await tiles.tile(shard, Tile(ENTRIES, 0, width)) == bundle(leaves[:width])

    async def test_a_damaged_tile_is_nobodys_part(self, tiles: TileStore, shard: int) -> None:
        await tiles.put_tiles(shard, [(Tile(0, 0, 256), b"x" * 100), (Tile(ENTRIES, 0, 256), b"\0\5abc")])
        for tile in (Tile(0, 0, 2), Tile(ENTRIES, 0, 2)):
            with pytest.raises(StoredDataInvalid, match=r"tile/"):
                await tiles.tile(shard, tile)

    async def test_shards_are_kept_apart(self, tiles: TileStore, shard: int) -> None:
        await tiles.put_tiles(shard, [(Tile(0, 0, 1), b"one")])
        await tiles.put_tiles(shard + 1, [(Tile(0, 0, 1), b"other")])
        assert await tiles.tile(shard, Tile(0, 0, 1)) == b"one"

    async def test_writers_at_the_same_moment(self, tiles: TileStore, shard: int) -> None:
        await asyncio.gather(*(tiles.put_tiles(shard, [(Tile(0, 0, 256), b"x" * 8192)]) for _ in range(20)))
        assert await tiles.tile(shard, Tile(0, 0, 256)) == b"x" * 8192

    async def test_the_newest_checkpoint_lies_beside_them(self, tiles: TileStore, shard: int) -> None:
        assert await tiles.checkpoint(shard) is None
        for note in ("first\n\n\u2014 x AAAA\n", "second\n\n\u2014 x AAAA\n"):
            await tiles.put_checkpoint(shard, note)
            assert await tiles.checkpoint(shard) == note
        assert await tiles.checkpoint(shard + 1) is None


class CheckpointLogContract:
    async def notes(self, checkpoints: CheckpointLog, shard: int) -> list[str]:
        return [note async for note in checkpoints.all(shard)]

    async def test_none_at_first(self, checkpoints: CheckpointLog, shard: int) -> None:
        assert await checkpoints.newest(shard) is None
        assert await self.notes(checkpoints, shard) == []

    async def test_notes_come_back_in_order(self, checkpoints: CheckpointLog, shard: int) -> None:
        place, written = 0, [f"note {number}\n\n\u2014 x AAAA\n" for number in range(7)]
        for note in written:
            place = await checkpoints.publish(shard, note, place)
            assert await checkpoints.newest(shard) == (place, note)
        assert await self.notes(checkpoints, shard) == written

    async def test_one_of_two_at_the_same_place(self, checkpoints: CheckpointLog, shard: int) -> None:
        place = await checkpoints.publish(shard, "first\n", 0)
        outcomes = await asyncio.gather(
            *(checkpoints.publish(shard, f"{number}\n", place) for number in range(10)), return_exceptions=True
        )
        assert sum(isinstance(each, VersionConflict) for each in outcomes) == 9
        with pytest.raises(VersionConflict):
            await checkpoints.publish(shard, "late\n", 0)
        assert len(await self.notes(checkpoints, shard)) == 2

    async def test_shards_are_kept_apart(self, checkpoints: CheckpointLog, shard: int) -> None:
        await checkpoints.publish(shard, "one\n", 0)
        await checkpoints.publish(shard + 1, "other\n", 0)
        assert await self.notes(checkpoints, shard) == ["one\n"]

    async def test_more_than_one_page(self, checkpoints: CheckpointLog, shard: int) -> None:
        place = 0
        for number in range(1203):
            place = await checkpoints.publish(shard, f"{number}\n", place)
        assert await self.notes(checkpoints, shard) == [f"{number}\n" for number in range(1203)]
