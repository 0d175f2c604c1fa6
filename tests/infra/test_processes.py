"""Processes that share a command's work end with it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from infra.bootstrap.processes import processes

WITHIN = 60.0
"""Seconds for a process to be gone."""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, whoever may still have to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + WITHIN
    while not all(map(is_gone, pids)):
        assert time.monotonic() < until, f"{[each for each in pids if not is_gone(each)]} go on"
        time.sleep(0.02)


def test_they_end_with_the_work() -> None:
    with processes(2, now=False) as several:
        assert several.executor.submit(os.getpid).result(WITHIN) in several.ids()
    wait_until_gone(several.ids())


def test_an_error_ends_what_they_do() -> None:
    pids: list[int] = []

    def work() -> None:
        with processes(1, now=False) as several:
            several.executor.submit(os.getpid).result(WITHIN)
            several.executor.submit(time.sleep, 10 * WITHIN)
            pids.extend(several.ids())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(pids) == 1
    wait_until_gone(pids)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")], ids=["kill", "crash"]
)
def test_one_that_was_ended_is_named_and_not_the_others(number: signal.Signals, name: str) -> None:
    with processes(2, now=False) as several:
        for each in [several.executor.submit(time.sleep, 0.3) for _ in range(2)]:
            each.result(WITHIN)
        waiting = [several.executor.submit(time.sleep, 10 * WITHIN) for _ in range(2)]
        victim = several.ids()[-1]
        os.kill(victim, number)
        with pytest.raises(BrokenExecutor):
            waiting[0].result(WITHIN)
        assert several.fate() == f"process {victim} was ended by {name}"


SCRIPT = """
import os, signal, sys, time
from infra.bootstrap.processes import processes
if __name__ == "__main__":
    with processes(2, now=True) as several:
        several.executor.submit(time.sleep, 600)
        print(*several.ids(), several.executor._mp_context.get_start_method(), flush=True)
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
"""


@pytest.mark.parametrize("how", ["killed", "interrupted", "group interrupted"])
def test_they_are_forked_at_once_and_end_with_a_process_that_is(tmp_path: Path, how: str) -> None:
    script = tmp_path / "works.py"
    script.write_text(SCRIPT, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, str(script), how],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        *pids, method = process.stdout.readline().split()
        if how == "interrupted":
            process.send_signal(signal.SIGINT)
        elif how == "group interrupted":
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=WITHIN)
    assert (len(pids), method) == (2, "fork")
    wait_until_gone([int(each) for each in pids])
    if how != "killed":
        assert err.count("Traceback") == 1, f"theirs is not told: {err}"
