"""An auditor's story: a run happens, its bundle verifies where there is nothing, and a cut log is not written to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from adapters.crypto.signing import FileSigner
from infra.cli import exits
from infra.cli.main import main
from tests.conftest import temporary_data_directory
from tests.scenarios.test_cli import ROOT, environment_of


@dataclass
class Called:
    returncode: int
    stdout: str
    stderr: str


def call(environment: dict[str, str], *arguments: str, folder: Path = ROOT) -> Called:
    """Call the command line in this process, as from this folder; that spares a second of imports each time."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        code = main(list(arguments))
    return Called(code, out.getvalue(), err.getvalue())


@dataclass
class Audited:
    """A data directory in which a run happened, and what an auditor took away."""

    environment: dict[str, str]
    data: Path
    run: str
    key: Path
    bundle: Path
    checkpoint: Path

    def call(self, *arguments: Any) -> Any:
        return call(self.environment, *map(str, arguments))


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    taken = tmp_path_factory.mktemp("auditor")
    with temporary_data_directory() as data:
        environment = environment_of(data)
        assert call(environment, "up", "--detach").returncode == exits.DONE
        run = json.loads(call(environment, "run", "--json", "examples/word-count.yaml").stdout)["run"]
        story = Audited(environment, data, run, taken / "log.key", taken / "run.jsonl", taken / "kept.txt")
        story.key.write_text(json.loads(story.call("audit", "keys", "--json").stdout)["key"])
        published(story, run, story.bundle)
        assert story.call("audit", "checkpoint", "-o", story.checkpoint).returncode == exits.DONE
        yield story
        story.call("down")


def published(story: Audited, run: str, bundle: Path) -> None:
    """Export the run; the command waits for the checkpoint over it."""
    done = story.call("audit", "export", run, "-o", bundle)
    assert done.returncode == exits.DONE, done.stderr


def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment without servers, data or key."""
    return environment_of(tmp_path / "nowhere")


def test_the_log_is_whole(audited: Audited):
    done = audited.call("audit", "verify", "--json")
    assert done.returncode == exits.DONE, done.stderr
    report = json.loads(done.stdout)
    assert report["sound"] is True
    assert report["covered"] == report["events"] > 5
    assert "a checkpoint kept elsewhere" in done.stderr


def test_the_log_is_whole_by_what_the_auditor_keeps(audited: Audited):
    done = audited.call("audit", "verify", "--key", audited.key, "--checkpoint", audited.checkpoint)
    assert done.returncode == exits.DONE, done.stderr
    assert done.stdout.startswith("whole  ")


def test_a_bundle_verifies_and_replays_with_nothing_but_a_key(audited: Audited, tmp_path: Path):
    done = call(nowhere(tmp_path), "audit", "verify", "--bundle", str(audited.bundle), "--key", str(audited.key))
    assert done.returncode == exits.DONE, done.stderr
    assert "the run replays identically" in done.stdout
    assert not (tmp_path / "nowhere").exists()


def test_an_edited_bundle_is_told_with_its_place(audited: Audited, tmp_path: Path):
    edited = tmp_path / "edited.jsonl"
    edited.write_text(audited.bundle.read_text().replace("given-plan", "given-plam"))
    done = call(nowhere(tmp_path), "audit", "verify", "--bundle", str(edited), "--key", str(audited.key), "--json")
    assert done.returncode == exits.TAMPERED
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["kind"] == "edited"
    assert finding["first"].startswith("0.0:")


def test_a_stranger_s_key_and_a_missing_key(audited: Audited, tmp_path: Path):
    stranger = FileSigner.generated("precedent.local/stranger").key
    done = call(nowhere(tmp_path), "audit", "verify", "--bundle", str(audited.bundle), "--key", str(stranger))
    assert done.returncode == exits.TAMPERED
    assert "is not signed by precedent.local/stranger" in done.stdout
    done = call(nowhere(tmp_path), "audit", "verify", "--bundle", str(audited.bundle))
    assert done.returncode == exits.INVALID
    assert "a key that came with the bundle would prove nothing" in done.stderr
    done = call(nowhere(tmp_path), "audit", "verify", "--bundle", str(audited.key), "--key", str(audited.key))
    assert done.returncode == exits.INVALID
    assert "line 1 is no JSON" in done.stderr


def test_a_private_key_that_others_can_read_is_refused(audited: Audited):
    key = audited.data / "ledger.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    try:
        done = audited.call("audit", "keys")
        assert done.returncode == exits.INVALID
        assert f"chmod 600 {key}" in done.stderr
    finally:
        key.chmod(0o600)


def test_an_unknown_run_has_no_bundle(audited: Audited, tmp_path: Path):
    done = audited.call("audit", "export", "nothing", "-o", tmp_path / "x.jsonl")
    assert done.returncode == exits.NO
    assert "there is no run nothing" in done.stderr


def test_a_key_that_follows_is_trusted_through_the_one_before(audited: Audited, tmp_path: Path):
    done = audited.call("audit", "rotate-key", "--json")
    assert done.returncode == exits.DONE, done.stderr
    rotated = json.loads(done.stdout)
    assert rotated["old"] == audited.key.read_text()
    assert "no checkpoint is signed with this key yet" in audited.call("audit", "keys").stderr
    assert audited.call("down").returncode == exits.DONE
    assert audited.call("up", "--detach").returncode == exits.DONE
    run = json.loads(audited.call("run", "--json", "examples/word-count.yaml").stdout)["run"]
    bundle = tmp_path / "after.jsonl"
    published(audited, run, bundle)
    assert "no checkpoint is signed" not in audited.call("audit", "keys").stderr
    assert rotated["new"].split("+")[1] not in audited.key.read_text()
    for key in (rotated["old"], rotated["new"]):
        assert audited.call("audit", "verify", "--bundle", bundle, "--key", key).returncode == exits.DONE
    done = audited.call("audit", "verify", "--key", audited.key, "--checkpoint", audited.checkpoint)
    assert done.returncode == exits.DONE, done.stdout


def test_a_log_that_lost_events_is_not_written_to_until_it_is_repaired(audited: Audited):
    assert audited.call("down").returncode == exits.DONE
    (messages,) = audited.data.glob("nats/jetstream/*/streams/EVENTS_0_0/msgs")
    for file in messages.iterdir():
        file.unlink()
    done = audited.call("run", "examples/word-count.yaml")
    assert done.returncode == exits.TAMPERED, done.stderr
    assert "nothing is written to it" in done.stderr
    done = audited.call("audit", "verify", "--json")
    assert done.returncode == exits.TAMPERED
    assert json.loads(done.stdout)["findings"][-1]["kind"] == "truncated"
    assert audited.call("audit", "verify", "--archive", "--key", audited.key).returncode == exits.DONE
    done = audited.call("audit", "repair", "--json")
    assert done.returncode == exits.NO, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["how"], plan["written"]) == ("append", 0)
    done = audited.call("audit", "repair", "--yes", "--json")
    assert done.returncode == exits.DONE, done.stderr
    assert json.loads(done.stdout)["written"] == plan["missing"]
    done = audited.call("audit", "verify", "--checkpoint", audited.checkpoint)
    assert done.returncode == exits.DONE, done.stdout
    assert audited.call("replay", audited.run).returncode == exits.DONE
    assert audited.call("run", "examples/word-count.yaml").returncode == exits.DONE
