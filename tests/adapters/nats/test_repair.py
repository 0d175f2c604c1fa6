"""Logs of a real broker that lost events get them back out of the ledger's copy: same places, same bytes, same root."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.content.segments import FileSegmentStore
from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.log_writer import JetStreamLogWriter
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from commands.archive import Copy
from commands.audits import Trust
from commands.ledger import Identity, Ledger, check_length
from commands.ports import NEW_STREAM
from commands.repairs import How, NotRepairable, Plan, Repairs
from domain.kernel.ids import Position, StreamId
from domain.ledger.checkpoint import Checkpoint, CheckpointInvalid
from domain.ledger.notes import Note
from domain.ledger.restoring import Restoring
from domain.ledger.segments import Kept, SegmentInvalid
from domain.ledger.stored import Stored
from tests.adapters.nats.test_tampered_log import SIGNER, Deployment
from tests.contracts.event_store import drafts

FIRST = Position(0, 0, 1)
TRUST = Trust(key=SIGNER.key)


class Archived(Deployment):
    """A deployment whose ledger keeps a copy; its log has messages that came singly and in batches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.segments = FileSegmentStore(folder / "ledger")

    def ledger(self, connection: Connection) -> Ledger:
        return Ledger(
            0,
            Identity(SIGNER),
            log=JetStreamStoredLog(connection),
            tiles=self.tiles,
            checkpoints=JetStreamCheckpoints(connection),
            clock=SystemClock(),
            copy=Copy(self.segments, FIRST),
        )

    async def appended(self, prefix: str, streams: int, *, grouped: bool) -> None:
        connection = await self.connect()
        store = JetStreamEventStore(connection, MemoryContentStore(), grouped=grouped)
        names = [StreamId("acme", "run", f"{prefix}{number}") for number in range(streams)]
        await asyncio.gather(*(store.append(each, drafts(each.id, 3), NEW_STREAM) for each in names))
        await self.ledger(connection).catch_up()
        store.close()
        await connection.close()

    async def planned(self, trust: Trust = TRUST) -> Plan:
        connection = await self.connect()
        try:
            return await self.repairs(connection).plan(0, trust)
        finally:
            await connection.close()

    def repairs(self, connection: Connection) -> Repairs:
        log, checkpoints = JetStreamStoredLog(connection), JetStreamCheckpoints(connection)
        return Repairs(log, self.segments, checkpoints, self.tiles)

    async def repaired(self) -> Plan:
        """Repair, see that all is well, and that writing and the ledger go on."""
        connection = await self.connect()
        repairs = self.repairs(connection)
        plan = await repairs.plan(0, TRUST)
        await repairs.carry_out(plan, JetStreamLogWriter(connection))
        newest = await JetStreamCheckpoints(connection).newest(0)
        assert newest is not None
        await check_length(JetStreamStoredLog(connection), Checkpoint.parse(Note.parse(newest[1]).text), 0)
        assert (await repairs.plan(0, TRUST)).how is How.WHOLE
        await connection.close()
        report = await self.audited()
        assert report.sound, report.findings
        await self.appended("after", 2, grouped=False)
        report = await self.audited()
        assert report.sound, report.findings
        assert report.uncovered == 0
        return plan


@pytest.fixture
async def archived(tmp_path: Path) -> AsyncIterator[tuple[Archived, list[Stored]]]:
    deployment = Archived(tmp_path)
    await deployment.broker.start()
    await deployment.appended("one", 10, grouped=False)
    await deployment.appended("batch", 30, grouped=True)
    await deployment.appended("two", 5, grouped=False)
    yield deployment, await deployment.stored()
    deployment.segments.release(0)
    await deployment.broker.kill()


async def lose(deployment: Archived, events: list[Stored]) -> None:
    """The broker has only these any more, at their places where they are at the beginning."""
    connection = await deployment.connect()
    await JetStreamLogWriter(connection).begin_anew(Position(0, 0, 1))
    restoring = Restoring(0)
    writer = JetStreamLogWriter(connection)
    await writer.write([*restoring.feed(events), *restoring.finish()])
    await connection.close()


async def test_the_log_has_batches(archived: tuple[Archived, list[Stored]]) -> None:
    _, events = archived
    assert sum(b"Nats-Batch-Commit" in each.headers for each in events) >= 1
    assert (await archived[0].planned()).how is How.WHOLE


@pytest.mark.parametrize("kept", [0, 1, 29, 30, 134])
async def test_a_lost_tail_is_appended(archived: tuple[Archived, list[Stored]], kept: int) -> None:
    deployment, events = archived
    await lose(deployment, events[:kept])
    plan = await deployment.repaired()
    assert (plan.how, plan.after, plan.missing) == (How.APPEND, kept, len(events) - kept)
    assert (await deployment.stored())[: len(events)] == events


async def test_of_a_torn_batch_the_rest_comes_back_singly(archived: tuple[Archived, list[Stored]]) -> None:
    deployment, events = archived
    inside = next(place for place, each in enumerate(events) if b"Nats-Batch-Sequence: 5\r" in each.headers)
    # A broker's files can end within a batch; over its protocol only all of it goes in.
    await lose(deployment, events[:inside])
    assert [each.body for each in await deployment.stored()] == [each.body for each in events[:inside]]
    await deployment.repaired()
    restored = (await deployment.stored())[: len(events)]
    assert [(each.position, each.subject, each.body) for each in restored] == [
        (each.position, each.subject, each.body) for each in events
    ]
    assert b"Nats-Batch" not in restored[inside].headers


async def test_all_files_of_the_stream_are_gone(archived: tuple[Archived, list[Stored]]) -> None:
    deployment, events = archived
    await deployment.broker.kill()
    for file in deployment.files.iterdir():
        file.unlink()
    await deployment.broker.start()
    await deployment.repaired()
    assert (await deployment.stored())[: len(events)] == events


async def test_streams_of_log_and_checkpoints_are_gone(archived: tuple[Archived, list[Stored]]) -> None:
    deployment, events = archived
    connection = await deployment.connect()
    await connection.api("STREAM.DELETE.EVENTS_0_0")
    await connection.api("STREAM.DELETE.LEDGER")
    await ensure_streams(connection)
    await connection.close()
    await deployment.repaired()
    assert (await deployment.stored())[: len(events)] == events


async def test_an_edited_log_is_made_anew_with_what_is_behind_the_archive(
    archived: tuple[Archived, list[Stored]],
) -> None:
    deployment, events = archived
    forged = list(events)
    forged[40] = forged[40]._replace(body=forged[40].body.replace(b"agent:tester", b"agent:tesser"))
    await lose(deployment, forged)
    connection = await deployment.connect()
    store = JetStreamEventStore(connection, MemoryContentStore(), grouped=False)
    await store.append(StreamId("acme", "run", "late"), drafts("late", 2), NEW_STREAM)
    store.close()
    await connection.close()
    late = (await deployment.stored())[-2:]
    plan = await deployment.repaired()
    assert (plan.how, plan.differs, plan.unsigned) == (How.ANEW, events[40].position, 2)
    assert (await deployment.stored())[: len(events) + 2] == [*events, *late]


async def test_a_repair_that_was_interrupted_goes_on(archived: tuple[Archived, list[Stored]]) -> None:
    deployment, events = archived
    forged = list(events)
    forged[3] = forged[3]._replace(body=forged[3].body.replace(b"agent:tester", b"agent:tesser"))
    await lose(deployment, forged)
    connection = await deployment.connect()
    repairs = deployment.repairs(connection)
    plan = await repairs.plan(0, TRUST)

    class Dying(JetStreamLogWriter):
        async def write(self, groups):  # type: ignore[no-untyped-def]
            await super().write(groups[:20])
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await repairs.carry_out(plan, Dying(connection))
    await connection.close()
    assert len(await deployment.stored()) == 20
    assert (await deployment.repaired()).how is How.APPEND
    assert (await deployment.stored())[: len(events)] == events


async def test_nothing_is_written_out_of_an_archive_that_is_not_what_was_signed(
    archived: tuple[Archived, list[Stored]],
) -> None:
    deployment, events = archived
    await lose(deployment, events[:7])
    (file,) = (deployment.folder / "ledger/0/segments").iterdir()
    genuine = file.read_bytes()
    file.write_bytes(genuine.replace(b"agent:tester", b"agent:tesser", 1))
    with pytest.raises(NotRepairable, match="do not have the root that was signed"):
        await deployment.planned()
    file.write_bytes(genuine[: len(genuine) // 2])
    with pytest.raises(NotRepairable, match="events at the end are missing"):
        await deployment.planned()
    file.write_bytes(b"precedent-segment-0\n" + genuine[20:])
    with pytest.raises(SegmentInvalid):
        await deployment.planned()
    file.write_bytes(genuine)
    with pytest.raises(CheckpointInvalid, match="is not signed by"):
        await deployment.planned(Trust(key=FileSigner.generated("precedent.test").key))
    assert len(await deployment.stored()) == 7
    await deployment.repaired()


async def test_what_was_lost_behind_the_archive_cannot_be_restored(
    archived: tuple[Archived, list[Stored]],
) -> None:
    deployment, events = archived
    connection = await deployment.connect()
    # The broker counts on from a place that the archive does not reach.
    await JetStreamLogWriter(connection).begin_anew(Position(0, 0, len(events) + 10))
    store = JetStreamEventStore(connection, MemoryContentStore(), grouped=False)
    await store.append(StreamId("acme", "run", "late"), drafts("late", 2), NEW_STREAM)
    store.close()
    await connection.close()
    with pytest.raises(NotRepairable, match=r"lost events behind the archive's end, 0\.0:135, and nothing has those"):
        await deployment.planned()
    assert Kept(1, None) in deployment.segments.listed(0)
