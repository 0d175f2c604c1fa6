"""``precedent bench reuse``: run it with progress, print the tables or the document, say whether it passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra.bench.bfcl.corpus import Corpus, Entry, locate
from infra.bench.bfcl.oracle import ground_truth
from infra.bench.bfcl.tools import BfclTools
from infra.bench.reuse.passes import Ran, Setup, run_setup
from infra.bench.reuse.report import Report
from infra.bench.reuse.workload import first_of_each, workload
from infra.cli.output import Output

SIMILARITY: Final = 0.99
CONCURRENT: Final = 4
"""Runs at once: enough for two cores, few enough that a look-up is not timed while it waits for others."""

EXACT: Final = ("L1", "L2", "L4")
ALIKE: Final = ("L1", "L2", "L3", "L4")
QUESTIONS: Final = ("L2",)


def setups(similarities: Sequence[float] = (), *, thorough: bool = False) -> tuple[Setup, ...]:
    """By calls at each similarity; when ``thorough``, by turns, with like questions, and without programs too."""
    given = tuple(dict.fromkeys(similarities)) or (SIMILARITY,)
    found = tuple(Setup(form="calls", levels=EXACT, similarity=each) for each in given)
    if not thorough:
        return found
    return (
        *found,
        Setup(form="turns", levels=EXACT, similarity=given[0]),
        Setup(form="calls", levels=ALIKE, similarity=given[0]),
        Setup(form="calls", levels=QUESTIONS, similarity=given[0]),
    )


def bench(
    *,
    as_json: bool,
    entries: int | None = None,
    similarities: Sequence[float] = (),
    thorough: bool = False,
    concurrent: int = CONCURRENT,
) -> bool:
    """Run every setup over the first tasks of each variant (all, when None); give whether it passed.

    Raises ``CorpusMissing`` with the command that installs the corpus.
    """
    corpus = locate()
    found = first_of_each(corpus, entries)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def advance(name: str) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=len(found))
            progress.advance(bars[name])

        ran = asyncio.run(_run(corpus, found, setups(similarities, thorough=thorough), concurrent, advance))
    report = Report(release=corpus.release, entries=len(found), ran=ran)
    output = Output(as_json=as_json)
    output.document(report.document())
    output.show(report.render())
    return report.passed


async def _run(
    corpus: Corpus, entries: Sequence[Entry], chosen: Sequence[Setup], concurrent: int, advance: Callable[[str], None]
) -> list[Ran]:
    tools = BfclTools(corpus)
    truths = []
    for entry in entries:
        truths.append(ground_truth(entry))
        advance("ground truth")
    forms = {setup.form: workload(entries, truths, tools.catalogue, setup.form) for setup in chosen}
    return [
        await run_setup(setup, forms[setup.form], concurrent, partial(_tell, advance, setup.name)) for setup in chosen
    ]


def _tell(advance: Callable[[str], None], setup: str, each: str) -> None:
    advance(f"{setup}: {each} pass")
