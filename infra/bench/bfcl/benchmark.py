"""The whole benchmark: every entry through the bus on real servers, at each durability, then replayed and judged."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from adapters.nats.command_client import CommandClient
from domain.kernel.errors import InvalidInput
from domain.kernel.events import Recorded
from domain.kernel.values import Json
from infra.bench.bfcl.check import Checked, check
from infra.bench.bfcl.corpus import Corpus, Entry
from infra.bench.bfcl.figures import measure
from infra.bench.bfcl.oracle import ground_truth
from infra.bench.bfcl.replaying import histories_of, re_execute_all, verify_all
from infra.bench.bfcl.report import Pass, Report
from infra.bench.bfcl.submitting import Submissions, output_of, run_all, task_of
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.usage import usage_of_stack
from infra.bootstrap.connections import connected, event_store
from infra.settings import Durability, load
from infra.stack.service import Service
from infra.stack.stack import embedded

NAMES: Final[dict[Durability, str]] = {"fsync": "fsync", "flush": "no fsync"}
LISTED: Final = "infra.bench.bfcl.listed"
"""Module of the corpus's tools, as configurations name it."""

WORKER: Final = Service(name="worker", argv=(sys.executable, "-m", "infra.workers", "worker", "bfcl"))
ANSWERS_WITHIN: Final = 60.0
"""Seconds for the answer to one submission, all others before it in the queue included."""

Advance = Callable[[str], None]
"""Told the name of a pass each time that one of its runs has ended."""


async def benchmark(
    corpus: Corpus,
    entries: Sequence[Entry],
    durabilities: Sequence[Durability],
    concurrent: int,
    advance: Advance,
    keep: Path | None = None,
) -> tuple[Report, Checked]:
    """Check all entries, then run them once a durability, ``concurrent`` at a time, on servers of their own.

    ``keep`` is a folder in which the first pass leaves its data and a configuration that names the tools.

    Raises ``CorpusMissing``, ``SubmissionRefused``, and what the embedded stack raises when it cannot start.
    """
    tools = BfclTools(corpus)
    checked = check(tools, entries, datetime.now(UTC), partial(advance, "check"))
    expected = {entry.id: output_of(entry, ground_truth(entry)) for entry in entries}
    passes = [
        await _pass(
            tools,
            entries,
            expected,
            durability,
            concurrent,
            partial(advance, NAMES[durability]),
            keep if durability == durabilities[0] else None,
        )
        for durability in durabilities
    ]
    report = Report(
        release=corpus.release,
        entries=len(entries),
        calls=checked.effects,
        clock_calls=checked.clock_calls,
        passes=tuple(passes),
    )
    return report, checked


async def _pass(
    tools: BfclTools,
    entries: Sequence[Entry],
    expected: dict[str, Json],
    durability: Durability,
    concurrent: int,
    on_end: Callable[[], None],
    keep: Path | None,
) -> Pass:
    now = datetime.now(UTC)
    tasks = {entry.id: task_of(entry, tools.catalogue, now) for entry in entries}
    with data_directory() if keep is None else kept_directory(keep) as data:
        settings = load(data=data, durability=durability, workers=concurrent, tools=(LISTED,))
        async with (
            embedded(settings, services=[WORKER]) as endpoints,
            connected(endpoints, "precedent-bench") as connection,
            event_store(connection, endpoints) as store,
            CommandClient(connection, settings.tenant, "bench") as client,
        ):
            submissions = Submissions(tenant=settings.tenant, tasks=tasks, concurrent=concurrent)
            send = partial(client.send, category="run", within=ANSWERS_WITHIN)
            events, seconds = await run_all(submissions, send, store, on_end)
            used = usage_of_stack(data)
    histories = histories_of(events)
    return Pass(
        name=NAMES[durability],
        concurrent=concurrent,
        seconds=seconds,
        wrong=tuple(_wrong(events, expected)),
        figures=measure(events),
        used=used,
        replays=(verify_all(histories), re_execute_all(histories, tools)),
    )


def _wrong(events: Sequence[Recorded], expected: dict[str, Json]) -> Iterator[str]:
    outputs = {event.stream.id: event.data["output"] for event in events if event.short_name == "RunCompleted"}
    return (entry for entry, output in expected.items() if outputs.get(entry) != output)


@contextmanager
def data_directory() -> Iterator[Path]:
    """A directory for one pass, which the account of an embedded PostgreSQL can reach."""
    parent = Path(tempfile.mkdtemp(prefix="precedent-bench-"))
    parent.chmod(0o755)
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def kept_directory(folder: Path) -> Iterator[Path]:
    """The data directory of a pass that stays, with a configuration beside it. Raises ``InvalidInput``."""
    configuration = folder / "precedent.yaml"
    if configuration.exists() or (folder / "data").exists():
        raise InvalidInput(f"--keep {folder}: there is a deployment in it already; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        configuration.write_text(f"data: data\ntools: [{LISTED}]\n", "utf-8")
    except OSError as error:
        raise InvalidInput(f"--keep {folder}: {error.strerror}; name a folder that can be written") from error
    yield folder / "data"
