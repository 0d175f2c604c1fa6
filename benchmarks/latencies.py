"""How long calls take that are made one after the other, and the table that tells it.

Processor time is this process's own: it changes less on a busy machine than what the clock says.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Latency:
    """One line of a table; milliseconds."""

    what: str
    p50: float
    p99: float
    longest: float
    cpu: float
    """Mean."""
    calls: int
    aim: float | None = None
    """Of the 99th percentile."""


async def measured(what: str, calls: Sequence[Call], aim: float | None = None) -> Latency:
    """Make the calls."""
    took, worked = [], time.process_time()
    for call in calls:
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1e3)
    cpu = (time.process_time() - worked) / len(calls) * 1e3
    return Latency(what, statistics.median(took), statistics.quantiles(took, n=100)[98], max(took), cpu, len(took), aim)


def parser(description: str, *, entries: int, calls: int) -> argparse.ArgumentParser:
    """The options that all of these programs take."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--entries", type=int, default=entries, help=f"in the cache (default {entries:,})")
    made.add_argument("--hits", type=int, default=calls, help=f"that are timed, of each kind (default {calls:,})")
    made.add_argument("--json", action="store_true")
    return made


def show(lines: Sequence[Latency], *, as_json: bool) -> None:
    """Print the table."""
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
        return
    print(f"{'milliseconds':<40}{'p50':>9}{'p99':>9}{'longest':>9}{'CPU':>9}  aim of p99")
    for line in lines:
        missed = line.aim is not None and line.p99 > line.aim
        aim = "" if line.aim is None else f"{line.aim:g}{'  missed' if missed else ''}"
        print(f"{line.what:<40}{line.p50:>9.3f}{line.p99:>9.3f}{line.longest:>9.3f}{line.cpu:>9.3f}  {aim}")
