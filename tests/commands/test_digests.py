"""An archive that is audited by several processes is found to be what one process finds it to be."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from adapters.content.segments import FileSegmentStore
from adapters.crypto.signing import FileSigner
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog, MemoryTileStore
from commands.archive import ArchivedLog, Damages
from commands.audits import Audits, Trust
from commands.digests import Digesting
from commands.ledger import Ledger
from domain.ledger.auditing import Report
from domain.ledger.segments import Kept, beginning, frame, read, written
from tests.commands.test_ledger import Identity, Ticks
from tests.domain.ledger.logs import log

SIGNER = FileSigner.generated("precedent.test")
COUNT, EACH = 2_000, 150
EVENTS = log(COUNT)


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


class Archive:
    """Thirteen sealed segments and an open one, with what a ledger says of them."""

    def __init__(self, folder: Path) -> None:
        self.store = FileSegmentStore(folder)
        self.tiles, self.checkpoints = MemoryTileStore(), MemoryCheckpointLog()
        stored = MemoryStoredLog()
        stored.messages[0] = list(EVENTS)
        parts = {"log": stored, "tiles": self.tiles, "checkpoints": self.checkpoints, "clock": Ticks()}
        asyncio.run(Ledger(0, Identity(SIGNER), **parts).catch_up())
        for first in range(0, COUNT - EACH, EACH):
            self.seal(EVENTS[first : first + EACH])
        self.rest = COUNT // EACH * EACH
        self.store.extend(0, self.rest + 1, beginning(EVENTS[self.rest].position))
        self.store.extend(0, self.rest + 1, b"".join(map(frame, EVENTS[self.rest :])))
        self.store.release(0)

    def seal(self, messages) -> None:
        first = messages[0].position.sequence
        self.store.seal(0, Kept(first, first + len(messages) - 1), written(messages[0].position, messages))

    def audited(self, executor: Executor | None) -> Report:
        damages = Damages(0)
        archive = ArchivedLog(self.store, damages.add)
        digesting = None if executor is None else Digesting(archive, self.store, executor, 3)
        audits = Audits(archive, self.checkpoints, self.tiles)
        report = asyncio.run(audits.verify(0, Trust(key=SIGNER.key), digesting=digesting))
        report.findings[:0] = damages.findings()
        return report


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_a_genuine_archive_is_whole(archive: Archive, processes: Executor) -> None:
    report = archive.audited(processes)
    assert report == archive.audited(None)
    assert report.sound
    assert report.covered == COUNT


@pytest.mark.parametrize("change", ["edited", "header", "damaged", "missing", "exchanged", "cut"])
@pytest.mark.parametrize("segment", [0, 6, 12])
def test_what_is_wrong_is_found_alike(archive: Archive, change: str, segment: int) -> None:
    kept = archive.store.listed(0)[segment]
    messages = read(archive.store.read(0, kept)).messages
    (path,) = (archive.store._folder / "0" / "segments").glob(f"{kept.first:020}-*")
    at = messages[70]
    match change:
        case "edited":
            messages[70] = at._replace(body=at.body.replace(b'"n":', b'"m":'))
            archive.seal(messages)
        case "header":
            messages[70] = at._replace(headers=at.headers.replace(b"content", b"Content"))
            archive.seal(messages)
        case "damaged":
            path.write_bytes(path.read_bytes()[:-20])
        case "missing":
            path.unlink()
        case "exchanged":
            other = (archive.store.listed(0)[3]).first
            (theirs,) = path.parent.glob(f"{other:020}-*")
            path.write_bytes(theirs.read_bytes())
        case "cut":
            path.unlink()
            archive.seal(messages[:-1])
    with ThreadPoolExecutor(2) as threads:
        report = archive.audited(threads)
    assert report == archive.audited(None)
    assert not report.sound


def test_processes_that_died_are_told(archive: Archive) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.shutdown()
        with pytest.raises(RuntimeError):
            archive.audited(threads)
