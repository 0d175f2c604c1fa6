"""A solved task is answered by its program: the whole way, on a real deployment, with a model that answers but once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from infra.cli.session import SERVICES
from infra.settings import load
from infra.stack.commands import down, up_detached
from tests.conftest import temporary_data_directory
from tests.infra.cli.conftest import Cli

PLAN = "(let [pages (call :fs.list {:path (:folder inputs)})] (count pages))"
TASK: dict[str, Any] = {
    "goal": "Count the files of a folder",
    "output": ":int",
    "tools": ["fs.list"],
    "checks": ["(>= output 1)"],
    "cache": {"levels": ["L4"], "namespace": "counting"},
}
PATIENCE = 20.0


@pytest.fixture(scope="module")
def reusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A stack whose model has one answer, and its setting of models."""
    transcript = tmp_path_factory.mktemp("model") / "transcript.yaml"
    entry = {
        "match": {"role": "planner", "contains": ["Count the files"]},
        "answer": f"```rtfs\n{PLAN}\n```",
        "usage": {"prompt_tokens": 900, "completion_tokens": 120},
    }
    transcript.write_text(json.dumps({"transcript": 1, "label": "by hand", "entries": [entry]}))
    models = {"default": f"recorded:{transcript}"}
    with temporary_data_directory() as data:
        up_detached(load(data=data, durability="flush", models=models), services=SERVICES)
        try:
            yield data, json.dumps(models)
        finally:
            down(data)


@pytest.fixture
def cli(offline: Cli, reusing: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    data, models = reusing
    monkeypatch.setenv("PRECEDENT_DATA", str(data))
    monkeypatch.setenv("PRECEDENT_MODELS", models)
    return offline


@pytest.fixture
def count(cli: Cli, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Run the task over a folder of its own, and show the run."""

    def run(folder: str) -> dict[str, Any]:
        path = tmp_path / "task.yaml"
        path.write_text(json.dumps(TASK | {"inputs": {"folder": folder}}))
        called = cli("run", "--json", path)
        assert called.code == exits.DONE, called.err
        shown: dict[str, Any] = cli("show", str(called.document["run"]), "--json").document
        return shown

    return run


def published(cli: Cli) -> dict[str, Any]:
    """The program that the first run found, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while not (programs := cli("programs", "ls", "--namespace", "counting", "--json").document["programs"]):
        assert time.monotonic() < deadline, "nothing was published"
    found: dict[str, Any] = programs[0]
    return found


def answered_by_program(count: Callable[[str], dict[str, Any]], folder: str) -> dict[str, Any]:
    """A run of the task, once this worker has heard of its program."""
    deadline = time.monotonic() + PATIENCE
    while (shown := count(folder))["route"] != "program":
        assert time.monotonic() < deadline, shown["reuse"]
    return shown


def test_a_solved_task_is_answered_by_its_program_until_that_is_revoked(
    cli: Cli, count: Callable[[str], dict[str, Any]]
):
    first = count("docs")
    assert (first["route"], first["usage"]["model_calls"]) == ("model", 1)
    assert [(each["level"], each["outcome"]) for each in first["reuse"]] == [("L4", "miss")]
    program = published(cli)
    assert (program["validation_status"], program["run"]) == ("verified", first["run"])

    again = answered_by_program(count, "examples")
    assert again["usage"]["model_calls"] == 0
    assert again["program"] == program["module"]
    (lookup,) = again["reuse"]
    assert (lookup["outcome"], lookup["entry"], lookup["settled"]) == ("hit", program["id"], "succeeded")
    assert lookup["tokens"] == 1020
    assert cli("replay", again["run"]).code == exits.DONE

    assert cli("programs", "verify", "--all").code == exits.DONE
    document = cli("programs", "show", program["id"], "--json").document
    assert document["as_signed"]
    assert document["successes"] >= 1
    (level,) = cli("cache", "stats", "--json").document["groups"]
    assert level["saved_tokens"] == 1020 * level["hits"]

    assert cli("programs", "revoke", program["id"], "--reason", "it counts folders too").code == exits.DONE
    after = count("examples")
    assert (after["route"], after["usage"]["model_calls"]) == ("model", 1)
    assert cli("programs", "show", program["id"], "--json").document["not_used_because"] == (
        "its module was revoked: it counts folders too"
    )


def test_rows_that_were_dropped_are_the_same_when_they_are_built_anew(cli: Cli):
    asked = [("programs", "ls"), ("cache", "stats"), ("cache", "stats", "--by", "module")]
    before = [cli(*arguments, "--json").document for arguments in asked]
    assert before[0]["programs"]
    for projection in ("programs", "reuse"):
        assert cli("rebuild", projection).code == exits.DONE
    assert [cli(*arguments, "--json").document for arguments in asked] == before
