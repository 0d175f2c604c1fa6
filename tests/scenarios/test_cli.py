"""The command line as a person uses it: processes, terminals, signals, pipes, and no stack that runs already."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.cli import exits
from infra.stack.commands import down, status
from tests.conftest import temporary_data_directory

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "import sys; from infra.cli.main import main; sys.exit(main())"]


def environment_of(data: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PRECEDENT_")}
    return {**clean, "PRECEDENT_DATA": str(data), "PRECEDENT_DURABILITY": "flush"}


@pytest.fixture
def environment(data_directory: Path) -> Iterator[dict[str, str]]:
    """Of a shell with a data directory of its own, empty."""
    yield environment_of(data_directory)
    down(data_directory)


@pytest.fixture(scope="module")
def first_run() -> Iterator[tuple[dict[str, str], subprocess.CompletedProcess[str]]]:
    """Of a shell whose data directory holds one run, and what that run's command said."""
    with temporary_data_directory() as data:
        environment = environment_of(data)
        yield environment, call(environment, "run", "--json", "examples/word-count.yaml")


def call(environment: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=environment,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def started(environment: dict[str, str], *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment, cwd=ROOT, text=True, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, **options,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if wanted in line:
            return read
    raise AssertionError(f"{wanted!r} never came; read: {read}")


def test_a_task_runs_without_any_stack_and_its_data_is_kept(first_run):
    environment, ran = first_run
    assert ran.returncode == exits.DONE, ran.stderr
    document = json.loads(ran.stdout)
    assert document["output"]["files"] == len(list((ROOT / "docs").rglob("*.md")))
    assert "starting broker, database and services for this command" in ran.stderr
    assert call(environment, "status").returncode == exits.NO, "what was started is stopped"
    replayed = call(environment, "replay", document["run"])
    assert replayed.returncode == exits.DONE, replayed.stderr
    assert "starting broker and database for this command" in replayed.stderr
    assert "the same bytes" in replayed.stdout
    listed = json.loads(call(environment, "runs", "--json").stdout)["runs"]
    assert [row["id"] for row in listed] == [document["run"]]


def test_the_demo_shows_every_role_and_an_identical_replay(environment: dict[str, str]):
    ran = call(environment, "demo")
    assert ran.returncode == exits.DONE, ran.stderr
    for shown in (
        "recorded transcript", "Plan 1 rejected", "Plan 2 drafted", "Program compiled", "python.metadata answered",
        "Critic accepts the output", "identical", "the same bytes", "Route: program", "0 model calls",
    ):  # fmt: skip
        assert shown in ran.stdout
    assert re.search(r"(\d+) of \1 effects asked alike", ran.stdout)


def test_another_terminal_approves_and_control_c_leaves_the_run(environment: dict[str, str], tmp_path: Path):
    task = tmp_path / "task.yaml"
    task.write_text("{goal: Ask, plan: '(call :clock.now {})', tools: [clock.now], approvals: [clock.now]}")
    with started(environment, "run", str(task)) as first:
        command = read_until(first, "precedent approve").splitlines()[-1].split()
        with started(environment, "events", "--follow") as follower:
            read_until(follower, "ApprovalRequested")
            assert call(environment, *command[1:]).returncode == exits.DONE
            read_until(first, "all of it:")
            assert first.stderr is not None
            assert "starting broker, database and services" in first.stderr.readline()
            assert "other commands use the servers that this one started" in first.stderr.readline()
            follower.send_signal(signal.SIGINT)
            assert follower.wait(timeout=20) == exits.INTERRUPTED
        assert first.wait(timeout=20) == exits.DONE
    with started(environment, "run", str(task)) as second:
        run = read_until(second, "precedent approve").splitlines()[-1].split()[2]
        second.send_signal(signal.SIGINT)
        _, said = second.communicate(timeout=20)
        assert second.returncode == exits.INTERRUPTED
        assert f"run {run} is kept and goes on when a worker runs" in said
        assert f"precedent cancel {run}" in said
        assert "Traceback" not in said
    assert json.loads(call(environment, "show", run, "--json").stdout)["status"] == "waiting"


def test_control_c_leaves_a_run_to_the_stack_that_runs(environment: dict[str, str], tmp_path: Path):
    task = tmp_path / "task.yaml"
    task.write_text("{goal: Sleep, plan: '(call :timer.sleep {:seconds 3600})', tools: [timer.sleep]}")
    assert call(environment, "up", "--detach").returncode == exits.DONE
    with started(environment, "run", str(task)) as process:
        run = read_until(process, "Sleeps").split()[1]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, "goes on without you" in said) == (exits.INTERRUPTED, True)
    assert call(environment, "cancel", run).returncode == exits.DONE
    assert json.loads(call(environment, "show", run, "--json").stdout)["status"] == "cancelled"
    assert call(environment, "down").returncode == exits.DONE
    assert call(environment, "status").returncode == exits.NO


def test_up_serves_until_it_is_told_to_stop(environment: dict[str, str], data_directory: Path):
    with started(environment, "up") as process:
        assert str(data_directory) in read_until(process, "ready")
        assert call(environment, "status").returncode == exits.DONE
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == exits.DONE
    assert not status(data_directory).running


def test_events_are_followed_from_now_also_those_of_a_run_that_is_yet_to_come(environment: dict[str, str]):
    assert call(environment, "up", "--detach").returncode == exits.DONE
    submit = {"type": "SubmitRun", "data": {"task": {"goal": "Give 1", "plan": "1"}}}
    call(environment, "publish", "-", stdin=json.dumps({**submit, "id": "earlier"}))
    with (
        started(environment, "events", "--follow", "--from", "now", "--type", "RunSubmitted") as every,
        started(environment, "events", "--follow", "--run", "later") as one,
    ):
        assert every.stderr is not None
        assert one.stderr is not None
        assert every.stderr.readline().startswith("events behind 0.0:")
        assert "there is no run later of tenant default yet; waiting" in one.stderr.readline()
        call(environment, "publish", "-", stdin=json.dumps({**submit, "id": "later"}))
        for follower in (every, one):
            assert follower.stdout is not None
            first = json.loads(follower.stdout.readline())
            assert (first["subject"], first["type"]) == ("later", "precedent.run.RunSubmitted.v1")
            follower.send_signal(signal.SIGINT)
            assert follower.wait(timeout=20) == exits.INTERRUPTED


def test_a_closed_pipe_is_no_error(first_run):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*PROGRAM, "events"], env=first_run[0], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (ended.returncode, "Traceback" in ended.stderr) == (exits.READER_GONE, False)


def test_a_terminal_has_colours_and_a_pipe_has_none(environment: dict[str, str]):
    assert "\x1b[" not in call(environment, "explain", "SubmitRun").stdout
    controller, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [*PROGRAM, "explain", "SubmitRun"], env={**environment, "TERM": "xterm-256color"}, cwd=ROOT, stdout=terminal
        ) as process:
            assert process.wait(timeout=30) == exits.DONE
        assert b"\x1b[" in os.read(controller, 65536)
    finally:
        os.close(controller)
        os.close(terminal)


def test_a_reading_stack_takes_no_commands_and_says_why(first_run):
    environment, _ = first_run
    with started(environment, "events", "--follow") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["specversion"] == "1.0"
        draining = threading.Thread(target=process.stdout.read)  # a full pipe would hold the command in its write
        draining.start()
        refused = call(environment, "cancel", "x", "--json")
        assert refused.returncode == exits.UNREACHABLE
        assert json.loads(refused.stdout)["error"]["code"] == "stack.no-worker"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == exits.INTERRUPTED
        draining.join()
