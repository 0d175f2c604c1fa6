"""A log that our own appender wrote keeps every rule of an audit; nothing in it is special to the audit."""

import asyncio

import pytest

from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.memory.ledger import MemoryCheckpointLog, MemoryTileStore
from adapters.nats.connection import Connection
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from commands.ledger import Identity, Ledger
from commands.ports import NEW_STREAM, Append, Head
from domain.kernel.ids import Position, StreamId
from domain.ledger.auditing import Audit, Known
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from tests.contracts.event_store import SHARDS, draft, drafts, head_of


@pytest.mark.parametrize("grouped", [True, False])
async def test_what_was_appended_in_every_way_passes_an_audit(
    connection: Connection, tenant: str, grouped: bool
) -> None:
    store = JetStreamEventStore(connection, MemoryContentStore(), shards=SHARDS, grouped=grouped)
    streams = [StreamId(tenant, "run", f"r{number}") for number in range(120)]
    heads = await asyncio.gather(*(store.append(each, drafts(each.id, 3), NEW_STREAM) for each in streams))
    await asyncio.gather(
        *(
            store.append(each, [draft(f"{each.id}-more", size="x" * 70_000)], head_of(events))
            for each, events in zip(streams, heads, strict=True)
        )
    )
    together = [each for each in streams if each.shard(SHARDS) == 0][:2]
    await store.append_atomically(
        [
            Append(each, drafts(f"{each.id}-both", 2), Head(4, (await store.load(each)).head.sequence))
            for each in together
        ]
    )
    for shard in range(SHARDS):
        log = JetStreamStoredLog(connection)
        checkpoints, tiles = MemoryCheckpointLog(), MemoryTileStore()
        identity = Identity(FileSigner.generated("precedent.test"))
        await Ledger(shard, identity, log=log, tiles=tiles, checkpoints=checkpoints, clock=SystemClock()).catch_up()
        known = [Known(Checkpoint.parse(Note.parse(note).text)) async for note in checkpoints.all(shard)]
        first, last = await log.extent(shard)
        assert first == Position(0, shard, 1)
        audit = Audit(first, known)
        async for batch in log.read_stored(shard):
            audit.feed(batch)
        report = audit.finish()
        assert report.sound, report.findings[:5]
        assert report.covered == report.events == last.sequence > 0
    store.close()
