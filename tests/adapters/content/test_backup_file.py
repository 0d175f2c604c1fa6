"""A backup comes back as it was written; whatever was done to its file is told before anything of it is used."""

import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from adapters.content.backup_file import BackupDamaged, BackupInvalid, BackupNotWritten, BackupReader, BackupWriter
from domain.kernel.errors import PrecedentError

FILES = {
    f"segments/0/{1:020}-{9:020}.segment.gz": bytes(range(256)) * 40,
    f"content/acme/ab/{'ab' * 32}": b"some content",
    "checkpoints.jsonl": b'{"shard":0,"note":"n"}\n',
    "configuration.yaml": b"{}\n",
}
ABOUT = {"checkpoint": "n", "events": 9}


@pytest.fixture
def backup(tmp_path):
    path = tmp_path / "backup.tar"
    with BackupWriter.writing(path) as writer:
        for name, data in FILES.items():
            writer.add(name, data)
        writer.finish(ABOUT)
    return path


def everything(path):
    with BackupReader.reading(path) as reader:
        return {name: reader.read(name) for name in reader.names()}


def test_it_comes_back_as_it_was_written(backup):
    assert everything(backup) == FILES
    assert backup.stat().st_mode & 0o777 == 0o600
    with BackupReader.reading(backup) as reader:
        assert ABOUT.items() <= reader.about.items()


def test_every_flipped_bit_that_matters_is_told(backup, tmp_path):
    data = backup.read_bytes()
    told = 0
    for place in random.Random(3).sample(range(len(data)), 400):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            assert everything(tmp_path / "damaged") == FILES  # filling between the files
        except (BackupDamaged, BackupInvalid):
            told += 1
    assert told > 150


def test_every_cut_is_told_with_its_place(backup, tmp_path):
    data = backup.read_bytes()
    end = data.rindex(b"manifest.json")
    for cut in [*random.Random(4).sample(range(end), 50), end]:
        (tmp_path / "cut").write_bytes(data[:cut])
        with pytest.raises((BackupDamaged, BackupInvalid)) as raised:
            everything(tmp_path / "cut")
        assert cut < 512 or "it was cut or damaged" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/passwd",
        "content/../../x",
        f"content/../ab/{'ab' * 32}",
        "segments/1/x",
        "content/acme/ab/short",
        "ledger.key/x",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(backup, tmp_path, name):
    hostile = tmp_path / "hostile.tar"
    with tarfile.open(backup) as genuine, tarfile.open(hostile, "w") as archive:
        member = tarfile.TarInfo(name)
        archive.addfile(member, io.BytesIO())
        for each in genuine:
            archive.addfile(each, genuine.extractfile(each))
    with pytest.raises(BackupDamaged, match="no backup has such a file"):
        everything(hostile)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    hostile = tmp_path / "hostile.tar"
    with tarfile.open(hostile, "w") as archive:
        member = tarfile.TarInfo("ledger.key")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(BackupDamaged, match="no backup has such a file"):
        everything(hostile)


@pytest.mark.parametrize(
    "listed",
    [
        b"",
        b"[]",
        b"{",
        b'{"format":"precedent-backup/9","files":{}}',
        b'{"format":"precedent-backup/1"}',
        b"[" * 100_000,
    ],
)
def test_a_list_that_cannot_be_read(tmp_path, listed):
    path = tmp_path / "backup.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(listed)
        archive.addfile(member, io.BytesIO(listed))
    with pytest.raises((BackupDamaged, BackupInvalid)):
        everything(path)


def test_files_that_are_no_backups(tmp_path):
    for name, data in {"empty": b"", "text": b"hello\n" * 1000, "zeros": bytes(10_240)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PrecedentError):
            everything(tmp_path / name)
    with pytest.raises(BackupInvalid, match="No such file"):
        everything(tmp_path / "missing")


def begun_and_given_up(path):
    with BackupWriter.writing(path) as writer:
        writer.add("checkpoints.jsonl", b"")
        raise RuntimeError


def test_what_fails_leaves_nothing_and_nothing_is_overwritten(backup, tmp_path):
    with pytest.raises(RuntimeError):
        begun_and_given_up(tmp_path / "begun.tar")
    assert [each.name for each in tmp_path.iterdir()] == ["backup.tar"]
    with pytest.raises(BackupNotWritten, match="is there already"), BackupWriter.writing(backup):
        pass
    assert everything(backup) == FILES
    with pytest.raises(BackupNotWritten, match="No such file"), BackupWriter.writing(tmp_path / "no" / "x"):
        pass


def test_it_is_on_the_disk_under_its_name_when_it_is_told_to_be_there(tmp_path, monkeypatch):
    flushed = []
    fsync = os.fsync

    def noted(descriptor):
        flushed.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "backup.tar").exists()))
        fsync(descriptor)

    monkeypatch.setattr("adapters.system.whole_files.os.fsync", noted)
    with BackupWriter.writing(tmp_path / "backup.tar") as writer:
        writer.finish(ABOUT)
    (file, existed), folder = flushed
    assert (file.startswith(f"{tmp_path}/backup.tar."), existed) == (True, False)
    assert folder == (str(tmp_path), True)
