"""The ledger's copy of the log: never behind a checkpoint, whatever ends when; read as a log, with damage in its place."""

import asyncio
from contextlib import suppress

import pytest

from adapters.content.segments import FileSegmentStore
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog
from adapters.memory.segments import MemorySegmentStore
from commands.archive import ArchivedLog, Copy, JoinedLog
from commands.ledger import LedgerBroken
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import Position
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from domain.ledger.segments import FULL_COUNT, Kept, SegmentInvalid, written
from tests.commands.test_ledger import World
from tests.domain.ledger.logs import log

FIRST = Position(0, 0, 1)
MANY = log(2 * FULL_COUNT + 777)


class Watched(MemoryCheckpointLog):
    """Looks, at each checkpoint, whether the archive has what it stands over."""

    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    async def publish(self, shard, note, after):
        size = Checkpoint.parse(Note.parse(note).text).size
        _, last = await ArchivedLog(self.segments).extent(shard)
        assert last.sequence >= size
        return await super().publish(shard, note, after)


class Archiving(World):
    def __init__(self, segments=None):
        super().__init__()
        self.segments = segments or MemorySegmentStore()
        self.checkpoints = Watched(self.segments)

    def ledger(self, **changes):
        self.segments = MemorySegmentStore(self.segments)  # another process
        self.checkpoints.segments = self.segments
        return super().ledger(copy=Copy(self.segments, FIRST), **changes)

    def write(self, count, streams=7):
        have = len(self.log.messages[0])
        self.log.messages[0].extend(MANY[have : have + count] if streams == 7 else log(have + count, streams)[have:])

    async def copied(self):
        return await read(ArchivedLog(self.segments))


async def read(stored, after=0, batch=1000):
    return [each async for messages in stored.read_stored(0, after, batch) for each in messages]


async def test_the_copy_is_the_log_and_full_segments_are_sealed():
    world = Archiving()
    world.write(len(MANY))
    await world.ledger().catch_up()
    assert await world.copied() == MANY
    assert world.segments.listed(0) == [
        Kept(1, FULL_COUNT),
        Kept(FULL_COUNT + 1, 2 * FULL_COUNT),
        Kept(2 * FULL_COUNT + 1, None),
    ]


@pytest.mark.parametrize("steps", [[9_990, 5, 5, 5, 9_995, 1], [3, 20_000], [20_000, 3]])
async def test_it_goes_on_after_restarts(steps):
    world = Archiving()
    for step in steps:
        world.write(step)
        await world.ledger().catch_up()
        assert await world.copied() == world.log.messages[0]
    assert world.segments.sealed == {
        (0, Kept(start + 1, start + FULL_COUNT)): written(MANY[start].position, MANY[start : start + FULL_COUNT])
        for start in range(0, sum(steps) - FULL_COUNT + 1, FULL_COUNT)
    }


async def test_what_no_checkpoint_stands_over_is_dropped_when_the_log_says_otherwise():
    world = Archiving()
    world.write(30)
    ledger = world.ledger()
    await ledger.catch_up()
    ledger.integrate(MANY[30:50])
    await ledger._copy.flush()  # and here the power fails: broker and ledger forget, the archive does not
    assert len(await world.copied()) == 50
    world.write(10, 5)
    await world.ledger().catch_up()
    assert await world.copied() == world.log.messages[0]
    assert world.log.messages[0][35] != MANY[35]


async def test_a_ledger_without_a_copy_until_now_copies_what_there_is():
    world = Archiving()
    world.write(FULL_COUNT + 500)
    await World.ledger(world, checkpoints=(plain := MemoryCheckpointLog())).catch_up()
    await world.ledger(checkpoints=plain).catch_up()
    assert await world.copied() == world.log.messages[0]
    assert world.segments.listed(0) == [Kept(1, FULL_COUNT), Kept(FULL_COUNT + 1, None)]


async def test_a_segment_that_was_lost_is_made_again():
    world = Archiving()
    world.write(len(MANY))
    await world.ledger().catch_up()
    del world.segments.sealed[0, Kept(1, FULL_COUNT)]
    await world.ledger().catch_up()
    assert await world.copied() == MANY


async def test_nothing_is_copied_over_a_gap():
    world = Archiving()
    world.write(30)
    await World.ledger(world, checkpoints=(plain := MemoryCheckpointLog())).catch_up()
    del world.log.messages[0][11]
    with pytest.raises(LedgerBroken, match=r"the log has 0\.0:13 where its event 12 should be"):
        await world.ledger(checkpoints=plain).resume()


async def test_no_checkpoint_without_a_copy(tmp_path):
    (tmp_path / "0").write_text("no folder can be made here")
    world = Archiving()
    world.write(30)
    store = FileSegmentStore(tmp_path)
    with pytest.raises(ServiceUnreachable, match="the archive cannot"):
        await World.ledger(world, copy=Copy(store, FIRST)).catch_up()
    assert await world.checkpoints.newest(0) is None


async def test_two_at_once_keep_one_copy(tmp_path):
    world = World()
    world.log.messages[0].extend(MANY[:9_000])
    stores = [FileSegmentStore(tmp_path), FileSegmentStore(tmp_path)]
    ledgers = [world.ledger(copy=Copy(store, FIRST)) for store in stores]
    serving = [asyncio.create_task(ledger.run()) for ledger in ledgers]
    await asyncio.sleep(0)
    world.log.messages[0].extend(MANY[9_000:])
    async with asyncio.timeout(60):
        while min(each.integrated for each in ledgers) < len(MANY):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for task in serving:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert await read(ArchivedLog(FileSegmentStore(tmp_path))) == MANY


@pytest.fixture(scope="module")
def archive():
    store = MemorySegmentStore()
    copy = Copy(store, FIRST)
    copy.resume(0)
    copy.add(MANY)
    asyncio.run(copy.flush())
    asyncio.run(copy.seal(len(MANY)))
    return store


@pytest.mark.parametrize("after", [0, 1, 9_999, 10_000, 10_001, 20_000, 20_776, 20_777, 10**12])
async def test_it_is_read_like_any_log(archive, after):
    memory = MemoryStoredLog()
    memory.messages[0] = MANY
    assert await read(ArchivedLog(archive), after) == await read(memory, after)
    assert await ArchivedLog(archive).extent(0) == await memory.extent(0)


async def test_an_archive_of_nothing():
    assert await ArchivedLog(MemorySegmentStore()).extent(0) == (Position(0, 0, 1), Position(0, 0, 0))
    assert await read(ArchivedLog(MemorySegmentStore())) == []


async def test_damage_is_told_and_what_follows_is_read(archive):
    damaged = MemorySegmentStore()
    damaged.open |= archive.open
    damaged.sealed |= archive.sealed
    second = Kept(FULL_COUNT + 1, 2 * FULL_COUNT)
    damaged.sealed[0, second] = archive.sealed[0, second][:-1] + b"?"
    told = []
    found = await read(ArchivedLog(damaged, lambda kept, problem: told.append((kept, str(problem)))))
    assert found == MANY[:FULL_COUNT] + MANY[2 * FULL_COUNT :]
    assert [kept for kept, _ in told] == [second]
    assert "0.0:10001" in told[0][1]
    with pytest.raises(SegmentInvalid):
        await read(ArchivedLog(damaged))
    damaged.sealed[0, second] = archive.sealed[0, Kept(1, FULL_COUNT)]
    with pytest.raises(SegmentInvalid, match="its file was renamed or exchanged"):
        await read(ArchivedLog(damaged))


async def test_archive_and_broker_are_one_log(archive):
    live = MemoryStoredLog()
    live.messages[0] = MANY[15_000:] + log(len(MANY) + 50)[len(MANY) :]
    joined = JoinedLog(ArchivedLog(archive), live)
    assert await read(joined) == MANY + live.messages[0][-50:]
    assert await read(joined, len(MANY) + 7) == live.messages[0][-43:]
    first, last = await joined.extent(0)
    assert (first.sequence, last.sequence) == (1, len(MANY) + 50)
    nothing = JoinedLog(ArchivedLog(MemorySegmentStore()), live)
    assert await nothing.extent(0) == await live.extent(0)


async def test_following_goes_on_behind_the_archive(archive):
    live = MemoryStoredLog()
    live.messages[0] = list(MANY)
    joined, found = JoinedLog(ArchivedLog(archive), live), []
    later = log(len(MANY) + 3)[len(MANY) :]
    async with asyncio.timeout(20):
        async for messages in joined.follow_stored(0, len(MANY) - 5):
            if found == MANY[-5:]:
                live.messages[0].extend(later)
            found.extend(messages)
            if len(found) == 8:
                break
    assert found == MANY[-5:] + later


async def test_an_archive_is_followed(archive):
    found = []
    async with asyncio.timeout(20):
        async for messages in ArchivedLog(archive).follow_stored(0, len(MANY) - 5):
            found.extend(messages)
            if not messages:
                break
    assert found == MANY[-5:]
