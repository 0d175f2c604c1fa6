"""A solved task is answered by its program, on the real servers: told by the log, kept by no index."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from infra.stack.commands import down
from tests.scenarios.test_cli import call, environment_of

TRANSCRIPT = """
transcript: 1
label: a test's, written by hand
entries:
  - match: {role: planner, contains: ["Count the lines"]}
    answer: |
      ```rtfs
      (count (split-lines (call :fs.read {:path (:file inputs)})))
      ```
"""
TASK = {
    "goal": "Count the lines of the file",
    "inputs": {"file": "README.md"},
    "output": ":int",
    "tools": ["fs.read"],
    "checks": ["(pos? output)"],
    "cache": {"levels": ["L1", "L2", "L4"], "namespace": "stories"},
}


@pytest.fixture
def environment(data_directory: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a shell with a transcript in place of a model."""
    transcript = tmp_path / "transcript.yaml"
    transcript.write_text(TRANSCRIPT)
    models = json.dumps({"default": f"recorded:{transcript}"})
    made = environment_of(data_directory) | {"PRECEDENT_MODELS": models}
    yield made
    down(data_directory)


def ran(environment: dict[str, str], path: Path, **changes: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Output of the task, and the events of its run."""
    path.write_text(json.dumps(TASK | changes))
    called = call(environment, "run", "--json", str(path))
    assert called.returncode == exits.DONE, called.stderr
    document = json.loads(called.stdout)
    events = call(environment, "events", "--run", document["run"])
    return document["output"], [json.loads(line) for line in events.stdout.splitlines()]


def kinds(events: list[dict[str, Any]]) -> set[str]:
    return {event["type"].split(".")[2] for event in events}


def lines(file: str) -> int:
    return len((Path(__file__).parents[2] / file).read_text().splitlines())


@pytest.mark.timeout(400)  # a deployment is started twice
def test_a_task_comes_again_with_other_inputs_after_every_index_was_lost(
    environment: dict[str, str], data_directory: Path, tmp_path: Path
) -> None:
    task = tmp_path / "task.json"
    assert call(environment, "up", "--detach").returncode == exits.DONE
    output, events = ran(environment, task)
    assert output == lines("README.md")
    assert "ModelCallAnswered" in kinds(events)

    output, events = ran(environment, task, inputs={"file": "docs/tasks.md"})
    assert output == lines("docs/tasks.md")
    assert "ProgramReused" in kinds(events)
    assert "ModelCallRequested" not in kinds(events)
    (routed,) = [event["data"] for event in events if event["type"].endswith("RunRouted.v1")]
    assert [(each["level"], each["outcome"]) for each in routed["lookups"]] == [("L1", "hit"), ("L4", "hit")]
    assert call(environment, "replay", events[0]["subject"]).returncode == exits.DONE

    assert call(environment, "down").returncode == exits.DONE
    shutil.rmtree(data_directory / "vectors", ignore_errors=True)
    assert call(environment, "up", "--detach").returncode == exits.DONE
    rebuilt = call(environment, "rebuild", "programs")
    assert rebuilt.returncode == exits.DONE, rebuilt.stderr
    output, events = ran(environment, task, inputs={"file": "docs/tools.md"})
    assert output == lines("docs/tools.md")
    assert "ModelCallRequested" not in kinds(events)

    reused = next(event["data"] for event in events if event["type"].endswith("ProgramReused.v1"))
    revoked = call(environment, "programs", "revoke", reused["digest"], "--reason", "a story")
    assert revoked.returncode == exits.DONE, revoked.stderr
    output, events = ran(environment, task)
    assert output == lines("README.md")
    assert "ProgramReused" not in kinds(events)
    assert call(environment, "replay", "--all").returncode == exits.DONE
    assert call(environment, "audit", "verify").returncode == exits.DONE
