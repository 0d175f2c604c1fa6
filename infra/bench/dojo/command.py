"""``precedent bench dojo``: run it with progress, print the table or the document, say whether it passed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from domain.kernel.values import Json
from infra.bench.dojo.benchmark import Way, benchmark, expected_of
from infra.bench.dojo.corpus import RELEASE, Dojo, Task
from infra.bench.dojo.tools import DojoTools
from infra.cli.output import write_json

SHOWN: Final = 5
"""Runs that are named where something is wrong with many; --json has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """The corpus in the package's own hands, without any run."""

    tasks: int
    calls: int
    held: int
    """User tasks that the package holds for done after these calls, by what became of their environment."""
    judged: int
    """User tasks. What an attack did is seen in an assistant's words, and there are none here."""


def bench(*, as_json: bool, entries: int | None = None) -> bool:
    """Run the benchmark over the first so many tasks (all, when None); give whether it passed.

    Raises ``DojoMissing`` with the command that installs the corpus.
    """
    dojo = Dojo()
    tools = DojoTools(dojo)
    tasks = dojo.tasks[:entries]
    now = datetime.now(UTC)
    oracle, expected = _ask_package(dojo, tools, tasks, now)
    bars: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def advance(name: str) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=len(tasks))
            progress.advance(bars[name])

        ways = asyncio.run(benchmark(tasks, expected, now, advance))
    passed = oracle.held == oracle.judged and all(way.passed for way in ways.values())
    if as_json:
        figures = {name: asdict(way) | {"passed": way.passed} for name, way in ways.items()}
        write_json({"release": RELEASE, "oracle": asdict(oracle), "ways": figures, "passed": passed})
    else:
        Console().print(_table(oracle, ways))
    return passed


def _ask_package(
    dojo: Dojo, tools: DojoTools, tasks: Sequence[Task], now: datetime
) -> tuple[Oracle, Mapping[str, Json]]:
    expected, verdicts = {}, []
    for task in tasks:
        before, after = (dojo.environment(task.suite, task.name) for _ in range(2))
        expected[task.id] = expected_of(tools, after, task, now)
        verdicts.append(dojo.does_it(task, before, after))
    judged = [verdict for verdict in verdicts if verdict is not None]
    calls = sum(len(task.calls) for task in tasks)
    return Oracle(tasks=len(tasks), calls=calls, held=sum(judged), judged=len(judged)), expected


def _table(oracle: Oracle, ways: Mapping[str, Way]) -> Table:
    table = Table(title=f"AgentDojo {RELEASE}: {oracle.tasks} tasks, {oracle.calls} calls")
    table.add_column("")
    for name in ways:
        table.add_column(f"by {'an' if name == 'agent' else 'a'} {name}", justify="right")
    for label, row in _rows(ways).items():
        table.add_row(label, *row)
    table.caption = f"{oracle.held} of {oracle.judged} user tasks are done, as the package itself judges"
    return table


def _rows(ways: Mapping[str, Way]) -> dict[str, list[str]]:
    def row(text: Any) -> list[str]:
        return [text(way) for way in ways.values()]

    rows = {
        "runs completed": row(lambda way: f"{way.completed} of {way.runs}"),
        "results as the package's": row(lambda way: str(way.right)),
        "effects": row(lambda way: str(way.effects)),
        "viewed: states after each event": row(lambda way: f"{way.views} in {way.seconds['view']:.2f} s"),
    }
    for mode in ("verify", "re-execute"):
        rows[f"{mode}: identical"] = row(
            lambda way, mode=mode: f"{way.outcomes[mode].get('identical', 0)} in {way.seconds[mode]:.2f} s"
        )
    rows["re-execute: a set in another order"] = row(lambda way: str(len(way.reordered)))
    rows["differ without an explanation"] = row(lambda way: _named(way.unexplained))
    rows["forked in the middle, as their parents"] = row(lambda way: f"{way.forks_alike} of {way.forks}")
    rows["effects that forks inherited"] = row(lambda way: str(way.inherited))
    return rows


def _named(runs: Sequence[str]) -> str:
    return "\n".join([str(len(runs)), *(run[:120] for run in runs[:SHOWN])])
