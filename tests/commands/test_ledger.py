"""The ledger over a log in memory: what it publishes, how it goes on, and what it refuses."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog, MemoryTileStore
from commands.ledger import Identity, Ledger, LedgerBroken, LogTruncated, NotWitnessed, inclusion
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.merkle import leaf_hash, root_of, verifies_consistency, verifies_inclusion
from domain.ledger.checkpoint import Checkpoint, Signed
from domain.ledger.growth import Growth
from domain.ledger.notes import COSIGNATURE, Note, Signature, VerifierKey, cosigned
from tests.domain.ledger.logs import leaf_of_event
from tests.domain.ledger.logs import log as genuine

BEGINNING = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Ticks:
    """A clock that goes on by a second at each look."""

    def __init__(self):
        self.time = BEGINNING

    def now(self):
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self):
        return self.time.timestamp()


class HonestWitness:
    """Cosigns what follows from what it has seen, as the protocol says."""

    def __init__(self, name="witness.test", seed=b"\5" * 32):
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, COSIGNATURE, self.private.public_key().public_bytes_raw())
        self.size, self.root = 0, None
        self.is_there = True

    async def cosign(self, old_size, proof, note):
        if not self.is_there:
            raise ServiceUnreachable("the witness is away")
        text = Note.parse(note).text
        checkpoint = Checkpoint.parse(text)
        if old_size != self.size:
            raise VersionConflict(f"the witness has seen {self.size}")
        if self.size:
            assert verifies_consistency(self.size, checkpoint.size, proof, self.root, checkpoint.root)
        self.size, self.root = checkpoint.size, checkpoint.root
        time = int(checkpoint.time.timestamp())
        signature = time.to_bytes(8, "big") + self.private.sign(cosigned(text, time))
        return str(Signature(self.key.name, self.key.hash, signature))


class World:
    def __init__(self, witnesses=(), required=0):
        self.log = MemoryStoredLog()
        self.tiles, self.checkpoints = MemoryTileStore(), MemoryCheckpointLog()
        self.signer = FileSigner.generated("precedent.test")
        self.identity = Identity(self.signer, witnesses=witnesses, required=required)

    def ledger(self, **changes):
        parts = {"log": self.log, "tiles": self.tiles, "checkpoints": self.checkpoints, "clock": Ticks()}
        return Ledger(0, self.identity, **{**parts, **changes})

    def write(self, count, streams=7):
        log = self.log.messages[0]
        log.extend(genuine(len(log) + count, streams)[len(log) :])

    def leaves(self):
        return [leaf_hash(leaf_of_event(event)) for event in self.log.messages[0]]

    async def newest(self, required=0):
        _, note = await self.checkpoints.newest(0)
        return Signed.open(note, self.signer.key, [each.key for each in self.identity.witnesses], required).checkpoint


async def test_a_checkpoint_stands_over_every_event():
    world = World()
    world.write(300)
    await world.ledger().catch_up()
    checkpoint = await world.newest()
    leaves = world.leaves()
    assert (checkpoint.origin, checkpoint.size) == ("precedent.test/0", 300)
    assert checkpoint.root == root_of(leaves)
    for index in (0, 7, 255, 256, 299):
        proof = await inclusion(world.tiles, 0, index, 300)
        assert verifies_inclusion(leaves[index], index, 300, proof, checkpoint.root)


async def test_nothing_is_published_of_an_empty_log_and_nothing_twice():
    world = World()
    await world.ledger().catch_up()
    assert await world.checkpoints.newest(0) is None
    world.write(3)
    ledger = world.ledger()
    await ledger.catch_up()
    assert await ledger.publish() is None
    assert [note async for note in world.checkpoints.all(0)] == [(await world.checkpoints.newest(0))[1]]


@pytest.mark.parametrize("lost", ["nothing", "tiles"])
async def test_it_goes_on_after_a_restart(lost):
    world = World()
    for _ in range(4):
        world.write(190)
        await world.ledger().catch_up()
        if lost == "tiles":
            world.tiles = MemoryTileStore()
    assert (await world.newest()).root == root_of(world.leaves())
    assert len([note async for note in world.checkpoints.all(0)]) == 4


async def test_two_at_once_publish_one_history():
    world = World()
    world.write(50)
    one, other = world.ledger(), world.ledger()
    await one.catch_up()
    await other.resume()
    world.write(10)
    await one.catch_up()
    other.integrate(world.log.messages[0][50:])
    assert await other.publish() is None
    world.write(5)
    other.integrate(world.log.messages[0][60:])
    assert (await other.publish()).size == 65
    assert (await world.newest()).root == root_of(world.leaves())


async def test_it_follows_the_log_until_it_is_stopped():
    world = World()
    serving = asyncio.create_task(world.ledger().run())
    world.write(20)
    async with asyncio.timeout(20):
        while (newest := await world.checkpoints.newest(0)) is None or "\n20\n" not in newest[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    world.write(5)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    assert (await world.newest()).size == 25  # the last ones when it ends
    assert (await world.newest()).root == root_of(world.leaves())


async def test_a_log_shorter_than_its_checkpoint_is_refused():
    world = World()
    world.write(30)
    await world.ledger().catch_up()
    shorter = World()
    shorter.write(20)
    with pytest.raises(LogTruncated, match="stands over events 1 to 30 of shard 0; the log has only 1 to 20"):
        await world.ledger(log=shorter.log).resume()


async def test_a_log_with_another_past_is_refused_when_its_tiles_are_made_again():
    world, other = World(), World()
    world.write(30)
    other.write(30, 5)
    await world.ledger().catch_up()
    with pytest.raises(LedgerBroken, match="do not have the root that was signed"):
        await world.ledger(log=other.log, tiles=MemoryTileStore()).resume()


async def test_a_checkpoint_of_a_stranger_is_refused():
    world = World()
    world.write(3)
    await world.ledger().catch_up()
    world.identity = Identity(FileSigner.generated("precedent.test"))
    with pytest.raises(LedgerBroken, match="cannot be trusted"):
        await world.ledger().resume()
    world.identity = Identity(world.identity.signer, trusted=[world.signer.key])
    world.write(1)
    await world.ledger().catch_up()


async def test_witnesses_see_every_checkpoint():
    witnesses = [HonestWitness(), HonestWitness("second.test", b"\6" * 32)]
    world = World(witnesses, required=2)
    for _ in range(3):
        world.write(100)
        await world.ledger().catch_up()
        assert (await world.newest(required=2)).size == witnesses[0].size == witnesses[1].size


async def test_without_enough_witnesses_nothing_is_published():
    witnesses = [HonestWitness(), HonestWitness("second.test", b"\6" * 32)]
    world = World(witnesses, required=1)
    witnesses[1].is_there = False
    world.write(10)
    await world.ledger().catch_up()
    assert (await world.newest(required=1)).size == 10
    witnesses[0].is_there = False
    world.write(10)
    with pytest.raises(NotWitnessed, match="0 of 2 witnesses cosigned 20 events; 1 must"):
        await world.ledger().catch_up()
    assert (await world.newest()).size == 10
    witnesses[1].is_there = True  # it has seen nothing yet, and says so
    await world.ledger().catch_up()
    assert (await world.newest(required=1)).size == 20


async def test_a_missing_event_is_never_passed_over():
    world = World()
    world.write(30)
    del world.log.messages[0][11]
    with pytest.raises(LedgerBroken, match=r"the log has 0\.0:13 where its event 12 should be"):
        await world.ledger().catch_up()
    assert await world.checkpoints.newest(0) is None


async def test_tiles_that_the_disk_did_not_take_are_not_lost(tmp_path):
    world = World()
    world.tiles = FileTileStore(tmp_path)
    (tmp_path / "0").write_text("in the way")
    ledger = world.ledger()
    world.write(300)
    with pytest.raises(ServiceUnreachable, match="the tile store cannot write"):
        await ledger.catch_up()
    (tmp_path / "0").unlink()
    world.write(300)
    async for batch in world.log.read_stored(0, after=300):
        ledger.integrate(batch)
    checkpoint = await ledger.publish()
    leaves = world.leaves()
    for index in (0, 255, 256, 511, 599):
        proof = await inclusion(world.tiles, 0, index, 600)
        assert verifies_inclusion(leaves[index], index, 600, proof, checkpoint.root)


async def test_tiles_that_are_put_often_are_few_files(tmp_path):
    world, tiles, growth = World(), FileTileStore(tmp_path), Growth()
    world.write(300)
    for event in world.log.messages[0]:
        growth.append([leaf_of_event(event)])
        await tiles.put_tiles(0, growth.take())
    # One full tile of hashes, one of entries, one above them, and what is partial now.
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) < 100 + 2 * 44
    leaves = world.leaves()
    for size in (1, 200, 256, 299, 300):
        root = root_of(leaves[:size])
        for index in {0, size // 2, size - 1}:
            proof = await inclusion(tiles, 0, index, size)
            assert verifies_inclusion(leaves[index], index, size, proof, root)
