"""What the event store costs beside a bare nats-py client on the same server: appending, loading, reading.

    python -m benchmarks.append [--events 20000] [--json]

Each ratio compares figures of one run, taken in turns; "bare" is nats-py publishing the same bytes to a stream without
expectations and waiting for the acknowledgement, the fastest way it has for each pattern.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import nats
import uvloop
from nats.js import JetStreamContext

from adapters.memory.content import MemoryContentStore
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from commands.ports import NEW_STREAM, Head
from domain.kernel.events import Draft
from domain.kernel.ids import START, StreamId, event_id
from infra.stack.broker import free_port, nats_server

TEXT = "The quick brown fox jumps over the lazy dog. " * 8
WRITERS = 64
PARTS = ("single", "pipelined", "writers", "several", "load", "read")


@dataclass
class Figure:
    """One line of the table."""

    durability: str
    what: str
    ours: float
    bare: float | None
    unit: str
    ratio: float | None = None
    goal: str = ""


@asynccontextmanager
async def broker(sync: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
        port = free_port()
        config = Path(folder, "nats.conf")
        config.write_text(  # noqa: ASYNC240
            f'listen: "127.0.0.1:{port}"\nserver_name: "bench-{port}"\n'
            f'jetstream {{ store_dir: "{folder}/js", sync_interval: {sync} }}\n'
        )
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(nats_server(), "-c", config, stdout=quiet, stderr=quiet)
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


def draft(stream: StreamId, number: int) -> Draft:
    cause = f"{stream.id}-{number}"
    data = {"effect": "0", "tool": "fs.read", "digest": "sha256:" + "0" * 64, "result": TEXT}
    time_ = "2026-01-01T00:00:00.000000Z"
    return Draft(
        id=event_id(cause, 0),
        type="precedent.bench.Happened.v1",
        time=time_,
        correlation=cause,
        causation=cause,
        actor="bench",
        data=data,
    )


class Bench:
    """One server, our store and a bare client on it."""

    def __init__(self, durability: str, store: JetStreamEventStore, js: JetStreamContext, events: int) -> None:
        self.durability = durability
        self.store = store
        self.js = js
        self.events = events
        self.made = 0
        self.body = draft(StreamId("bench", "run", "x"), 1).body(StreamId("bench", "run", "x"), 1)
        self.figures: list[Figure] = []

    def stream(self) -> StreamId:
        self.made += 1
        return StreamId("bench", "run", f"r{self.made}")

    def subject(self) -> str:
        self.made += 1
        return f"bare.0.bench.run.r{self.made}.1.Happened"

    def add(self, what: str, ours: float, bare: float | None, unit: str, goal: str = "") -> None:
        ratio = None if bare is None else ours / bare
        self.figures.append(Figure(self.durability, what, ours, bare, unit, ratio, goal))

    async def single(self) -> None:
        """One at a time, in turns; ours to streams of 20."""
        ours, bare = [], []
        for _ in range(min(100, self.events // 160)):
            stream, head = self.stream(), NEW_STREAM
            for event in [draft(stream, number) for number in range(20)]:
                started = time.perf_counter()
                await self.js.publish(self.subject(), self.body)
                bare.append(time.perf_counter() - started)
                started = time.perf_counter()
                (stored,) = await self.store.append(stream, [event], head)
                ours.append(time.perf_counter() - started)
                head = Head(stored.version, stored.position.sequence)
        for name, at in (("p50", 50), ("p99", 99)):
            mine, theirs = (statistics.quantiles(times, n=100)[at - 1] * 1e3 for times in (ours, bare))
            self.add(f"append one event, {name}", mine, theirs, "ms", "<= 1.3" if at == 50 else "")

    async def rate(self, count: int, work: Awaitable[object]) -> float:
        started = time.perf_counter()
        await work
        return count / (time.perf_counter() - started)

    async def pipelined(self) -> None:
        """As much at once as each can: ours in 1,000 streams, the bare client in its fastest way."""

        async def bare() -> None:
            await asyncio.gather(*[await self.js.publish_async(self.subject(), self.body) for _ in range(self.events)])

        await self.compare("appends pipelined", bare, 1000, ">= 0.8")

    async def writers(self) -> None:
        """64 writers, each waiting for its acknowledgement."""

        async def bare() -> None:
            async def write() -> None:
                for _ in range(self.events // WRITERS):
                    await self.js.publish(self.subject(), self.body)

            await asyncio.gather(*(write() for _ in range(WRITERS)))

        await self.compare(f"appends of {WRITERS} writers", bare, WRITERS)

    def drafts(self, streams: int) -> list[tuple[StreamId, list[Draft]]]:
        """The events of one round, 20 to a stream at most."""
        each = min(20, self.events // streams)
        return [(s := self.stream(), [draft(s, n) for n in range(each)]) for _ in range(self.events // each)]

    async def write(self, work: list[tuple[StreamId, list[Draft]]]) -> None:
        """Append one by one, stream after stream, until nothing is left."""
        while work:
            stream, events = work.pop()
            head = NEW_STREAM
            for event in events:
                (stored,) = await self.store.append(stream, [event], head)
                head = Head(stored.version, stored.position.sequence)

    async def several(self) -> None:
        """64 writers, three events an append."""
        each = self.events // WRITERS // 6

        async def write() -> None:
            stream, head = self.stream(), NEW_STREAM
            for number in range(each):
                events = [draft(stream, 3 * number + index) for index in range(3)]
                stored = await self.store.append(stream, events, head)
                head = Head(stored[-1].version, stored[-1].position.sequence)

        rate = await self.rate(each * WRITERS, asyncio.gather(*(write() for _ in range(WRITERS))))
        self.add(f"appends of 3 events, {WRITERS} writers", rate, None, "/s", ">= 1500")

    async def compare(self, what: str, bare: Callable[[], Awaitable[None]], writers: int, goal: str = "") -> None:
        """Medians of five rounds in turns, and of the rounds' own ratios; and CPU time of this process."""
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        cpu: dict[str, list[float]] = {"ours": [], "bare": []}
        for turn in range(5):
            work = self.drafts(writers)

            async def ours(work: list[tuple[StreamId, list[Draft]]] = work) -> None:
                await asyncio.gather(*(self.write(work) for _ in range(writers)))

            for name, run in (("ours", ours), ("bare", bare))[:: 1 if turn % 2 else -1]:
                used = time.process_time()
                rates[name].append(await self.rate(self.events, run()))
                cpu[name].append((time.process_time() - used) / self.events * 1e6)
        self.add(what, statistics.median(rates["ours"]), statistics.median(rates["bare"]), "/s", goal)
        ratios = [ours / bare for ours, bare in zip(rates["ours"], rates["bare"], strict=True)]
        self.figures[-1].ratio = statistics.median(ratios)
        spent = {name: statistics.median(times) for name, times in cpu.items()}
        self.add(f"{what}, CPU of this process", spent["ours"], spent["bare"], "us each")

    async def load(self) -> None:
        """A stream of 20 events, in the log as it is now and as it grows."""
        stream = self.stream()
        await self.store.append(stream, [draft(stream, number) for number in range(20)], NEW_STREAM)
        for _ in range(3):
            times = []
            for _ in range(300):
                started = time.perf_counter()
                assert len((await self.store.load(stream)).events) == 20
                times.append(time.perf_counter() - started)
            size = sum((await self.store.end()).reached.values())
            self.add(f"load 20 events among {size:,}, p50", statistics.median(times) * 1e3, None, "ms")
            fill = [(other := self.stream(), draft(other, 1)) for _ in range(self.events)]
            await asyncio.gather(*(self.store.append(other, [event], NEW_STREAM) for other, event in fill))

    async def read(self) -> None:
        """The whole log in order."""
        size = sum((await self.store.end()).reached.values())
        for name, batches in (("read", self.store.read(START)), ("follow", self.store.follow(START))):
            used, started, seen = time.process_time(), time.perf_counter(), 0
            async for batch in batches:
                seen += len(batch)
                if seen >= size:
                    break
            elapsed = time.perf_counter() - started
            self.add(f"{name} the whole log", seen / elapsed, None, "/s", ">= 58000")
            self.add(f"{name}, CPU of this process", (time.process_time() - used) / seen * 1e6, None, "us each")


async def measure(durability: str, sync: str, events: int, parts: Sequence[str]) -> list[Figure]:
    async with broker(sync) as url:
        connection = await Connection.open(url, name="bench")
        await ensure_streams(connection)
        bare = await nats.connect(url)
        js = bare.jetstream(publish_async_max_pending=4000)
        await js.add_stream(name="BARE", subjects=["bare.>"])
        store = JetStreamEventStore(connection, MemoryContentStore(), grouped=durability == "fsync")
        bench = Bench(durability, store, js, events)
        for part in parts:
            print(f"{durability}: {part}", file=sys.stderr)
            await getattr(bench, part)()
        store.close()
        await bare.close()
        await connection.close()
        return bench.figures


def show(figures: list[Figure]) -> None:
    print(f"{'':8}{'':46}{'ours':>12}{'bare':>12}  {'unit':8}{'ratio':>6}  goal")
    for f in figures:
        bare = "" if f.bare is None else f"{f.bare:12,.2f}"
        ratio = "" if f.ratio is None else f"{f.ratio:6.2f}"
        print(f"{f.durability:8}{f.what:46}{f.ours:12,.2f}{bare:>12}  {f.unit:8}{ratio:>6}  {f.goal}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000, help="events of each measurement")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this measurement (may be repeated)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # for both: a worker's many live objects should not be gone through all the time
    figures = [
        *await measure("flush", "2m", arguments.events, arguments.part or PARTS),
        *await measure("fsync", "always", arguments.events // 2, arguments.part or PARTS),
    ]
    print(json.dumps([asdict(figure) for figure in figures], indent=1)) if arguments.json else show(figures)


if __name__ == "__main__":
    uvloop.run(main())
