"""The ledger over a log in memory: what it publishes, how it goes on, and what it refuses."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.ledger import MemoryCheckpointLog, MemoryTileStore
from commands.ledger import Identity, Ledger, LedgerBroken, LogTruncated, NotWitnessed, inclusion
from commands.ports import NEW_STREAM, Head
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.events import Draft
from domain.kernel.ids import START, StreamId, event_id
from domain.kernel.merkle import leaf_hash, root_of, verifies_consistency, verifies_inclusion
from domain.ledger.checkpoint import Checkpoint, Signed
from domain.ledger.leaf import leaf_data
from domain.ledger.notes import COSIGNATURE, Note, Signature, VerifierKey, cosigned

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
        self.events = MemoryEventStore(MemoryContentStore())
        self.tiles, self.checkpoints = MemoryTileStore(), MemoryCheckpointLog()
        self.signer = FileSigner.generated("precedent.test")
        self.identity = Identity(self.signer, witnesses=witnesses, required=required)
        self.heads = {}

    def ledger(self, **changes):
        parts = {"events": self.events, "tiles": self.tiles, "checkpoints": self.checkpoints, "clock": Ticks()}
        return Ledger(0, self.identity, **{**parts, **changes})

    async def write(self, count, stream="r1"):
        identity = StreamId("acme", "run", stream)
        for _ in range(count):
            head = self.heads.get(identity, NEW_STREAM)
            draft = Draft(
                id=event_id(stream, head.version + 1),
                type="precedent.run.Thought.v1",
                time="2026-11-21T08:00:00.000000Z",
                correlation=stream,
                causation="c",
                actor="agent:planner",
                data={"n": head.version},
            )
            (event,) = await self.events.append(identity, [draft], head)
            self.heads[identity] = Head(event.version, event.position.sequence)

    async def leaves(self):
        return [
            leaf_hash(leaf_data(event.address, event.id, event.body))
            async for batch in self.events.read(START)
            for event in batch
        ]

    async def newest(self, required=0):
        _, note = await self.checkpoints.newest(0)
        return Signed.open(note, self.signer.key, [each.key for each in self.identity.witnesses], required).checkpoint


async def test_a_checkpoint_stands_over_every_event():
    world = World()
    await world.write(300)
    await world.ledger().catch_up()
    checkpoint = await world.newest()
    leaves = await world.leaves()
    assert (checkpoint.origin, checkpoint.size) == ("precedent.test/0", 300)
    assert checkpoint.root == root_of(leaves)
    for index in (0, 7, 255, 256, 299):
        proof = await inclusion(world.tiles, 0, index, 300)
        assert verifies_inclusion(leaves[index], index, 300, proof, checkpoint.root)


async def test_nothing_is_published_of_an_empty_log_and_nothing_twice():
    world = World()
    await world.ledger().catch_up()
    assert await world.checkpoints.newest(0) is None
    await world.write(3)
    ledger = world.ledger()
    await ledger.catch_up()
    assert await ledger.publish() is None
    assert [note async for note in world.checkpoints.all(0)] == [(await world.checkpoints.newest(0))[1]]


@pytest.mark.parametrize("lost", ["nothing", "tiles"])
async def test_it_goes_on_after_a_restart(lost):
    world = World()
    for _ in range(4):
        await world.write(190)
        await world.ledger().catch_up()
        if lost == "tiles":
            world.tiles = MemoryTileStore()
    assert (await world.newest()).root == root_of(await world.leaves())
    assert len([note async for note in world.checkpoints.all(0)]) == 4


async def test_two_at_once_publish_one_history():
    world = World()
    await world.write(50)
    one, other = world.ledger(), world.ledger()
    await one.catch_up()
    await other.resume()
    await world.write(10)
    await one.catch_up()
    async for batch in world.events.read(START):
        other.integrate([event for event in batch if event.position.sequence > 50])
    assert await other.publish() is None
    await world.write(5)
    async for batch in world.events.read(START):
        other.integrate([event for event in batch if event.position.sequence > 60])
    assert (await other.publish()).size == 65
    assert (await world.newest()).root == root_of(await world.leaves())


async def test_it_follows_the_log_until_it_is_stopped():
    world = World()
    serving = asyncio.create_task(world.ledger().run())
    await world.write(20)
    async with asyncio.timeout(20):
        while (newest := await world.checkpoints.newest(0)) is None or "\n20\n" not in newest[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    assert (await world.newest()).root == root_of(await world.leaves())


async def test_a_log_shorter_than_its_checkpoint_is_refused():
    world = World()
    await world.write(30)
    await world.ledger().catch_up()
    shorter = World()
    await shorter.write(20)
    with pytest.raises(LogTruncated, match="stands over 30 events: 10 are lost"):
        await world.ledger(events=shorter.events).resume()


async def test_a_log_with_another_past_is_refused_when_its_tiles_are_made_again():
    world, other = World(), World()
    await world.write(30)
    await other.write(30, "r2")
    await world.ledger().catch_up()
    with pytest.raises(LedgerBroken, match="do not have the root that was signed"):
        await world.ledger(events=other.events, tiles=MemoryTileStore()).resume()


async def test_a_checkpoint_of_a_stranger_is_refused():
    world = World()
    await world.write(3)
    await world.ledger().catch_up()
    world.identity = Identity(FileSigner.generated("precedent.test"))
    with pytest.raises(LedgerBroken, match="cannot be trusted"):
        await world.ledger().resume()
    world.identity = Identity(world.identity.signer, trusted=[world.signer.key])
    await world.write(1)
    await world.ledger().catch_up()


async def test_witnesses_see_every_checkpoint():
    witnesses = [HonestWitness(), HonestWitness("second.test", b"\6" * 32)]
    world = World(witnesses, required=2)
    for _ in range(3):
        await world.write(100)
        await world.ledger().catch_up()
        assert (await world.newest(required=2)).size == witnesses[0].size == witnesses[1].size


async def test_without_enough_witnesses_nothing_is_published():
    witnesses = [HonestWitness(), HonestWitness("second.test", b"\6" * 32)]
    world = World(witnesses, required=1)
    witnesses[1].is_there = False
    await world.write(10)
    await world.ledger().catch_up()
    assert (await world.newest(required=1)).size == 10
    witnesses[0].is_there = False
    await world.write(10)
    with pytest.raises(NotWitnessed, match="0 of 2 witnesses cosigned 20 events; 1 must"):
        await world.ledger().catch_up()
    assert (await world.newest()).size == 10
    witnesses[1].is_there = True  # it has seen nothing yet, and says so
    await world.ledger().catch_up()
    assert (await world.newest(required=1)).size == 20
