"""What the benchmark says: one table for people, one document for machines, from the same data."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.bench.bfcl.figures import Figures
from infra.bench.bfcl.usage import Usage

CLOCK: Final = (
    "reads the clock: a run's objects see the moment of its submission, which is among its inputs; "
    "executed at another time with other inputs it may answer otherwise"
)
SET_ORDER: Final = (
    "its error text lists a set of strings, whose order differs from process to process (PYTHONHASHSEED); "
    "no call of the ground truth reaches it"
)
KNOWN_CAUSES: Final = {
    "travel-api.verify-traveler-information": CLOCK,
    "travel-api.book-flight": SET_ORDER,
    "ticket-api.edit-ticket": SET_ORDER,
}
"""Tools whose answer depends on more than their inputs, and on what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """A replay that did not give what is recorded."""

    entry: str
    run: str
    effect: str
    """Key of the effect; empty when only the output differs."""
    tool: str
    expected: str
    actual: str

    @property
    def explanation(self) -> str | None:
        """Why this tool may answer differently; None where nothing explains it."""
        return KNOWN_CAUSES.get(self.tool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """All runs replayed in one mode."""

    mode: str
    runs: int
    seconds: float
    divergences: tuple[Divergence, ...] = ()

    @property
    def identical(self) -> int:
        """Runs whose replay gave the same requests, lanes and output bytes."""
        return self.runs - len({divergence.run for divergence in self.divergences})

    @property
    def unexplained(self) -> int:
        """Divergences that no known cause explains."""
        return sum(divergence.explanation is None for divergence in self.divergences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """All entries run once on one configuration of the log."""

    name: str
    """What is special about it: ``fsync``, ``no fsync``."""
    concurrent: int
    """Runs driven at once."""
    seconds: float
    """Wall time from the first submission to the last end."""
    wrong: tuple[str, ...]
    """Entries whose output is not that of the ground truth executed directly."""
    figures: Figures
    used: dict[str, Usage] = field(default_factory=dict)
    """Process -> what it used; empty where the system does not tell."""
    replays: tuple[Replays, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole benchmark."""

    release: str
    """Release of the corpus."""
    entries: int
    calls: int
    clock_calls: int
    """Calls of the ground truth whose method looks at the clock and can show it."""
    passes: tuple[Pass, ...]
    machine: dict[str, Any] = field(
        default_factory=lambda: {"cores": os.cpu_count(), "python": platform.python_version()}
    )

    @property
    def passed(self) -> bool:
        """Every run completed with the right output, and every divergence is explained."""
        return all(
            one.figures.completed == self.entries
            and not one.wrong
            and not any(replays.unexplained for replays in one.replays)
            for one in self.passes
        )

    def document(self) -> dict[str, Any]:
        """The report as JSON data."""
        passes = []
        for one in self.passes:
            figures = asdict(one.figures)
            for name in ("runs", "completed", "effects_per_second", "runs_per_second", "bytes_per_event"):
                figures[name] = getattr(one.figures, name)
            replays = [
                {
                    **asdict(each),
                    "identical": each.identical,
                    "divergences": [{**asdict(item), "explanation": item.explanation} for item in each.divergences],
                }
                for each in one.replays
            ]
            passes.append({**asdict(one), "figures": figures, "replays": replays})
        return {**asdict(self), "passes": passes, "passed": self.passed}

    def render(self) -> RenderableType:
        """The report as a table, with what is to be said about it below."""
        table = Table(
            title=f"BFCL v4 multi-turn (bfcl-eval {self.release}): {self.entries} entries, {self.calls} calls"
        )
        table.add_column("")
        for one in self.passes:
            table.add_column(one.name, justify="right")
        for label, cells in _rows(self.passes):
            table.add_row(label, *cells)
        return Group(table, *_notes(self))


def _rows(passes: Sequence[Pass]) -> list[tuple[str, list[str]]]:
    figures = [one.figures for one in passes]
    rows = [
        ("runs at once", [str(one.concurrent) for one in passes]),
        ("runs completed", [f"{each.completed} of {each.runs}" for each in figures]),
        ("outputs as the ground truth", [f"{one.figures.runs - len(one.wrong)}" for one in passes]),
        ("wall time", [f"{one.seconds:.2f} s" for one in passes]),
        ("runs/s", [f"{one.figures.runs / one.seconds:,.0f}" for one in passes]),
        ("effects/s", [f"{one.figures.effects / one.seconds:,.0f}" for one in passes]),
        ("step p50 / p99", [f"{each.step.p50:.2f} / {each.step.p99:.2f} ms" for each in figures]),
        ("run p50 / p99", [f"{each.run.p50:.1f} / {each.run.p99:.1f} ms" for each in figures]),
        ("events", [f"{each.events:,}" for each in figures]),
        ("bytes per event", [f"{each.bytes_per_event:,.0f}" for each in figures]),
    ]
    processes = dict.fromkeys(name for one in passes for name in one.used)
    modes = dict.fromkeys(replays.mode for one in passes for replays in one.replays)
    return [
        *rows,
        *((f"{name}: processor, memory", [_used(one.used.get(name)) for one in passes]) for name in processes),
        *((f"replayed, {mode}: identical", [_identical(one, mode) for one in passes]) for mode in modes),
    ]


def _used(usage: Usage | None) -> str:
    return f"{usage.processor_seconds:.1f} s, {usage.peak_megabytes:.0f} MB" if usage else "-"


def _identical(one: Pass, mode: str) -> str:
    found = [replays for replays in one.replays if replays.mode == mode]
    return "".join(f"{replays.identical} of {replays.runs} in {replays.seconds:.2f} s" for replays in found) or "-"


def _notes(report: Report) -> list[RenderableType]:
    clock = "they saw the moment at which their run was submitted, which is among its inputs"
    notes = [f"{report.clock_calls} calls answer by the clock: {clock}."]
    for one in report.passes:
        if one.wrong:
            notes.append(f"{one.name}: wrong output for {', '.join(one.wrong[:10])} ({len(one.wrong)} in all)")
        for replays in one.replays:
            causes = Counter((item.tool, item.explanation or "unexplained") for item in replays.divergences)
            notes += [f"{one.name}, {replays.mode}: {count} x {tool}: {why}" for (tool, why), count in causes.items()]
    return [Text(note) for note in notes]
