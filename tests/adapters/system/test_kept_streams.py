import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.system.kept_streams import LARGEST, FileStreams
from commands.heard import KeptStreams
from domain.kernel.ids import StreamId
from tests.contracts.kept_streams import ONE, KeptStreamsContract, event

TWO = StreamId("acme", "program", "two")


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[FileStreams]:
    with FileStreams(tmp_path / "data") as kept:
        yield kept


class TestFileStreams(KeptStreamsContract):
    @pytest.fixture
    def streams(self, streams: FileStreams) -> KeptStreams:
        return streams


def test_nothing_is_made_before_something_is_heard_and_no_name_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with FileStreams(folder) as streams:
        assert streams.events(ONE) == ()
        assert not folder.exists()
        streams.add(event(1))
        assert list(folder.iterdir()) == []
        assert streams.events(ONE) == [event(1)]


@pytest.mark.parametrize(
    "large",
    [event(2, body=b"x" * (LARGEST + 1)), replace(event(2), resolved={"text": "of the content store"})],
    ids=["too large", "elsewhere"],
)
def test_of_what_is_too_large_or_elsewhere_the_log_is_asked(streams: FileStreams, large: object) -> None:
    streams.add(event(1))
    streams.add(large)  # type: ignore[arg-type]
    streams.add(event(3))
    assert streams.events(ONE) is None
    streams.add(event(1, TWO))
    assert streams.events(TWO) == [event(1, TWO)]


def test_a_full_file_forgets_nothing_and_takes_no_more(tmp_path: Path) -> None:
    with FileStreams(tmp_path, most=1_000) as streams:
        streams.add(event(1, body=b"x" * 600))
        streams.add(event(1, TWO, body=b"x" * 600))
        assert streams.events(ONE) == [event(1, body=b"x" * 600)]
        assert streams.events(TWO) is None
        streams.add(event(2, body=b"y" * 600))
        assert streams.events(ONE) is None, "its second event is not there"


def _file(folder: Path) -> int:
    """The descriptor of the file without a name."""
    for each in Path("/proc/self/fd").iterdir():
        if each.readlink().parent == folder and "(deleted)" in str(each.readlink()):
            return int(each.name)
    raise AssertionError(f"no file in {folder} is open")


@pytest.mark.parametrize("left", [0, 10, 40, 60])
def test_a_file_that_was_cut_short_is_not_believed(tmp_path: Path, left: int) -> None:
    with FileStreams(tmp_path) as streams:
        streams.add(event(1))
        os.truncate(_file(tmp_path), left)
        assert streams.events(ONE) is None
        streams.add(event(2))
        assert streams.events(ONE) is None


@pytest.mark.parametrize("spoilt", [b"\xff", b"x" * 10, b"." * 10], ids=["no text", "no dots", "dots"])
def test_a_stream_whose_last_record_was_spoilt_is_not_known(tmp_path: Path, spoilt: bytes) -> None:
    with FileStreams(tmp_path) as streams:
        streams.add(event(1))
        size = len(event(1).address)
        os.pwrite(_file(tmp_path), spoilt.ljust(size, spoilt[-1:]), os.fstat(_file(tmp_path)).st_size - size - 2)
        streams.add(event(2))
        assert streams.events(ONE) is None


@pytest.mark.parametrize("after", [1, 2, 3])
def test_what_lies_below_the_version_that_was_asked_for_is_not_read(tmp_path: Path, after: int) -> None:
    with FileStreams(tmp_path) as streams:
        for version in (1, 2, 3):
            streams.add(event(version))
        os.pwrite(_file(tmp_path), b"\xff" * 60, 0)
        assert streams.events(ONE, after) == [event(2), event(3)][after - 1 :]
        assert streams.events(ONE) is None, "the first one is spoilt"


def test_a_folder_that_cannot_be_written_makes_the_log_be_asked(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with FileStreams(tmp_path / "data") as streams:
        streams.add(event(1))
        assert streams.events(ONE) is None


def test_after_the_file_was_given_up_nothing_is_known_and_none_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with FileStreams(folder) as streams:
        pass
    streams.add(event(1))
    assert not folder.exists()
    assert streams.events(ONE) is None
    assert streams.events(TWO) is None
