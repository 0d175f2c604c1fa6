"""Closed epochs leave the broker for the archive, and nobody who reads the log can tell."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.content.segments import FileSegmentStore
from adapters.content.tiles import FileTileStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import ApiRefused
from adapters.nats.log_writer import JetStreamLogWriter
from adapters.nats.stored_log import JetStreamStoredLog
from commands.archive import ArchivedLog
from commands.audits import Audits
from commands.epochs import EpochNotArchived, EpochUnknown, recall
from commands.ports import NEW_STREAM, Selection
from commands.repairs import How, Repairs
from domain.kernel.errors import NotFound, StoredDataInvalid, VersionConflict
from domain.kernel.ids import START, Position, Positions
from domain.ledger.auditing import Kind
from domain.ledger.segments import Kept, SegmentInvalid, read, written
from projections.applying import closing
from tests.adapters.nats.epochs import TRUST, Rolling, bodies, run
from tests.contracts.event_store import drafts


@pytest.fixture
async def rolling(tmp_path: Path) -> AsyncIterator[Rolling]:
    """Three epochs: streams that ended in each, and one that goes through all."""
    rolling = Rolling(tmp_path)
    await rolling.start()
    head = await rolling.appended(run("long"), 2)
    for number in range(3):
        if number:
            await rolling.epochs.roll_over(0)
            head = await rolling.appended(run("long"), 2, head)
        await asyncio.gather(*(rolling.appended(run(f"r{number}-{each}"), 3) for each in range(20)))
    yield rolling
    await rolling.stop()


STREAMS = [run("long"), *(run(f"r{number}-{each}") for number in range(3) for each in range(20))]


async def state(rolling: Rolling) -> tuple[list[list[bytes]], list[bytes], bytes]:
    """What a reader sees: every stream, the whole log, its root."""
    store = rolling.another_store()
    streams = [bodies((await store.load(stream)).events) for stream in STREAMS]
    log = [event async for batch in store.read(START) for event in batch]
    store.close()
    assert [event.position.sequence for event in log] == list(range(1, len(log) + 1))
    report = await rolling.audited()
    assert report.sound, report.findings[:3]
    assert report.covered == report.events == len(log)
    return streams, bodies(log), report.root


async def in_broker(rolling: Rolling) -> list[int]:
    return [closed.epoch for closed in await rolling.epochs.closed(0)]


@pytest.mark.parametrize("count", [1, 2])
async def test_what_has_left_the_broker_is_read_as_before(rolling: Rolling, count: int) -> None:
    before = await state(rolling)
    for epoch in range(count):
        await rolling.archive(epoch, drop=True)
    assert await in_broker(rolling) == list(range(count, 2))
    assert await state(rolling) == before


async def test_who_knew_the_epoch_in_the_broker_finds_it_in_the_archive(rolling: Rolling) -> None:
    before = [(await rolling.store.load(stream)).events for stream in STREAMS]
    other = rolling.another_store()
    await other.load(run("long"))
    assert await rolling.store.end() == await other.end()
    for epoch in (0, 1):
        await rolling.archive(epoch, drop=True)
    for store in (rolling.store, other):
        assert [(await store.load(stream)).events for stream in STREAMS] == before
        assert len([event async for batch in store.read(START) for event in batch]) == 3 * 62 + 2
    other.close()


async def test_appends_to_streams_of_epochs_that_have_left_go_on(rolling: Rolling) -> None:
    stale = rolling.another_store()
    heads = {name: (await stale.load(run(name))).head for name in ("r0-0", "r1-0", "long")}
    for epoch in (0, 1):
        await rolling.archive(epoch, drop=True)
    for store, name in ((stale, "r0-0"), (rolling.store, "r1-0"), (stale, "long")):
        stored = await store.append(run(name), drafts(f"more-{name}", 2), heads[name])
        assert [event.version for event in stored] == [heads[name].version + 1, heads[name].version + 2]
    for store in (stale, rolling.store):
        with pytest.raises(VersionConflict):
            await store.append(run("r0-1"), drafts("new", 1), NEW_STREAM)
    assert (await rolling.audited()).sound
    stale.close()


async def test_readers_go_through_archive_and_broker(rolling: Rolling) -> None:
    whole = await rolling.everything()
    for epoch in (0, 1):
        await rolling.archive(epoch, drop=True)
    store = rolling.another_store()
    for after in (0, 1, 61, 62, 63, 100, 124, 125, 180, len(whole)):
        for epoch in (0, 2):
            begin = Positions({(epoch, 0): after})
            assert [event async for batch in store.read(begin, batch=17) for event in batch] == whole[after:]
    ends = Selection(tenant="acme", category="run", stream="long")
    wanted = [event for event in whole if ends.matches(event.address)]
    assert [event async for batch in store.read(START, ends) for event in batch] == wanted
    assert [event async for batch in store.read(START, Selection(tenant="other")) for event in batch] == []
    seen = []
    async with closing(store.follow(START, batch=50)) as batches:
        async for batch in batches:
            seen += batch
            if len(seen) == len(whole):
                break
    assert seen == whole
    store.close()


class TestInterrupted:
    @pytest.mark.parametrize("step", ["nothing", "some sealed", "sealed", "indexed", "noted"])
    async def test_archiving_may_be_repeated_from_every_step(self, rolling: Rolling, step: str) -> None:
        before = await state(rolling)
        await rolling.ledger(copy=False).catch_up()
        for kept in rolling.segments.listed(0):  # as if the ledger had kept no copy
            for path in (rolling.folder / "ledger" / "0" / "segments").glob(f"{kept.first:020}*"):
                path.unlink()
        archiving = rolling.archiving
        if step == "some sealed":
            messages = [each async for batch in rolling.log.read_stored(0) for each in batch]
            rolling.segments.seal(0, Kept(1, 10), written(messages[0].position, messages[:10]))
        elif step != "nothing":
            closed = await archiving.archive(0, 0, TRUST)
        if step == "sealed":
            for path in (rolling.folder / "ledger" / "0" / "epochs").iterdir():
                path.unlink()
        elif step == "noted":
            rolling.epoch_store.keep(replace(closed, has_left=True))
        # Whoever is killed here leaves a log that reads the same, in any process and after a restart.
        rolling.store.close()
        await rolling.connection.close()
        await rolling.broker.restart()
        await rolling.connect()
        assert (await state(rolling))[:2] == before[:2]
        archived = await rolling.archiving.archive(0, 0, TRUST)
        await rolling.archiving.drop(archived)
        assert await in_broker(rolling) == [1]
        await rolling.archiving.drop(await rolling.archiving.archive(0, 0, TRUST))
        assert await state(rolling) == before

    async def test_a_ledger_that_keeps_the_same_copy_is_not_disturbed(self, rolling: Rolling) -> None:
        ledger = rolling.ledger()
        serving = asyncio.create_task(ledger.run())
        end = (await rolling.store.end()).furthest(0)
        async with asyncio.timeout(20):
            while (newest := await JetStreamCheckpoints(rolling.connection).newest(0)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert newest
            while ledger.integrated < end:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        await rolling.archiving.archive(0, 1, TRUST)
        head = (await rolling.store.load(run("long"))).head
        await rolling.epochs.roll_over(0)
        await rolling.archiving.archive(0, 2, TRUST)
        await rolling.appended(run("long"), 5, head)
        async with asyncio.timeout(20):
            while ledger.integrated < (await rolling.store.end()).furthest(0):
                assert not serving.done(), serving.exception()
                await asyncio.sleep(0.05)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        archived = [each async for batch in ArchivedLog(rolling.segments).read_stored(0) for each in batch]
        assert archived == [each async for batch in rolling.log.read_stored(0) for each in batch]


class TestRefused:
    async def test_an_epoch_with_an_earlier_one_before_it(self, rolling: Rolling) -> None:
        with pytest.raises(EpochNotArchived, match="epoch 0 comes before epoch 1"):
            await rolling.archive(1, drop=True)
        assert await in_broker(rolling) == [0, 1]

    async def test_an_epoch_without_a_checkpoint(self, rolling: Rolling) -> None:
        with pytest.raises(EpochNotArchived, match="no checkpoint stands over the end of epoch 0"):
            await rolling.archiving.archive(0, 0, TRUST)

    @pytest.mark.parametrize("epoch", [2, 7])
    async def test_an_epoch_that_is_not_closed(self, rolling: Rolling, epoch: int) -> None:
        await rolling.ledger().catch_up()
        with pytest.raises(EpochUnknown, match=f"no closed epoch {epoch}"):
            await rolling.archiving.archive(0, epoch, TRUST)

    @pytest.mark.parametrize("change", ["body", "headers", "subject", "cut"])
    async def test_an_archive_that_is_not_what_the_broker_has(self, rolling: Rolling, change: str) -> None:
        await rolling.archive(0, drop=False)
        (kept,) = [each for each in rolling.segments.listed(0) if each.first == 1]
        messages = read(rolling.segments.read(0, kept)).messages
        at = messages[30]
        if change == "cut":
            rolling.segments.seal(0, kept, written(messages[0].position, messages[:-1]))
        else:
            forged = {
                "body": at._replace(body=at.body.replace(b"acme", b"Acme")),
                "headers": at._replace(headers=at.headers.replace(b"content", b"Content")),
                "subject": at._replace(subject=at.subject.replace("acme", "Acme")),
            }[change]
            rolling.segments.seal(0, kept, written(messages[0].position, [*messages[:30], forged, *messages[31:]]))
        with pytest.raises((EpochNotArchived, SegmentInvalid), match=r"0\.0:31|1 to 61"):
            await rolling.archive(0, drop=True)
        assert await in_broker(rolling) == [0, 1]


async def test_what_is_wrong_in_the_archive_is_found_by_the_audit(rolling: Rolling) -> None:
    await rolling.archive(0, drop=True)
    (kept,) = [each for each in rolling.segments.listed(0) if each.first == 1]
    messages = read(rolling.segments.read(0, kept)).messages
    forged = messages[30]._replace(body=messages[30].body.replace(b"acme", b"Acme"))
    rolling.segments.seal(0, kept, written(messages[0].position, [*messages[:30], forged, *messages[31:]]))
    report = await Audits(rolling.log, JetStreamCheckpoints(rolling.connection), rolling.tiles).verify(0, TRUST)
    assert {(finding.kind, finding.first) for finding in report.findings} >= {(Kind.EDITED, Position(0, 0, 31))}


async def test_an_index_that_was_damaged_is_not_used(rolling: Rolling) -> None:
    await rolling.archive(0, drop=True)
    path = rolling.folder / "ledger" / "0" / "epochs" / "0.index"
    data = path.read_bytes()
    for wrong in (b"", data[:-3], data[:-16], data + data[:16], bytes(len(data)), data[:99] + b"x" + data[100:]):
        path.unlink()
        path.write_bytes(wrong)
        store = rolling.another_store()
        with pytest.raises(StoredDataInvalid, match="damaged"):
            await store.load(run("long"))
        store.close()
    path.unlink()
    with pytest.raises(NotFound, match="archive the epoch again"):
        await rolling.another_store().load(run("r0-1"))


class TestLost:
    async def test_a_broker_that_lost_all_gets_back_the_open_epoch(self, rolling: Rolling) -> None:
        await rolling.archive(0, drop=True)
        await rolling.archive(1, drop=False)
        before = await state(rolling)
        await rolling.connection.api("STREAM.DELETE.EVENTS_1_0")
        await rolling.connection.api("STREAM.DELETE.EVENTS_2_0")
        rolling.store.close()
        await rolling.connection.close()
        await rolling.broker.restart()
        await rolling.connect()
        checkpoints = JetStreamCheckpoints(rolling.connection)
        repairs = Repairs(rolling.log, rolling.segments, checkpoints, rolling.tiles, left=62)
        plan = await repairs.plan(0, TRUST)
        assert (plan.how, plan.after, plan.last) == (How.APPEND, 62, len(before[1]))
        await repairs.carry_out(plan, JetStreamLogWriter(rolling.connection, rolling.archived))
        assert await in_broker(rolling) == [1]
        assert await state(rolling) == before

    async def test_a_closed_epoch_that_was_damaged_is_made_anew(self, rolling: Rolling) -> None:
        await rolling.archive(0, drop=True)
        before = await state(rolling)
        await rolling.connection.api("STREAM.DELETE.EVENTS_1_0")
        checkpoints = JetStreamCheckpoints(rolling.connection)
        repairs = Repairs(rolling.log, rolling.segments, checkpoints, rolling.tiles, left=62)
        plan = await repairs.plan(0, TRUST)
        assert (plan.how, plan.anew, plan.after) == (How.ANEW, Position(1, 0, 63), 62)
        await repairs.carry_out(plan, JetStreamLogWriter(rolling.connection, rolling.archived))
        assert await in_broker(rolling) == [1]
        assert await state(rolling) == before

    async def test_an_empty_broker_is_given_the_newest_epoch_of_an_archive(
        self, rolling: Rolling, tmp_path: Path
    ) -> None:
        before = await state(rolling)
        await rolling.archive(0, drop=False)
        note = await JetStreamCheckpoints(rolling.connection).newest(0)
        assert note is not None
        folder = tmp_path / "restored"
        folder.mkdir()
        restored = Rolling(folder)
        restored.segments = FileSegmentStore(tmp_path / "ledger")
        restored.tiles = FileTileStore(tmp_path / "ledger")
        found = await recall(rolling.segments, restored.epoch_store, 0)
        assert [(each.epoch, each.first, each.last, each.has_left) for each in found] == [
            (0, 1, 62, True),
            (1, 63, 125, True),
        ]
        restored.archived = type(rolling.archived)(rolling.segments, restored.epoch_store)
        await restored.start()
        first, last = await JetStreamStoredLog(restored.connection).extent(0)
        assert (first.sequence, last.sequence) == (126, 125), "an empty broker that begins where the archive ends"
        checkpoints = JetStreamCheckpoints(restored.connection)
        await checkpoints.publish(0, note[1], 0)
        repairs = Repairs(restored.log, rolling.segments, checkpoints, rolling.tiles, left=125)
        await repairs.carry_out(
            await repairs.plan(0, TRUST), JetStreamLogWriter(restored.connection, restored.archived)
        )
        assert await in_broker(restored) == []
        assert await state(restored) == before
        with pytest.raises(ApiRefused):
            await restored.connection.api("STREAM.INFO.EVENTS_0_0")
        await restored.stop()
