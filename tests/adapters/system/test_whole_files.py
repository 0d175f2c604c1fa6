"""Files that appear complete, or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.system.whole_files import appearing

WRITES_FOR_EVER = """
import sys
from pathlib import Path
from adapters.system.whole_files import appearing
with appearing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("durably", [True, False])
@pytest.mark.parametrize("data", [b"", b"x", b"x" * 3_000_000], ids=len)
def test_a_file_appears_at_the_end_of_the_block(tmp_path: Path, data: bytes, durably: bool) -> None:
    path = tmp_path / "file"
    with appearing(path, durably=durably) as file:
        file.write(data)
        assert not path.exists()
    assert path.read_bytes() == data
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("replacing", [True, False])
def test_only_its_owner_reads_it(tmp_path: Path, replacing: bool) -> None:
    before = os.umask(0)
    try:
        with appearing(tmp_path / "file", replacing=replacing) as file:
            file.write(b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_it_comes_in_the_place_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    with appearing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old and longer"
    assert path.read_bytes() == b"new"


def test_what_may_not_replace_leaves_the_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError), appearing(path, replacing=False) as file:
        file.write(b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_what_fails_within_the_block_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def broken_off() -> None:
        with appearing(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        broken_off()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("place", ["missing/file", "a-file/file"])
def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    with pytest.raises(OSError, match=r"No such file or directory|Not a directory"), appearing(tmp_path / place):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["a-file"]


def test_a_killed_writer_leaves_no_half_file_under_the_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        writer.send_signal(signal.SIGKILL)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("file.")
    assert left.suffix == ".partial"
