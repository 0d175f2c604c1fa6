"""What the ledger costs: integrating, proving, auditing, and what it adds to an append.

    python -m benchmarks.ledger [--events 200000] [--json]
    python -m benchmarks.ledger --plot FILE.svg

The second draws size and time of proofs against the size of the log (``benchmarks.proofs``), and measures nothing else.
Rates are of one process. "hashing" is what cannot be avoided: two SHA-256 for each event (its body, its leaf) and one
for each inner node, computed in a bare loop over the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import uvloop

from adapters.content.segments import FileSegmentStore
from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.memory.content import MemoryContentStore
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog, MemoryTileStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from benchmarks.append import broker, draft
from benchmarks.proofs import measured, plot
from commands.archive import ArchivedLog, Copy
from commands.audits import Audits, Trust
from commands.digests import Digesting
from commands.ledger import Identity, Ledger, inclusion
from commands.ports import NEW_STREAM, Head
from domain.kernel.ids import Position, StreamId
from domain.kernel.merkle import leaf_hash, verifies_inclusion
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.leaf import leaf_data
from domain.ledger.notes import Note
from domain.ledger.stored import Stored

SIGNER = FileSigner.generated("precedent.bench")
EVENTS_A_STREAM = 16


def genuine(count: int, first: int = 0) -> list[Stored]:
    """A log as our appender writes it: streams of sixteen events, one after the other; from a place on."""
    found: list[Stored] = []
    head, name = "Nats-Expected-Last-Subject-Sequence", ""
    for place in range(first, count):
        run, version = divmod(place, EVENTS_A_STREAM)
        stream = StreamId("bench", "run", f"r{run}")
        name = f"evt.0.bench.run.r{run}"
        event = draft(stream, version)
        headers = (
            f"NATS/1.0\r\n{head}: {place if version else 0}\r\n{head}-Subject: {name}.>\r\n"
            f"Nats-Msg-Id: {event.id}\r\ncontent-type: application/cloudevents+json\r\n\r\n"
        )
        subject = f"{name}.{version + 1}.Happened"
        found.append(Stored(Position(0, 0, place + 1), subject, headers.encode(), event.body(stream, version + 1)))
    return found


def hashing(events: list[Stored]) -> None:
    """What no implementation can do without."""
    for event in events:
        sha256(b"\0" + sha256(event.body).digest()).digest()
        sha256(event.body[:65]).digest()


def timed(count: int, work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


async def timed_of(count: int, work: Any) -> float:
    started = time.perf_counter()
    await work
    return count / (time.perf_counter() - started)


class Figures:
    """Lines of the table."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def add(self, what: str, value: float, unit: str, **more: Any) -> None:
        self.lines.append({"what": what, "value": value, "unit": unit, **more})
        text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        beside = ", ".join(
            f"{name} {shown:.2f}" if isinstance(shown, float) else f"{name} {shown}" for name, shown in more.items()
        )
        print(f"{what:<58} {text:>12} {unit:<9} {beside}", flush=True)


def parts(log: Any, tiles: Any, checkpoints: Any, copy: Copy | None = None) -> Ledger:
    known = Identity(SIGNER)
    return Ledger(0, known, log=log, tiles=tiles, checkpoints=checkpoints, clock=SystemClock(), copy=copy)


async def in_memory(figures: Figures, count: int) -> None:
    events = genuine(count)
    bare = timed(count, lambda: hashing(events))
    figures.add("hashing alone", bare, "events/s")
    log = MemoryStoredLog()
    log.messages[0].extend(events)
    checkpoints, tiles = MemoryCheckpointLog(), MemoryTileStore()
    rate = await timed_of(count, parts(log, tiles, checkpoints).catch_up())
    figures.add("integrated, tiles in memory", rate, "events/s", of_hashing=rate / bare, goal=">= 50,000")
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
        filed = FileTileStore(Path(folder))
        rate = await timed_of(count, parts(log, filed, MemoryCheckpointLog()).catch_up())
        figures.add("integrated, tiles in files", rate, "events/s", of_hashing=rate / bare, goal=">= 50,000")
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
        segments = FileSegmentStore(Path(folder))
        archiving = parts(log, tiles, (archived := MemoryCheckpointLog()), Copy(segments, Position(0, 0, 1)))
        rate = await timed_of(count, archiving.catch_up())
        figures.add("integrated, with a copy in segments", rate, "events/s", of_hashing=rate / bare, goal=">= 50,000")
        audits = Audits(ArchivedLog(segments), archived, tiles)
        one = Digesting(ArchivedLog(segments), segments, None, 1)
        cpu = time.process_time()
        rate = await timed_of(count, audits.verify(0, Trust(key=SIGNER.key), digesting=one))
        cpu = (time.process_time() - cpu) / count * 1e6
        figures.add("audited, from an archive", rate, "leaves/s", of_hashing=rate / bare, cpu_us=cpu)
        segments.release(0)
        await on_all_processors(figures, audits, segments)
    rate = await timed_of(count, Audits(log, checkpoints, tiles).verify(0, Trust(key=SIGNER.key)))
    figures.add("audited, from memory", rate, "leaves/s", of_hashing=rate / bare)
    await proofs(figures, events, tiles, checkpoints)


async def on_all_processors(figures: Figures, audits: Audits, segments: FileSegmentStore) -> None:
    """As ``precedent audit verify --archive`` does; the second of two, since the processes take a second to start."""
    count, log = len(os.sched_getaffinity(0)), ArchivedLog(segments)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as processes:
        digesting = Digesting(log, segments, processes, 2 * count)
        for _ in range(2):
            started, cpu = time.perf_counter(), time.process_time()
            report = await audits.verify(0, Trust(key=SIGNER.key), digesting=digesting)
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    rate, joining = report.events / wall, cpu / report.events * 1e6
    what = f"audited, from an archive, on {count} processors"
    figures.add(what, rate, "leaves/s", goal=">= 150,000", cpu_us_of_the_one_that_joins=joining)


async def proofs(
    figures: Figures, events: list[Stored], tiles: MemoryTileStore, checkpoints: MemoryCheckpointLog
) -> None:
    newest = await checkpoints.newest(0)
    assert newest is not None
    size = 256
    while size <= len(events):
        made, checked, hashes = [], [], 0
        root_of_size: bytes | None = None
        for index in range(0, size, max(1, size // 50)):
            started = time.perf_counter()
            # Of a smaller tree: its own right edge is read from the larger tree's full tiles where they are full.
            with suppress(Exception):
                proof = await inclusion(tiles, 0, index, size)
                made.append(time.perf_counter() - started)
                hashes = len(proof)
                event = events[index]
                leaf = leaf_hash(leaf_data(event.subject, event.identity, event.body))
                started = time.perf_counter()
                verifies_inclusion(leaf, index, size, proof, root_of_size or b"")
                checked.append(time.perf_counter() - started)
        if made:
            figures.add(
                f"inclusion proof in a log of {size:,}",
                statistics.median(made) * 1e6,
                "us",
                hashes=hashes,
                verified_us=statistics.median(checked) * 1e6,
            )
        size *= 16
    full = Checkpoint.parse(Note.parse(newest[1]).text)
    event = events[777 % len(events)]
    proof = await inclusion(tiles, 0, 777 % len(events), full.size)
    leaf = leaf_hash(leaf_data(event.subject, event.identity, event.body))
    assert verifies_inclusion(leaf, 777 % len(events), full.size, proof, full.root)


async def on_the_broker(figures: Figures, count: int) -> None:
    async with broker("always") as url:
        connection = await Connection.open(url, name="bench")
        await ensure_streams(connection)
        store = JetStreamEventStore(connection, MemoryContentStore())
        with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
            tiles = FileTileStore(Path(folder))
            ledger = parts(JetStreamStoredLog(connection), tiles, JetStreamCheckpoints(connection))
            await overhead(figures, store, ledger)
            await fill(store, count)
            serving = asyncio.create_task(ledger.run())
            rate = await timed_of(count, reached(ledger, (await store.end()).sequence(0, 0)))
            figures.add("integrated from the broker", rate, "events/s", goal=">= 50,000")
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            total = (await store.end()).sequence(0, 0)
            audits = Audits(JetStreamStoredLog(connection), JetStreamCheckpoints(connection), tiles)
            rate = await timed_of(total, audits.verify(0, Trust(key=SIGNER.key)))
            figures.add("audited from the broker", rate, "leaves/s", goal=">= 60,000")
        store.close()
        await connection.close()


async def reached(ledger: Ledger, size: int) -> None:
    while ledger.integrated < size:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def fill(store: JetStreamEventStore, count: int) -> None:
    streams = count // EVENTS_A_STREAM
    for start in range(0, streams, 200):
        names = [StreamId("bench", "run", f"f{number}") for number in range(start, min(start + 200, streams))]
        await asyncio.gather(
            *(
                store.append(each, [draft(each, place) for place in range(EVENTS_A_STREAM)], NEW_STREAM)
                for each in names
            )
        )


async def overhead(figures: Figures, store: JetStreamEventStore, ledger: Ledger) -> None:
    """Appends one after the other, with and without a ledger in this process, in turns."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(12):
        serving = asyncio.create_task(ledger.run()) if turn % 2 else None
        await asyncio.sleep(0.1)
        stream, head = StreamId("bench", "run", f"o{turn}"), NEW_STREAM
        for event in [draft(stream, number) for number in range(150)]:
            started = time.perf_counter()
            (stored,) = await store.append(stream, [event], head)
            times[serving is not None].append(time.perf_counter() - started)
            head = Head(stored.version, stored.position.sequence)
        if serving is not None:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
    alone, beside = (statistics.median(times[each]) * 1e3 for each in (False, True))
    figures.add("append, p50, without a ledger", alone, "ms")
    figures.add("append, p50, beside a ledger", beside, "ms", ratio=beside / alone, goal="<= 1.05")


async def main(count: int) -> Figures:
    figures = Figures()
    await in_memory(figures, count)
    await on_the_broker(figures, count // 2)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    arguments = parser.parse_args()
    if arguments.plot is not None:
        plot(measured(), arguments.plot)
        raise SystemExit
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(main(arguments.events))
    if arguments.json:
        print(json.dumps(result.lines, indent=2))
