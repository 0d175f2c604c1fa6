"""An operator's story: what runs saw lies in a bucket, and is replayed, audited, backed up and restored from there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from tests.conftest import temporary_data_directory
from tests.scenarios.test_audit import call
from tests.scenarios.test_cli import PROGRAM, ROOT, environment_of
from tests.seaweedfs import BUCKET, SeaweedFS

TEXT = "".join(f"line {n} of what a tool read\n" for n in range(10_000))
TASK = """
goal: Count the lines of a large file
inputs: {path: large.txt}
output: "[:map [:lines :int]]"
tools: [fs.read]
plan: |
  {:lines (count (split-lines (call :fs.read {:path (:path inputs)})))}
limits: {seconds: 60, tokens: 0, usd: 0, tool_calls: 5}
"""


@dataclass
class Deployment:
    """One whose content lies in the bucket, and the run that it made."""

    environment: dict[str, str]
    folder: Path
    run: str = ""

    def call(self, *arguments: Any) -> Any:
        return call(self.environment, *map(str, arguments), folder=self.folder)

    def done(self, *arguments: Any) -> Any:
        done = self.call(*arguments, "--json")
        assert done.returncode == exits.DONE, done.stderr
        return json.loads(done.stdout)


def environment_on(s3: SeaweedFS, data: Path, prefix: str, credentials: Path) -> dict[str, str]:
    return {
        **environment_of(data),
        "PRECEDENT_CONTENT__URL": str(s3.address(prefix)),
        "PRECEDENT_CONTENT__CREDENTIALS": str(credentials),
    }


@pytest.fixture(scope="module")
def credentials(s3: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "key.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"access_key": s3.access_key, "secret_key": s3.secret_key}))
    return file


@pytest.fixture(scope="module")
def deployment(
    s3: SeaweedFS, credentials: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployment, Path]]:
    """And its data directory."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "large.txt").write_text(TEXT)
    (folder / "task.yaml").write_text(TASK)
    with temporary_data_directory() as data:
        made = Deployment(environment_on(s3, data, "first", credentials), folder)
        made.done("up", "--detach")
        made.run = made.done("run", "task.yaml")["run"]
        yield made, data
        made.call("down")


def stored(s3: SeaweedFS, prefix: str) -> list[str]:
    return [each.object_name or "" for each in s3.client().list_objects(BUCKET, f"{prefix}/", recursive=True)]


def test_what_a_tool_read_is_in_the_bucket_and_in_no_file(s3: SeaweedFS, deployment: tuple[Deployment, Path]):
    _, data = deployment
    blobs = [s3.client().get_object(BUCKET, key).data for key in stored(s3, "first/default")]
    assert any(b"line 9999 of what a tool read" in blob for blob in blobs)
    assert all(path.parts[len(data.parts) + 1] == ".ledger" for path in (data / "content").rglob("*") if path.is_file())
    secret = deployment[0].environment["PRECEDENT_CONTENT__CREDENTIALS"]
    for value in json.loads(Path(secret).read_text()).values():
        assert not [path for path in (data / "logs").iterdir() if value in path.read_text()]


def test_the_run_replays_and_is_proven_from_there(deployment: tuple[Deployment, Path], tmp_path: Path):
    made, _ = deployment
    made.done("replay", made.run)
    made.done("audit", "export", made.run, "-o", tmp_path / "run.jsonl")
    key = made.done("audit", "keys")["key"]
    assert made.done("audit", "verify", "--bundle", tmp_path / "run.jsonl", "--key", key)["sound"]
    elsewhere = {"PRECEDENT_CONTENT__URL": made.environment["PRECEDENT_CONTENT__URL"].replace("/first?", "/empty?")}
    missing = Deployment(made.environment | elsewhere, made.folder).call("replay", made.run)
    assert missing.returncode == exits.TAMPERED, "what the record refers to is not there"
    assert "is not in s3://" in missing.stderr


def test_a_run_waits_for_a_server_that_is_away_and_goes_on_when_it_returns(
    s3: SeaweedFS, deployment: tuple[Deployment, Path]
):
    made, data = deployment
    (made.folder / "large.txt").write_text(TEXT + "and another line\n")
    told = f"waits for a service: content store s3://{BUCKET} at {s3.endpoint} does not answer"
    with ThreadPoolExecutor(1) as threads:
        s3.kill()
        try:
            running = threads.submit(run_apart, made)
            deadline = time.monotonic() + 60
            while told not in (data / "logs" / "worker.log").read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            s3.start()
        assert running.result()["output"] == {"lines": 10_001}


def run_apart(made: Deployment) -> Any:
    """In a process of its own, since a working directory and an environment are a whole process's."""
    done = subprocess.run(
        [*PROGRAM, "run", "task.yaml", "--json"],
        env=made.environment | {"PYTHONPATH": str(ROOT)},
        cwd=made.folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == exits.DONE, done.stderr
    return json.loads(done.stdout)


def test_a_backup_brings_it_into_another_bucket(
    s3: SeaweedFS, credentials: Path, deployment: tuple[Deployment, Path], tmp_path: Path
):
    made, _ = deployment
    made.done("audit", "export", made.run, "-o", tmp_path / "run.jsonl")  # waits for the checkpoint over it
    assert made.done("backup", "-o", tmp_path / "b.tar")["content"] == len(stored(s3, "first"))
    key = made.done("audit", "keys")["key"]
    with temporary_data_directory() as data:
        elsewhere = Deployment(environment_on(s3, data, "second", credentials), made.folder)
        elsewhere.done("restore", tmp_path / "b.tar", "--data", data, "--key", key)
        assert [name.partition("/")[2] for name in stored(s3, "second")] == [
            name.partition("/")[2] for name in stored(s3, "first")
        ]
        assert elsewhere.call("replay", made.run).returncode == exits.DONE


def test_a_bucket_that_is_not_there_and_a_key_that_others_read_are_told_at_once(
    s3: SeaweedFS, credentials: Path, tmp_path: Path
):
    with temporary_data_directory() as data:
        environment = environment_on(s3, data, "", credentials)
        absent = environment | {"PRECEDENT_CONTENT__URL": f"s3://absent?endpoint={s3.endpoint}"}
        done = call(absent, "up", "--detach")
        assert done.returncode == exits.UNREACHABLE
        assert f"s3://absent at {s3.endpoint} answered 404 NoSuchBucket: there is no such bucket" in done.stderr
        (tmp_path / "key.json").write_bytes(credentials.read_bytes())
        (tmp_path / "key.json").chmod(0o644)
        done = call(environment | {"PRECEDENT_CONTENT__CREDENTIALS": str(tmp_path / "key.json")}, "up", "--detach")
        assert done.returncode == exits.INVALID
        assert f"chmod 600 {tmp_path / 'key.json'}" in done.stderr
        assert not data.exists()
