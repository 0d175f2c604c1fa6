"""Processes named so that a reused process id is never mistaken for the process we meant."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id and the mark of its start; ids are reused, the pair is not."""

    pid: int
    mark: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of a running process; None when there is none (a zombie has ended)."""
        mark = _linux_mark(pid) if sys.platform == "linux" else _portable_mark(pid)
        return cls(pid, mark) if mark is not None else None

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def stop(self, gently: signal.Signals, *, grace: float) -> None:
        """Signal it, wait ``grace`` seconds for its end, then kill it; nothing when it has ended."""
        for with_signal, seconds in ((gently, grace), (signal.SIGKILL, grace)):
            if not self.alive():
                return
            try:
                os.kill(self.pid, with_signal)
            except ProcessLookupError:
                return
            if self.ended_within(seconds):
                return

    def ended_within(self, seconds: float) -> bool:
        """Wait at most so many seconds for its end; whether it came."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def memory_bytes(pid: int) -> int | None:
    """Memory of a process and its children, shared pages counted once where the system tells (PSS), else None."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    return sum(_memory_of(member) for member in family)


def _memory_of(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0


def _linux_mark(pid: int) -> str | None:
    # proc(5): the name in parentheses may hold anything; after it come the state (field 3) and, as field 22,
    # the start time in clock ticks since boot, which no change of the clock alters.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _portable_mark(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
