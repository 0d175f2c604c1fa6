"""Secrets in files: read by their owner, refused where others may have read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.system.private_files import LARGEST, ReadableByOthers, read_private


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_what_only_its_owner_reads_is_given(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret\xff\n")
    path.chmod(mode)
    assert read_private(path, "rotate the key") == b"secret\xff\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
def test_what_others_may_read_or_write_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(ReadableByOthers) as refused:
        read_private(path, "change the PIN")
    assert str(refused.value) == (
        f"{path} has the mode {mode:04o}, so that others can read it: chmod 600 {path}, and change the PIN if they may "
        "have"
    )
    assert "secret" not in str(refused.value)


def test_the_mode_is_that_of_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    with pytest.raises(ReadableByOthers, match="0644"):
        read_private(tmp_path / "link", "rotate the key")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    assert len(read_private(path, "rotate the key")) == LARGEST


@pytest.mark.parametrize("name", ["missing", "folder", "a-file/key"])
def test_what_is_no_file_is_the_systems_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "a-file").touch()
    with pytest.raises(OSError, match=r"No such file|Is a directory|Not a directory"):
        read_private(tmp_path / name, "rotate the key")
