"""``precedent bench semantic``: run it with progress, print the table or the document, say whether it passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from domain.kernel.embedding import Embedding
from infra.bench.semantic.corpus import WHERE, DataMissing, Request, read, reported
from infra.bench.semantic.methods import compared
from infra.bench.semantic.neighbours import Stream
from infra.bench.semantic.report import Report
from infra.bench.semantic.simulation import simulate
from infra.bootstrap.embedding import embedder
from infra.cli.output import Output
from infra.settings import Settings, load

SEED: Final = 2026
_AT_ONCE: Final = 50


def bench(*, as_json: bool, entries: int | None = None, data: Path | None = None) -> bool:
    """Run every method over the first so many requests of the stream (all, when None); give whether it passed.

    The embedder is that of the settings. Raises ``DataMissing`` with where to get the data.
    """
    if data is None:
        raise DataMissing(f"no data was given: {WHERE}")
    chosen = reported(read(data), SEED)
    whole = entries is None or entries >= len(chosen)
    requests = chosen[:entries]
    methods = compared()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        embedding = progress.add_task("points of all requests", total=len(requests))
        name, points = asyncio.run(_embed(load(), requests, lambda n: progress.advance(embedding, n)))
        stream = Stream(points)
        results = []
        for method in methods:
            task = progress.add_task(method.name, total=len(requests))
            results.append(simulate(method, requests, stream, lambda task=task: progress.advance(task)))  # type: ignore[misc]
    report = Report(
        embedder=name,
        seed=SEED,
        requests=len(requests),
        out_of_scope=sum(request.split.startswith("oos") for request in requests),
        whole_stream=whole,
        results=results,
    )
    output = Output(as_json=as_json)
    output.document(report.document())
    output.show(report.table())
    return report.passed


async def _embed(
    settings: Settings, requests: Sequence[Request], advance: Callable[[int], None]
) -> tuple[str, list[Embedding]]:
    points: list[Embedding] = []
    async with embedder(settings) as making:
        for start in range(0, len(requests), _AT_ONCE):
            batch = [request.text for request in requests[start : start + _AT_ONCE]]
            points.extend(await making.embed(batch))
            advance(len(batch))
        return making.name, points
