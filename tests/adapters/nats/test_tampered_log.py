"""Tampering with the log of a real broker: in its files while it is down, and by forging the stream anew."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.publishing import publish
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from commands.audits import Audits, Trust
from commands.ledger import Identity, Ledger, LogTruncated, check_length
from commands.ports import NEW_STREAM
from domain.kernel.ids import StreamId
from domain.ledger.auditing import Kind, Report
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from domain.ledger.stored import Stored
from tests.adapters.nats.broker import Broker
from tests.contracts.event_store import drafts

SIGNER = FileSigner.generated("precedent.test")
EVENTS = 300


class Deployment:
    """One broker, its log, and its ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Broker(folder)
        self.tiles = FileTileStore(folder / "ledger")

    @property
    def files(self) -> Path:
        (found,) = self.folder.glob("js/jetstream/*/streams/EVENTS_0_0/msgs")
        return found

    async def connect(self) -> Connection:
        connection = await Connection.open(self.broker.url, name="tests")
        await ensure_streams(connection)
        return connection

    async def filled(self) -> str:
        """Write the log and its ledger, and give the newest checkpoint."""
        connection = await self.connect()
        store = JetStreamEventStore(connection, MemoryContentStore(), grouped=False)
        streams = [StreamId("acme", "run", f"r{number}") for number in range(EVENTS // 3)]
        for start in range(0, len(streams), 20):
            await asyncio.gather(
                *(store.append(each, drafts(each.id, 3), NEW_STREAM) for each in streams[start : start + 20])
            )
            await self.ledger(connection).catch_up()
        newest = await JetStreamCheckpoints(connection).newest(0)
        assert newest is not None
        store.close()
        await connection.close()
        return newest[1]

    def ledger(self, connection: Connection) -> Ledger:
        return Ledger(
            0,
            Identity(SIGNER),
            log=JetStreamStoredLog(connection),
            tiles=self.tiles,
            checkpoints=JetStreamCheckpoints(connection),
            clock=SystemClock(),
        )

    async def audited(self, *held: str) -> Report:
        connection = await self.connect()
        try:
            audits = Audits(JetStreamStoredLog(connection), JetStreamCheckpoints(connection), self.tiles)
            return await audits.verify(0, Trust(key=SIGNER.key, held=held))
        finally:
            await connection.close()

    async def stored(self) -> list[Stored]:
        connection = await self.connect()
        found = [event async for batch in JetStreamStoredLog(connection).read_stored(0) for event in batch]
        await connection.close()
        return found

    async def forge(self, events: list[Stored]) -> None:
        """Make the stream anew out of these events, with valid checksums and heads, as whoever owns the broker can."""
        connection = await self.connect()
        await connection.api("STREAM.DELETE.EVENTS_0_0")
        await ensure_streams(connection)
        heads: dict[str, int] = {}
        for event in events:
            name = ".".join(event.subject.split(".")[:5]) + ".>"
            head = str(heads.get(name, 0)).encode()
            lines = re.sub(rb"(Last-Subject-Sequence): \d+", rb"\1: " + head, event.headers).decode()
            headers = dict(line.split(": ", 1) for line in lines.split("\r\n")[1:-2])
            # The broker's own window would take a copy for a repetition.
            await asyncio.sleep(0.11 if events.count(event) > 1 else 0)
            heads[name] = await publish(connection, event.subject, event.body, headers)
        await connection.close()


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    made = Deployment(tmp_path)
    await made.broker.start()
    yield made
    await made.broker.kill()


def told(report: Report) -> list[tuple[Kind, int | None, int | None]]:
    return [
        (each.kind, each.first and each.first.sequence, each.last and each.last.sequence)
        for each in report.findings
        if each.kind is not Kind.RULE
    ]


async def test_a_genuine_log_is_whole_after_a_kill(deployment: Deployment) -> None:
    held = await deployment.filled()
    await deployment.broker.restart()
    report = await deployment.audited(held)
    assert report.sound, report.findings[:3]
    assert report.covered == EVENTS


# In the broker's files. The stream's state is removed, so that it reads its files again, as after a crash.


def change(path: Path, edit: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    edit(data)
    path.write_bytes(data)


async def tamper(deployment: Deployment, edit: Callable[[bytearray], object]) -> Report:
    await deployment.filled()
    await deployment.broker.kill()
    change(deployment.files / "1.blk", edit)
    (deployment.files / "index.db").unlink(missing_ok=True)
    await deployment.broker.start()
    return await deployment.audited()


def flip(where: bytes) -> Callable[[bytearray], object]:
    """Flip one bit in the hundredth event's part of this kind."""

    def edit(data: bytearray) -> None:
        at = -1
        for _ in range(100):
            at = data.index(where, at + 1)
        data[at + 2] ^= 1

    return edit


@pytest.mark.parametrize(
    "where", [b'{"specversion"', b"content-type", b"evt.0.acme.run"], ids=["body", "header", "subject"]
)
async def test_a_flipped_bit_on_the_disk(deployment: Deployment, where: bytes) -> None:
    report = await tamper(deployment, flip(where))
    assert not report.sound
    # The broker drops what has a wrong checksum, alone or with what follows in its file: both are told with their place.
    assert told(report)[0][0] in {Kind.DELETED, Kind.EDITED, Kind.TRUNCATED}
    first = told(report)[0][1]
    assert first is not None
    assert first <= 120


async def test_a_file_cut_on_the_disk(deployment: Deployment) -> None:
    report = await tamper(deployment, lambda data: data.__delitem__(slice(len(data) // 2, None)))
    assert told(report)[-1][0] is Kind.TRUNCATED
    assert told(report)[-1][2] == EVENTS


async def test_events_wiped_on_the_disk(deployment: Deployment) -> None:
    def wipe(data: bytearray) -> None:
        third = len(data) // 3
        data[third : third + 4000] = bytes(4000)

    report = await tamper(deployment, wipe)
    assert {each[0] for each in told(report)} <= {Kind.DELETED, Kind.TRUNCATED}
    assert not report.sound


async def test_a_log_whose_files_are_gone_is_not_written_to(deployment: Deployment) -> None:
    note = await deployment.filled()
    await deployment.broker.kill()
    for file in deployment.files.iterdir():
        file.unlink()
    await deployment.broker.start()
    report = await deployment.audited()
    assert told(report)[-1] == (Kind.TRUNCATED, 1, EVENTS)
    connection = await deployment.connect()
    with pytest.raises(LogTruncated, match="stands over events 1 to 300 of shard 0; the log is empty"):
        await check_length(JetStreamStoredLog(connection), Checkpoint.parse(Note.parse(note).text), 0)
    with pytest.raises(LogTruncated):
        await deployment.ledger(connection).resume()
    await connection.close()


# As a stream made anew, where every checksum is right.


async def forged(deployment: Deployment, change: Callable[[list[Stored]], object], *, held: bool = False) -> Report:
    note = await deployment.filled()
    events = await deployment.stored()
    change(events)
    await deployment.forge(events)
    return await deployment.audited(*([note] if held else []))


def replace_in(place: int, before: bytes, after: bytes) -> Callable[[list[Stored]], object]:
    def change(events: list[Stored]) -> None:
        body = events[place].body.replace(before, after)
        assert body != events[place].body
        events[place] = events[place]._replace(body=body)

    return change


async def test_a_forged_body(deployment: Deployment) -> None:
    report = await forged(deployment, replace_in(122, b"agent:tester", b"agent:tesser"))
    assert [(each.kind, each.first and each.first.sequence) for each in report.findings] == [(Kind.EDITED, 123)]


async def test_a_forged_header(deployment: Deployment) -> None:
    def change(events: list[Stored]) -> None:
        events[50] = events[50]._replace(headers=events[50].headers[:-2] + b"X-Note: hidden\r\n\r\n")

    report = await forged(deployment, change)
    (finding,) = report.findings
    assert finding.message == "the header 'X-Note' was added: no event has it"
    assert finding.first is not None
    assert finding.first.sequence == 51


async def test_a_forged_subject(deployment: Deployment) -> None:
    def change(events: list[Stored]) -> None:
        events[50] = events[50]._replace(subject=events[50].subject.replace("Happened", "Happenes"))

    assert told(await forged(deployment, change)) == [(Kind.EDITED, 51, 51)]


async def test_a_forged_deletion(deployment: Deployment) -> None:
    assert told(await forged(deployment, lambda events: events.pop(77))) == [(Kind.DELETED, 78, 78)]


async def test_a_forged_insertion(deployment: Deployment) -> None:
    def change(events: list[Stored]) -> None:
        copy = events[10]
        identity = b"00000000-0000-5000-8000-000000000000"
        genuine = re.search(rb"Nats-Msg-Id: ([0-9a-f-]+)", copy.headers)
        assert genuine is not None
        subject = re.sub(r"\.run\.r\d+\.", ".run.forged.", copy.subject)
        events.insert(
            200,
            copy._replace(
                subject=subject,
                headers=re.sub(rb"\.run\.r\d+\.", b".run.forged.", copy.headers.replace(genuine[1], identity)),
                body=re.sub(rb"run/r\d+", b"run/forged", copy.body.replace(genuine[1], identity)),
            ),
        )

    assert told(await forged(deployment, change)) == [(Kind.INSERTED, 201, 201)]


async def test_forged_order(deployment: Deployment) -> None:
    def change(events: list[Stored]) -> None:
        events[140], events[141] = events[141], events[140]

    assert told(await forged(deployment, change)) == [(Kind.SWAPPED, 141, 142)]


async def test_a_forged_end(deployment: Deployment) -> None:
    report = await forged(deployment, lambda events: events.__delitem__(slice(250, None)), held=True)
    assert told(report) == [(Kind.TRUNCATED, 251, 300)]


async def test_a_history_rewritten_with_its_tiles(deployment: Deployment) -> None:
    """Whoever owns the machine but not the key makes everything anew: log, tiles and unsigned roots."""
    await deployment.filled()
    events = await deployment.stored()
    replace_in(122, b"agent:tester", b"agent:tesser")(events)
    await deployment.forge(events)
    deployment.tiles = FileTileStore(deployment.folder / "forged")
    report = await deployment.audited()
    assert told(report)[0] == (Kind.REWRITTEN, 121, 180)


async def test_a_history_forked_by_the_owner_of_the_key(deployment: Deployment) -> None:
    held = await deployment.filled()
    events = await deployment.stored()
    replace_in(122, b"agent:tester", b"agent:tesser")(events)
    await deployment.forge(events)
    connection = await deployment.connect()
    await connection.api("STREAM.DELETE.LEDGER")
    await ensure_streams(connection)
    deployment.tiles = FileTileStore(deployment.folder / "forged")
    await deployment.ledger(connection).catch_up()
    await connection.close()
    assert (await deployment.audited()).sound  # nobody can tell from the log alone
    assert told(await deployment.audited(held)) == [(Kind.FORKED, 1, 300)]


async def test_a_stranger_s_key(deployment: Deployment) -> None:
    await deployment.filled()
    connection = await deployment.connect()
    audits = Audits(JetStreamStoredLog(connection), JetStreamCheckpoints(connection), deployment.tiles)
    report = await audits.verify(0, Trust(key=FileSigner.generated("precedent.test").key))
    await connection.close()
    assert {each.kind for each in report.findings} == {Kind.SIGNATURE}
    assert len(report.findings) == 5
