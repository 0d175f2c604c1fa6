"""The key file: private, whole, and refused with the way out where it is not."""

import resource
import signal
import stat

import pytest

from adapters.crypto.signing import FileSigner, SigningKeyRefused
from domain.ledger.notes import Signature


async def test_a_key_comes_back_from_its_file(tmp_path):
    made = FileSigner.generated("precedent.test")
    made.save(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    loaded = FileSigner.load(tmp_path / "key")
    assert loaded.key == made.key
    assert made.key.signed("text\n", Signature("precedent.test", made.key.hash, await loaded.sign(b"text\n")))


def test_a_key_file_is_never_written_over(tmp_path):
    FileSigner.generated("precedent.test").save(tmp_path / "key")
    with pytest.raises(FileExistsError):
        FileSigner.generated("precedent.test").save(tmp_path / "key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    FileSigner.generated("precedent.test").save(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(SigningKeyRefused, match=f"has the mode {mode:04o}"):
        FileSigner.load(tmp_path / "key")


@pytest.mark.parametrize("change", [lambda _: "", lambda key: key[:-8], lambda key: key.replace("PRIVATE+KEY+", ""),
                                    lambda key: key.replace("test+", "tess+"), lambda _: "PRIVATE+KEY+x", lambda _: "\0" * 99])  # fmt: skip
def test_a_file_that_holds_no_key(tmp_path, change):
    FileSigner.generated("precedent.test").save(tmp_path / "key")
    written = (tmp_path / "key").read_text()
    (tmp_path / "key").write_text(change(written))
    with pytest.raises(SigningKeyRefused, match="holds no signing key"):
        FileSigner.load(tmp_path / "key")


def test_a_missing_file_and_one_that_is_no_text(tmp_path):
    with pytest.raises(SigningKeyRefused, match="cannot be read: No such file"):
        FileSigner.load(tmp_path / "key")
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(SigningKeyRefused, match="it is no text"):
        FileSigner.load(tmp_path / "key")


def test_the_private_key_is_in_no_representation():
    made = FileSigner.generated("precedent.test")
    assert made._private.private_bytes_raw().hex() not in repr(made) + str(vars(made))


def test_a_key_for_which_there_was_no_room_leaves_nothing_behind(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(SigningKeyRefused, match="File too large"):
            FileSigner.kept(tmp_path / "key", "precedent.test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []
    made = FileSigner.kept(tmp_path / "key", "precedent.test")
    assert FileSigner.load(tmp_path / "key").key == made.key


def test_nobody_finds_half_a_key(tmp_path, monkeypatch):
    path = tmp_path / "key"
    seen = []
    monkeypatch.setattr("adapters.system.whole_files.os.fsync", lambda _: seen.append(path.exists()))
    made = FileSigner.kept(path, "precedent.test")
    assert seen[0] is False  # another process may look for it at any moment
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
    assert FileSigner.kept(path, "precedent.test").key == made.key
