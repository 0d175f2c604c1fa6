"""One deployment for all tests of the command line, and a way to call it as a shell does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.cli.main import main
from infra.cli.session import SERVICES
from infra.settings import load
from infra.stack.commands import down, up_detached
from tests.conftest import temporary_data_directory

TOOLS = '["tests.infra.cli.slow_tools"]'
AGENTS = '["tests.infra.cli.some_agents"]'


@dataclass(frozen=True)
class Called:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Called]


@pytest.fixture(scope="session")
def deployment() -> Iterator[Path]:
    """A detached stack with worker and projector."""
    with temporary_data_directory() as data, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEDENT_TOOLS", TOOLS)
        patch.setenv("PRECEDENT_AGENTS", AGENTS)
        up_detached(load(data=data, durability="flush"), services=SERVICES)
        try:
            yield data
        finally:
            down(data)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call a command line that needs no server."""
    for name in [name for name in os.environ if name.startswith("PRECEDENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PRECEDENT_DATA", str(tmp_path / "data"))

    def call(*arguments: str | Path) -> Called:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture
def cli(offline: Cli, deployment: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call a command line that uses the deployment."""
    monkeypatch.setenv("PRECEDENT_DATA", str(deployment))
    monkeypatch.setenv("PRECEDENT_TOOLS", TOOLS)
    monkeypatch.setenv("PRECEDENT_AGENTS", AGENTS)
    return offline


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Path]:
    """Write a task file."""

    def write(plan: str, **fields: Any) -> Path:
        path = tmp_path / "task.yaml"
        path.write_text(json.dumps({"goal": f"Do {plan}", "plan": plan, **fields}), "utf-8")
        return path

    return write


@pytest.fixture
def submitted(cli: Cli, task: Callable[..., Path]) -> Callable[..., str]:
    """Submit a plan and wait until its run has a status."""

    def submit(plan: str, status: str, **fields: Any) -> str:
        run = str(cli("submit", "--json", task(plan, **fields)).document["run"])
        until_status(cli, run, status)
        return run

    return submit


def until_status(cli: Cli, run: str, status: str) -> Any:
    deadline = time.monotonic() + 15
    while (shown := cli("show", run, "--json").document)["status"] != status:
        assert time.monotonic() < deadline, shown
    return shown
