"""Agents on a real deployment, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from tests.infra.cli.conftest import Cli

REPLAY = "import sys; from infra.cli.main import main; sys.exit(main())"
PAGES = ["docs/tasks.md", "docs/tools.md", "docs/models.md", "README.md"]


@pytest.fixture
def agent_task(tmp_path: Path) -> Callable[..., Path]:
    """Write a task file for an agent."""

    def write(agent: str, **fields: Any) -> Path:
        path = tmp_path / "task.yaml"
        path.write_text(json.dumps({"goal": f"Have {agent} do it", "agent": agent, **fields}), "utf-8")
        return path

    return write


def test_an_agent_runs_is_shown_and_replays(cli: Cli, agent_task: Callable[..., Path]) -> None:
    called = cli("run", "--json", agent_task("t.reader", tools=["fs.read", "fs.stat"], inputs={"pages": PAGES}))
    assert called.code == exits.DONE, called.err
    run = called.document["run"]
    assert called.document["output"]["found"][len(PAGES) :] == PAGES, "the second round, in the order of the branches"
    assert cli("replay", run).code == exits.DONE
    again = cli("replay", run, "--mode", "re-execute", "--json").document
    assert (again["executed"], again["others"]) == (2 * len(PAGES), [])
    shown = cli("show", run).out
    assert "Agent t.reader 1 takes over" in shown
    assert "The agent says" in shown
    assert [each["name"] for each in cli("agents", "ls", "--json").document["agents"]] == ["t.reader", "t.unordered"]
    assert "use sorted(…) instead" in cli("agents", "show", "t.unordered").out


def test_what_was_configured_after_the_worker_started_is_told(
    cli: Cli, agent_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEDENT_AGENTS", '["examples.links"]')
    refused = cli("run", agent_task("docs.links"))
    assert refused.code == exits.INVALID
    assert "docs.links is configured here, but the worker that runs was started without it" in refused.err
    assert "was started without it" not in cli("run", agent_task("docs.lynx")).err


def test_a_replay_without_the_agent_is_refused_and_a_view_is_not(
    cli: Cli, agent_task: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = cli("run", "--json", agent_task("t.reader", tools=[], inputs={"pages": []})).document["run"]
    monkeypatch.setenv("PRECEDENT_AGENTS", "[]")
    refused = cli("replay", run)
    assert refused.code == exits.UNREACHABLE
    assert "pinned to version 1 of agent t.reader, and it is not here" in refused.err
    assert cli("replay", run, "--mode", "view").code == exits.DONE
    assert "agent t.reader 1 pursues the run" in cli("show", run, "--at", "4").out
    assert "Route: agent" in cli("show", run).out


def test_a_fork_of_an_agents_run_inherits_its_prefix(cli: Cli, agent_task: Callable[..., Path]) -> None:
    run = cli("run", "--json", agent_task("t.reader", tools=["fs.read", "fs.stat"], inputs={"pages": PAGES})).document
    beginning = cli("show", run["run"], "--json").document["timeline"]
    at = 1 + next(place for place, each in enumerate(beginning, start=1) if each["event"] == "ToolCallCompleted")
    early = cli("fork", run["run"], "--at", str(at), "--json").document
    assert (early["usage"]["inherited"], early["usage"]["tool_calls"]) == (2, 2 * len(PAGES) - 2)
    assert early["output"]["found"] == run["output"]["found"]
    assert early["output"]["id"] != run["output"]["id"], "that came after event N"
    whole = cli("fork", early["run"], "--json").document
    assert (whole["output"], whole["usage"]["tool_calls"]) == (early["output"], 0)
    assert cli("diff", early["run"], whole["run"]).code == exits.DONE
    other = cli("fork", run["run"], "--agent", "t.unordered", "--json").document
    assert (other["usage"]["inherited"], cli("diff", run["run"], other["run"]).code) == (0, exits.NO)
    for each in (early, whole):
        assert cli("replay", each["run"]).code == exits.DONE
    refused = cli("fork", run["run"], "--agent", "t.raeder")
    assert (refused.code, "did you mean t.reader or" in refused.err) == (exits.INVALID, True)


def test_a_task_for_an_agent_that_is_not_here_is_refused(cli: Cli, agent_task: Callable[..., Path]) -> None:
    refused = cli("run", agent_task("t.raeder"))
    assert refused.code == exits.INVALID
    assert "agent: 't.raeder' is no agent here; did you mean t.reader or" in refused.err


def test_the_order_of_a_set_is_caught_in_another_process(cli: Cli, agent_task: Callable[..., Path]) -> None:
    run = cli("run", "--json", agent_task("t.unordered")).document["run"]
    replays = [
        subprocess.run(
            [sys.executable, "-c", REPLAY, "replay", run, "--no-record"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=False,
        )
        for seed in range(1, 4)
    ]
    diverged = [each for each in replays if each.returncode == exits.DIVERGED]
    assert len(diverged) >= 2, [each.stderr for each in replays]
    assert "uses the order of a set: use sorted(…) instead" in " ".join(diverged[0].stderr.split())
