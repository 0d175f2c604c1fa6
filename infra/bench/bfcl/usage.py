"""What the processes of a stack have used, as Linux tells: less noisy than wall time on a machine that others share."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from infra.stack.state import read_state


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process has used since it started."""

    processor_seconds: float
    """In user and kernel mode together."""
    peak_megabytes: float
    """Most memory that it held at once."""


def usage_of_stack(data: Path) -> dict[str, Usage]:
    """Usage of every component of the stack in this directory; none where the system has no ``/proc``."""
    state = read_state(data)
    if state is None:
        return {}
    pids = {name: component.process.pid for name, component in state.components.items() if component.process}
    found = {name: _usage(Path("/proc") / str(pid)) for name, pid in pids.items()}
    return {name: usage for name, usage in found.items() if usage is not None}


def _usage(process: Path) -> Usage | None:
    # Fields of proc(5): after the name, which may hold anything, utime and stime are the 12th and 13th.
    try:
        fields = (process / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        peak = re.search(r"^VmHWM:\s+(\d+) kB", (process / "status").read_text("ascii", "replace"), re.MULTILINE)
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(peak.group(1)) / 1024 if peak else 0.0)
