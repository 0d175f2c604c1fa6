"""A deployment of one broker whose log is rolled over from one epoch to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from adapters.content.epochs import FileEpochStore
from adapters.content.segments import FileSegmentStore
from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.epochs import Epochs, ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from commands.archive import Copy
from commands.audits import Audits, Trust
from commands.epochs import ArchivedEpochs, Archiving
from commands.ledger import Identity, Ledger
from commands.ports import EVERYTHING, NEW_STREAM, Head
from domain.kernel.errors import PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, StreamId
from domain.ledger.auditing import Report
from domain.ledger.epochs import Closed
from tests.adapters.nats.broker import Broker
from tests.contracts.event_store import drafts, head_of

SIGNER = FileSigner.generated("precedent.test")
TRUST = Trust(key=SIGNER.key)


class Rolling:
    """A broker, and a process that is connected to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker(folder)
        self.segments = FileSegmentStore(folder / "ledger")
        self.epoch_store = FileEpochStore(folder / "ledger")
        self.tiles = FileTileStore(folder / "ledger")
        self.archived = ArchivedEpochs(self.segments, self.epoch_store)
        self.connection: Connection
        self.store: JetStreamEventStore

    async def start(self) -> None:
        await self.broker.start()
        await self.connect()

    async def connect(self) -> None:
        self.connection = await self.opened()
        self.store = self.another_store()

    async def opened(self) -> Connection:
        async with asyncio.timeout(10):
            while True:
                connection = await Connection.open(self.broker.url, name="tests")
                with suppress(PrecedentError):  # JetStream itself is not there yet
                    await ensure_streams(connection, archived=self.archived)
                    return connection
                await connection.close()

    async def stop(self) -> None:
        self.store.close()
        await self.connection.close()
        await self.broker.kill()

    def another_store(self) -> JetStreamEventStore:
        """The store of another process, which knows nothing of this one's rollovers."""
        return JetStreamEventStore(
            self.connection, MemoryContentStore(), archived=ArchivedEpochs(self.segments, self.epoch_store), patience=10
        )

    @property
    def epochs(self) -> Epochs:
        return Epochs(self.connection, self.archived)

    @property
    def log(self) -> JetStreamStoredLog:
        return JetStreamStoredLog(self.connection, self.archived)

    def ledger(self, *, copy: bool = True) -> Ledger:
        return Ledger(
            0,
            Identity(SIGNER),
            log=self.log,
            tiles=self.tiles,
            checkpoints=JetStreamCheckpoints(self.connection),
            clock=SystemClock(),
            copy=Copy(self.segments, Position(0, 0, 1)) if copy else None,
        )

    @property
    def archiving(self) -> Archiving:
        checkpoints = JetStreamCheckpoints(self.connection)
        return Archiving(self.log, self.epochs, self.segments, self.epoch_store, checkpoints, self.tiles)

    async def archive(self, epoch: int, *, drop: bool) -> Closed:
        await self.ledger().catch_up()
        closed = await self.archiving.archive(0, epoch, TRUST)
        if drop:
            await self.archiving.drop(closed)
        return closed

    async def audited(self) -> Report:
        await self.ledger().catch_up()
        checkpoints = JetStreamCheckpoints(self.connection)
        return await Audits(self.log, checkpoints, self.tiles).verify(0, TRUST)

    async def appended(self, stream: StreamId, count: int, head: Head = NEW_STREAM) -> Head:
        return head_of(await self.store.append(stream, drafts(f"{stream.id}-{head.version}", count), head))

    async def everything(self) -> list[Recorded]:
        return [event async for batch in self.store.read(START, EVERYTHING) for event in batch]


def bodies(events: Sequence[Recorded]) -> list[bytes]:
    return [event.body for event in events]


def run(name: str) -> StreamId:
    return StreamId("acme", "run", name)
