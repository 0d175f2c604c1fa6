"""A log that is rolled over, archived and taken out of the broker reads as before, in every command."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from tests.conftest import temporary_data_directory
from tests.scenarios.test_audit import ROOT, Called, call
from tests.scenarios.test_cli import environment_of

READS = (
    ("show", "{run}", "--json"),
    ("decisions", "{run}", "--json"),
    ("events", "--run", "{run}"),
    ("replay", "{run}", "--json"),
    ("diff", "{run}", "{run}", "--json"),
)


class Story:
    """A deployment with a run in its first epoch."""

    def __init__(self, data: Path) -> None:
        self.environment = environment_of(data)
        self.data = data

    def call(self, *arguments: Any) -> Called:
        return call(self.environment, *map(str, arguments))

    def done(self, *arguments: Any) -> str:
        called = self.call(*arguments)
        assert called.returncode == exits.DONE, called.stderr
        return called.stdout

    def run(self) -> str:
        return str(json.loads(self.done("run", "--json", "examples/word-count.yaml"))["run"])

    def read(self, run: str) -> list[str]:
        """What the commands say of a run; each replay has an id of its own."""
        said = [self.done(*(part.format(run=run) for part in command)) for command in READS]
        return [re.sub('"replay": "[^"]*"', "", each) for each in said]

    def epochs(self) -> list[tuple[int, str]]:
        listed = json.loads(self.done("epochs", "ls", "--json"))["epochs"]
        return [(each["epoch"], " and ".join(each["in"])) for each in listed]


@pytest.fixture
def story() -> Iterator[Story]:
    with temporary_data_directory() as data:
        story = Story(data)
        story.done("up", "--detach")
        yield story
        story.call("down")


def test_a_run_of_an_epoch_that_has_left_the_broker(story: Story, tmp_path: Path) -> None:
    old = story.run()
    before = story.read(old)
    assert json.loads(story.done("epochs", "rollover", "--json"))["open"] == 1
    new = story.run()
    assert story.epochs() == [(0, "broker"), (1, "broker")]
    assert story.read(old) == before
    archived = json.loads(story.done("epochs", "archive", "--json"))["archived"]
    assert [(each["epoch"], each["in"]) for each in archived] == [(0, ["broker", "archive"])]
    story.done("epochs", "archive", 0, "--drop")
    assert story.epochs() == [(0, "archive"), (1, "broker")]
    assert story.read(old) == before
    assert json.loads(story.done("audit", "verify", "--json"))["sound"]
    assert json.loads(story.done("audit", "verify", "--archive", "--json"))["sound"]
    assert "identical" in story.done("replay", "--all")
    story.done("rebuild", "runs")
    assert [each["id"] for each in json.loads(story.done("runs", "--json"))["runs"]] == [new, old]

    # Servers that were stopped and started know it too, and a bundle of the old run is proven as ever.
    story.done("down")
    assert story.read(old) == before
    key = tmp_path / "log.key"
    key.write_text(json.loads(story.done("audit", "keys", "--json"))["key"])
    story.done("audit", "export", old, "-o", tmp_path / "old.jsonl")
    story.done("audit", "verify", "--bundle", tmp_path / "old.jsonl", "--key", key)
    ledger = story.data / "content" / ".ledger" / "0"
    second = subprocess.run(
        ["node", "infra/verifier/verify.mjs", "--segments", ledger / "segments", ledger / "checkpoint", key],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(second.stdout)["sound"], second.stdout


def test_a_backup_has_what_has_left_the_broker(story: Story, tmp_path: Path) -> None:
    old = story.run()
    before = story.read(old)
    for _ in range(2):
        story.done("epochs", "rollover")
        story.run()
    story.done("epochs", "archive", 0, "--drop")
    key = tmp_path / "log.key"
    key.write_text(json.loads(story.done("audit", "keys", "--json"))["key"])
    story.done("backup", "-o", tmp_path / "all.tar", "--with-key")
    with temporary_data_directory() as data:
        restored = Story(data)
        restored.done("restore", tmp_path / "all.tar", "--data", data, "--key", key)
        assert restored.epochs() == [(0, "archive"), (1, "archive"), (2, "broker")]
        assert restored.read(old) == before
        assert json.loads(restored.done("audit", "verify", "--json"))["sound"]
        restored.run()


def test_what_cannot_be_done_says_why(story: Story) -> None:
    done = story.call("epochs", "rollover")
    assert (done.returncode, "has no event yet" in done.stderr) == (exits.NO, True)
    assert "there is no closed epoch" in story.done("epochs", "archive")
    done = story.call("epochs", "archive", "3", "--drop")
    assert (done.returncode, "there is no closed epoch 3" in done.stderr) == (exits.NO, True)
    story.run()
    story.done("epochs", "rollover")
    story.done("epochs", "archive", "--drop")
    shutil.rmtree(story.data / "content" / ".ledger" / "0" / "segments")
    assert story.call("audit", "verify").returncode == exits.TAMPERED
