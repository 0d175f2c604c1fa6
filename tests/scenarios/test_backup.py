"""An operator's story: a backup while runs happen, a machine that is lost, and a deployment that goes on elsewhere."""

from __future__ import annotations

import json
import os
import resource
import signal
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.crypto.signing import FileSigner
from infra.cli import exits
from tests.conftest import temporary_data_directory
from tests.scenarios.test_audit import call
from tests.scenarios.test_cli import environment_of
from tests.scenarios.test_stack import pid_of


@dataclass
class BackedUp:
    """A deployment that runs, and what was taken from it."""

    environment: dict[str, str]
    data: Path
    run: str
    key: str
    root: str
    file: Path

    def call(self, *arguments: Any) -> Any:
        return call(self.environment, *map(str, arguments))


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    taken = tmp_path_factory.mktemp("kept")
    with temporary_data_directory() as data:
        environment = environment_of(data)
        up = call(environment, "up", "--detach")
        assert up.returncode == exits.DONE, up.stderr
        run = json.loads(call(environment, "run", "--json", "examples/word-count.yaml").stdout)["run"]
        story = BackedUp(environment, data, run, "", "", taken / "backup.tar")
        assert story.call("audit", "export", run, "-o", taken / "run.jsonl").returncode == exits.DONE  # waits for it
        story.key = json.loads(story.call("audit", "keys", "--json").stdout)["key"]
        done = story.call("backup", "-o", story.file, "--json")
        assert done.returncode == exits.DONE, done.stderr
        assert json.loads(done.stdout)["left"] == 0
        story.root = json.loads(story.call("audit", "verify", "--json").stdout)["root"]
        yield story
        story.call("down")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    with temporary_data_directory() as data:
        yield data


def restored(backed_up: BackedUp, file: Path, data: Path, *more: str) -> Any:
    arguments = ["restore", str(file), "--data", str(data), *(more or ["--key", backed_up.key])]
    return call(environment_of(data), *arguments)


@pytest.mark.timeout(400)  # two deployments come and go, and a run is made in each
def test_a_restored_deployment_is_the_same_and_goes_on(backed_up: BackedUp, elsewhere: Path, tmp_path: Path) -> None:
    done = restored(backed_up, backed_up.file, elsewhere, "--key", backed_up.key, "--json")
    assert done.returncode == exits.DONE, done.stderr
    assert json.loads(done.stdout)["root"] == backed_up.root
    environment = environment_of(elsewhere)
    up = call(environment, "up", "--detach")
    assert up.returncode == exits.DONE, up.stderr
    try:
        assert call(environment, "replay", backed_up.run).returncode == exits.DONE
        runs = json.loads(call(environment, "runs", "--json").stdout)["runs"]
        assert [each["id"] for each in runs] == [backed_up.run]
        run = json.loads(call(environment, "run", "--json", "examples/word-count.yaml").stdout)["run"]
        assert call(environment, "audit", "export", run, "-o", str(tmp_path / "x.jsonl")).returncode == exits.DONE
        verified = call(environment, "audit", "verify", "--json")
        assert verified.returncode == exits.DONE, verified.stdout
        new = json.loads(call(environment, "audit", "keys", "--json").stdout)
        assert new["key"] != backed_up.key
        assert new["name"] == backed_up.key.split("+")[0]
    finally:
        call(environment, "down")


def test_events_that_no_checkpoint_stands_over_are_counted(backed_up: BackedUp, tmp_path: Path) -> None:
    """Where no ledger answers, a backup has what is signed, and says how much is not."""
    ledger = pid_of(backed_up.data, "ledger")
    os.kill(ledger, signal.SIGSTOP)
    try:
        done = backed_up.call("submit", "examples/word-count.yaml")
        assert done.returncode == exits.DONE, done.stderr
        done = backed_up.call("backup", "-o", tmp_path / "late.tar", "--json")
    finally:
        os.kill(ledger, signal.SIGCONT)
    assert done.returncode == exits.DONE, done.stderr
    assert json.loads(done.stdout)["left"] >= 1
    assert "under no checkpoint yet" in done.stderr


def test_what_is_in_a_backup(backed_up: BackedUp) -> None:
    with tarfile.open(backed_up.file) as archive:
        names = archive.getnames()
        everything = b"".join(archive.extractfile(name).read() for name in names)  # type: ignore[union-attr]
    assert "ledger.key" not in names
    for secret in ("ledger.key", "nats-credential.json"):
        assert (backed_up.data / secret).read_bytes().strip() not in everything
    assert names[-1] == "manifest.json"


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def without_a_link(data: bytes) -> bytes:
    return data.replace(b"checkpoints.jsonl\0", b"../../heckpoints\0", 1)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: flipped(data, 5_000), "segments/0/"),
        (lambda data: flipped(data, 10), "backup"),
        (lambda data: flipped(data, data.index(b'"note"')), "checkpoints.jsonl"),
        (lambda data: flipped(data, data.index(b'"sha256"')), "manifest.json"),
        (lambda data: data[: len(data) // 2], "it was cut or damaged"),
        (lambda data: data[:20_000], "it was cut or damaged"),
        (lambda data: data[: data.index(b"manifest.json")], "it was cut or damaged after configuration.yaml"),
        (without_a_link, "backup"),
        (lambda _: b"", "this is no backup"),
        (lambda _: b"{}" * 1000, "this is no backup"),
    ],
)
def test_a_damaged_backup_is_told_and_leaves_nothing(
    backed_up: BackedUp, tmp_path: Path, elsewhere: Path, damage: Any, told: str
) -> None:
    file, data = tmp_path / "damaged.tar", elsewhere
    file.write_bytes(damage(backed_up.file.read_bytes()))
    done = restored(backed_up, file, data)
    assert done.returncode in {exits.TAMPERED, exits.INVALID}, done.stderr
    assert done.returncode == exits.TAMPERED or told in {"this is no backup", "backup"}
    assert told in done.stderr
    assert not data.exists()


def test_a_backup_made_anew_by_a_forger_does_not_have_the_signed_root(
    backed_up: BackedUp, tmp_path: Path, elsewhere: Path
) -> None:
    import gzip  # the forger's tools

    from adapters.content.backup_file import BackupReader, BackupWriter
    from domain.kernel.ids import Position
    from domain.ledger.segments import read, written

    forged = tmp_path / "forged.tar"
    with BackupReader.reading(backed_up.file) as genuine, BackupWriter.writing(forged) as writer:
        for name in genuine.names():
            data = genuine.read(name)
            if name.startswith("segments/"):
                messages = read(gzip.decompress(data)).messages
                edited = [each._replace(body=each.body.replace(b"given-plan", b"given-plam")) for each in messages]
                assert edited != messages
                data = gzip.compress(written(Position(0, 0, 1), edited))
            writer.add(name, data)
        writer.finish(genuine.about)
    done = restored(backed_up, forged, elsewhere)
    assert done.returncode == exits.TAMPERED
    assert "do not have the root that was signed" in done.stderr
    assert not elsewhere.exists()


def test_a_stranger_s_key_and_a_full_directory(backed_up: BackedUp, elsewhere: Path) -> None:
    stranger = str(FileSigner.generated(backed_up.key.split("+")[0]).key)
    done = restored(backed_up, backed_up.file, elsewhere, "--key", stranger)
    assert done.returncode == exits.TAMPERED
    assert "is not signed by" in done.stderr
    elsewhere.mkdir()
    (elsewhere / "something").touch()
    done = restored(backed_up, backed_up.file, elsewhere)
    assert done.returncode == exits.INVALID
    assert "this is not empty" in done.stderr
    assert [each.name for each in elsewhere.iterdir()] == ["something"]


def test_a_target_that_cannot_be_written(backed_up: BackedUp, tmp_path: Path) -> None:
    for target in (tmp_path / "missing" / "x.tar", tmp_path):
        done = backed_up.call("backup", "-o", target)
        assert done.returncode == exits.INVALID
        assert str(target) in done.stderr
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        done = backed_up.call("backup", "-o", tmp_path / "full.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert done.returncode == exits.INVALID
    assert "full.tar: File too large" in done.stderr
    assert not list(tmp_path.iterdir())
