import errno
import gzip
import os
import resource
import signal
import socket
import stat
from contextlib import chdir

import pytest

from adapters.content.segments import FileSegmentStore
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import Position
from domain.ledger.segments import LARGEST, Kept, SegmentInvalid, written
from tests.contracts.segments import MESSAGES, SegmentStoreContract

SEALED = written(Position(0, 0, 1), MESSAGES)
NAME = "0/segments/00000000000000000001-00000000000000000030.segment.gz"
KEPT = Kept(1, 30)


class TestFileSegments(SegmentStoreContract):
    @pytest.fixture
    def segments(self, tmp_path):
        return FileSegmentStore(tmp_path)

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: FileSegmentStore(tmp_path)

    async def test_what_a_running_process_has_open_stays(self, segments, again, shard):
        segments.extend(shard, 1, b"mine")
        again().forsake(shard)
        assert segments.read(shard, Kept(1, None)) == b"mine"

    async def test_other_programs_can_read_it(self, segments, tmp_path):
        segments.seal(0, KEPT, SEALED)
        assert gzip.decompress((tmp_path / NAME).read_bytes()) == SEALED
        assert [path.name for path in (tmp_path / "0/segments").iterdir()] == [NAME.rpartition("/")[2]]
        assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600

    @pytest.mark.parametrize("stranger", ["README", "1-30.segment.gz", "x.open", "0" * 20 + ".partial"])
    async def test_other_files_are_left_alone(self, segments, tmp_path, stranger):
        segments.seal(0, KEPT, SEALED)
        (tmp_path / "0/segments" / stranger).write_text("?")
        segments.forsake(0)
        assert segments.listed(0) == [KEPT]
        assert (tmp_path / "0/segments" / stranger).exists()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:-1],
            lambda data: data[: len(data) // 2],
            lambda data: data + b"\0",
            lambda data: data + data,
            lambda data: data[:200] + bytes([data[200] ^ 4]) + data[201:],
            lambda data: gzip.compress(bytes(LARGEST + 1)),
            lambda data: b"\0" * (LARGEST + 1),
            lambda data: b"not compressed",
        ],
    )
    async def test_damaged_and_hostile_files_are_refused(self, segments, tmp_path, damage):
        segments.seal(0, KEPT, SEALED)
        (tmp_path / NAME).write_bytes(damage((tmp_path / NAME).read_bytes()))
        with pytest.raises(SegmentInvalid):
            segments.read(0, KEPT)

    @pytest.mark.parametrize("kept", [KEPT, Kept(1, None)], ids=["sealed", "open"])
    @pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
    async def test_what_is_no_file_is_refused_at_once(self, segments, tmp_path, kept, kind):
        path = tmp_path / (NAME if kept.last else f"0/segments/{1:020}.00000000.open")
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as listening, chdir(path.parent):  # a socket's path must be short
            match kind:
                case "pipe":
                    os.mkfifo(path.name)  # nobody will ever write to it
                case "socket":
                    listening.bind(path.name)
                case "folder":
                    path.mkdir()
                case "device":
                    path.symlink_to("/dev/zero")
            assert segments.listed(0) == [kept]
            with pytest.raises(SegmentInvalid, match="no file, as segments are"):
                segments.read(0, kept)

    async def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("a file")
        store = FileSegmentStore(tmp_path / "file")
        with pytest.raises(ServiceUnreachable, match="the archive cannot write"):
            store.extend(0, 1, b"x")
        with pytest.raises(ServiceUnreachable, match="the archive cannot write"):
            store.seal(0, KEPT, SEALED)

    async def test_on_a_full_disk_all_is_added_or_nothing(self, segments):
        segments.extend(0, 1, b"a" * 1000)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
        try:
            with pytest.raises(ServiceUnreachable, match="the archive cannot write"):
                segments.extend(0, 1, b"b" * 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        segments.extend(0, 1, b"c" * 1000)
        assert segments.read(0, Kept(1, None)) == b"a" * 1000 + b"c" * 1000

    async def test_what_the_disk_did_not_take_is_not_taken_for_flushed(self, segments, tmp_path, monkeypatch):
        segments.extend(0, 1, b"a" * 1000)
        attempts, written = [], []
        pwrite = os.pwrite

        def fsync(descriptor):
            attempts.append(descriptor)
            if len(attempts) == 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr("adapters.content.segments.os.fsync", fsync)
        monkeypatch.setattr(
            "adapters.content.segments.os.pwrite", lambda *given: written.append(pwrite(*given)) or written[-1]
        )
        with pytest.raises(ServiceUnreachable, match="the archive cannot write"):
            segments.flush(0)
        assert sum(written) == 0
        segments.flush(0)
        # After such a failure the system counts its pages as written: only what is written anew gets to the disk.
        assert (len(attempts), sum(written)) == (2, 1000)
        assert segments.read(0, Kept(1, None)) == b"a" * 1000
        segments.flush(0)
        assert len(attempts) == 2
