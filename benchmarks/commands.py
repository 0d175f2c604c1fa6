"""Command to answer: how long a client waits, with every write on the disk, beside a bare acknowledged publish.

``python -m benchmarks.commands [--json] [--count N]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from adapters.nats.command_client import CommandClient
from adapters.nats.publishing import publish
from commands.handle import Answer, CommandEnvelope
from commands.ports import Selection
from domain.kernel.ids import START, ulid
from infra.bootstrap.connections import connected, event_store
from infra.settings import Settings
from infra.stack.commands import status
from infra.stack.service import Service
from infra.stack.stack import embedded

WORKER = Service(name="worker", argv=(sys.executable, "-m", "infra.workers", "worker", "worker-1"))
TASK = {"goal": "Nothing", "plan": "1", "output": ":int"}


async def timed(
    count: int, act: Callable[[int], Awaitable[Any]], settle: Callable[[Any], Awaitable[None]] | None = None
) -> list[float]:
    """Milliseconds of each act, one after another; ``settle`` is done after each and not counted."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        done = await act(number)
        taken.append((time.perf_counter() - began) * 1e3)
        if settle is not None:
            await settle(done)
    return taken


def row(name: str, taken: list[float]) -> dict[str, Any]:
    ordered = sorted(taken)
    return {
        "what": name,
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered), 3),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 3),
    }


async def measure(durability: str, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as parent:
        os.chmod(parent, 0o755)  # noqa: PTH101  # once, before anything is measured
        settings = Settings.model_validate({"data": Path(parent) / "data", "durability": durability})
        async with (
            embedded(settings, services=[WORKER]) as endpoints,
            connected(endpoints, "benchmark") as connection,
            event_store(connection, endpoints) as store,
            CommandClient(connection, "default", "benchmark") as client,
        ):

            async def bare(_: int) -> object:
                return await publish(connection, "dead.benchmark", b"x" * 700, {})

            async def submit(_: int) -> Answer:
                command = ulid(int(time.time() * 1e3), secrets.token_bytes(10))
                envelope = CommandEnvelope(id=command, type="SubmitRun", tenant="default", data={"task": TASK})
                answer = await client.send(envelope, "run")
                assert answer.outcome == "accepted", answer
                return answer

            async def refused(number: int) -> object:
                envelope = CommandEnvelope(
                    id=f"no-{durability}-{number}", type="ResumeRun", tenant="default", data={"run": "none"}
                )
                return await client.send(envelope, "run")

            async def run_ended(answer: Answer) -> None:
                async for batch in store.follow(START, Selection(stream=answer.commandid, event="RunCompleted")):
                    if batch:
                        return

            await timed(20, submit, run_ended)
            rows = [
                row("bare acknowledged publish", await timed(count, bare)),
                row("SubmitRun, one after the other's run has ended", await timed(count, submit, run_ended)),
                row("SubmitRun, at once, runs driven meanwhile", await timed(count, submit)),
                row("a command that is rejected", await timed(count, refused)),
            ]
            worker = next(c for c in status(settings.data).components if c.name == "worker")
            assert worker.pid is not None
            rss = psutil.Process(worker.pid).memory_info().rss
    return {"durability": durability, "rows": rows, "worker_rss_mb": round(rss / 1e6, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = [runner.run(measure(durability, arguments.count)) for durability in ("fsync", "flush")]
    if arguments.json:
        print(json.dumps(results))
        return
    table = Table("durability", "what", "p50 ms", "p99 ms", title="command to answer")
    for result in results:
        for line in result["rows"]:
            table.add_row(result["durability"], line["what"], f"{line['p50_ms']:.2f}", f"{line['p99_ms']:.2f}")
    Console().print(table)
    for result in results:
        print(f"worker with {result['durability']}: {result['worker_rss_mb']} MB resident")


if __name__ == "__main__":
    main()
