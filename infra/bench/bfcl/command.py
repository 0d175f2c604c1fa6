"""``precedent bench bfcl``: run it with progress, print the table or the document, say whether it passed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.bench.bfcl.benchmark import benchmark
from infra.bench.bfcl.check import Checked
from infra.bench.bfcl.corpus import locate
from infra.settings import Durability

DURABILITIES: Final[tuple[Durability, ...]] = ("fsync", "flush")
CONCURRENT: Final = 64


def bench(
    *,
    as_json: bool,
    durabilities: Sequence[Durability] = DURABILITIES,
    concurrent: int = CONCURRENT,
    entries: int | None = None,
    keep: Path | None = None,
) -> bool:
    """Run the benchmark over the first so many entries (all, when None); give whether it passed.

    ``keep`` is a folder for a deployment that stays, of which stderr then tells how to use it.

    Raises ``CorpusMissing`` with the command that installs the corpus.
    """
    corpus = locate()
    chosen = list(islice(corpus.entries(), entries))
    bars: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def advance(name: str) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=len(chosen))
            progress.advance(bars[name])

        report, checked = asyncio.run(benchmark(corpus, chosen, durabilities, concurrent, advance, keep))
    if as_json:
        document = {**report.document(), "check": asdict(checked)}
        Console().out(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode(), highlight=False)
    else:
        Console().print(_check_table(checked), report.render())
    if keep is not None:
        configuration = keep / "precedent.yaml"
        Console(stderr=True).out(f"kept: precedent replay --config {configuration} --all --mode re-execute")
    return report.passed and not checked.wrong


def _check_table(checked: Checked) -> Table:
    table = Table(title=f"The language alone: {checked.programs} distinct programs, {checked.effects} effects")
    for column in ("microseconds", "p50", "p99", "worst"):
        table.add_column(column, justify="left" if column == "microseconds" else "right")
    rows = {
        "compile": checked.compiling,
        "load": checked.loading,
        "start to first effect": checked.to_first_effect,
        "machine, per effect": checked.machine,
        "make the objects of a run": checked.opening,
        "the method itself": checked.calling,
    }
    for label, times in rows.items():
        table.add_row(label, *(f"{value:,.0f}" for value in (times.p50, times.p99, times.worst)))
    table.caption = f"{checked.entries - len(checked.wrong)} of {checked.entries} results as the ground truth"
    return table
