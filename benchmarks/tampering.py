"""What becomes of a log of a million events when it is tampered with: every change must be found, and where.

    python -m benchmarks.tampering [--events 1000000] [--json]

The log lies on a real broker; a ledger follows it, signs every ten thousand events, and keeps its copy in segments. The
genuine log is audited from both. Then each change is made to the stream of messages that an audit reads out of the
copy (a forged stream: the segments' own checksums never say a word), and the audit is to say what is wrong and where.
Seconds are wall-clock, "cpu" is the time of this process; memory is the largest that it ever had.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from adapters.content.segments import FileSegmentStore
from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.memory.ledger import MemoryCheckpointLog
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.log_writer import JetStreamLogWriter
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.system.clock import SystemClock
from benchmarks.append import broker
from benchmarks.ledger import EVENTS_A_STREAM, SIGNER, genuine
from commands.archive import ArchivedLog, Copy
from commands.audits import Audits, Trust
from commands.ledger import READ_AT_ONCE, Identity, Ledger
from commands.ledger_ports import CheckpointLog, StoredLog, TileStore
from domain.kernel.ids import Position
from domain.ledger.auditing import Kind, Report
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from domain.ledger.stored import Stored

SIGN_EVERY = 10_000
"""Events between two checkpoints."""


class Forged:
    """The ``StoredLog`` port on another one, with a change somewhere."""

    def __init__(self, log: StoredLog, at: int, change: Callable[[list[Stored]], list[Stored]], shift: int = 0) -> None:
        """``change`` gets two messages from ``at`` on; ``shift`` is by how many places what follows moves."""
        self._log = log
        self._at = at
        self._change = change
        self._shift = shift

    async def extent(self, shard: int) -> tuple[Position, Position]:
        first, last = await self._log.extent(shard)
        return first, Position(last.epoch, shard, last.sequence + self._shift)

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        held: list[Stored] = []
        async for messages in self._log.read_stored(shard, after, batch):
            if messages[-1].position.sequence < self._at:
                yield messages
                continue
            given: list[Stored] = []
            for message in messages:
                place = message.position.sequence
                if place in (self._at, self._at + 1):
                    held.append(message)
                    if len(held) == 2:
                        given.extend(self._change(held))
                elif place > self._at:
                    given.append(moved(message, self._shift))
                else:
                    given.append(message)
            if given:
                yield given

    def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        return self.read_stored(shard, after, batch)


class Cut(Forged):
    """A log whose end is missing."""

    async def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        async for messages in self._log.read_stored(shard, after, batch):
            if kept := [each for each in messages if each.position.sequence < self._at]:
                yield kept


def moved(message: Stored, places: int) -> Stored:
    place = message.position
    return message._replace(position=Position(place.epoch, place.shard, place.sequence + places))


def flipped(message: Stored) -> Stored:
    middle = len(message.body) // 2
    bit = bytes([message.body[middle] ^ 1])
    return message._replace(body=message.body[:middle] + bit + message.body[middle + 1 :])


def added(message: Stored) -> Stored:
    return message._replace(headers=message.headers[:-2] + b"X-Hidden: 1\r\n\r\n")


def changed(message: Stored) -> Stored:
    return message._replace(headers=message.headers.replace(b"cloudevents+json", b"cloudevents+jsom"))


def of_first(change: Callable[[Stored], Stored], two: list[Stored]) -> list[Stored]:
    return [change(two[0]), two[1]]


def renamed(message: Stored) -> Stored:
    return message._replace(subject=message.subject.replace(".bench.", ".bensh."))


@dataclass(frozen=True)
class Tampering:
    """One change, and what an audit must say of it."""

    what: str
    kinds: frozenset[Kind]
    """Any of these."""
    first: int
    """Sequence of the place that must be told."""
    within: int = 0
    """How far the told range may reach beyond it: between two checkpoints nothing is nearer."""
    log: StoredLog | None = None
    trust: Trust = field(default_factory=lambda: Trust(key=SIGNER.key))
    checkpoints: CheckpointLog | None = None
    tiles: TileStore | None = None
    later: timedelta | None = None
    """How long after the last checkpoint the audit takes place."""


@dataclass(frozen=True)
class Deployment:
    """A log, its ledger, and what an attacker who owns all of it but the auditor's checkpoint made of it."""

    log: StoredLog
    checkpoints: CheckpointLog
    tiles: TileStore
    events: int
    held: Sequence[str]
    """Checkpoints that the auditor kept: every tenth, and the last."""
    rewritten: StoredLog
    rewritten_tiles: TileStore
    rewritten_checkpoints: CheckpointLog
    earlier: CheckpointLog
    """All checkpoints but those over the last events."""


def tamperings(own: Deployment) -> Iterator[Tampering]:
    """Every change of which an auditor must be told."""
    end = own.events
    at = end * 7 // 9 // EVENTS_A_STREAM * EVENTS_A_STREAM + 5
    """In the midst of a stream."""

    def here(change: Callable[[list[Stored]], list[Stored]], shift: int = 0) -> Forged:
        return Forged(own.log, at, change, shift)

    for what, one, kind in (
        ("one bit of a body is flipped", flipped, Kind.EDITED),
        ("a header is changed", changed, Kind.RULE),
        ("a header is added", added, Kind.RULE),
        ("a subject is changed", renamed, Kind.EDITED),
    ):
        yield Tampering(what, frozenset({kind}), at, log=here(partial(of_first, one)))
    yield Tampering("an event is missing", frozenset({Kind.DELETED}), at, log=here(lambda two: two[1:]))
    yield Tampering(
        "an event is taken out, what follows moves up",
        frozenset({Kind.DELETED}),
        at,
        log=here(lambda two: [moved(two[1], -1)], -1),
    )
    yield Tampering(
        "two events are exchanged",
        frozenset({Kind.SWAPPED}),
        at,
        log=here(lambda two: [moved(two[1], -1), moved(two[0], 1)]),
    )
    yield Tampering(
        "an event is inserted",
        frozenset({Kind.INSERTED}),
        at,
        log=here(lambda two: [flipped(two[0]), *(moved(each, 1) for each in two)], 1),
    )
    held = Trust(key=SIGNER.key, held=own.held)
    tail = end - 5_000 + 1
    yield Tampering(
        "the end is cut off, and the checkpoints over it",
        frozenset({Kind.TRUNCATED}),
        tail,
        log=Cut(own.log, tail, lambda two: two, -5_000),
        checkpoints=own.earlier,
        trust=held,
    )
    yield Tampering(
        "history is rewritten, every hash made anew",
        frozenset({Kind.REWRITTEN}),
        at,
        within=2 * SIGN_EVERY,
        log=own.rewritten,
        tiles=own.rewritten_tiles,
    )
    yield Tampering(
        "the owner of the key rewrites and signs anew",
        frozenset({Kind.FORKED}),
        at,
        within=11 * SIGN_EVERY,
        log=own.rewritten,
        tiles=own.rewritten_tiles,
        checkpoints=own.rewritten_checkpoints,
        trust=held,
    )
    yield Tampering(
        "another key", frozenset({Kind.SIGNATURE}), 0, trust=Trust(key=FileSigner.generated("precedent.bench").key)
    )
    yield Tampering(
        "no checkpoint for an hour",
        frozenset({Kind.STALE}),
        end - SIGN_EVERY + 1,
        within=3 * SIGN_EVERY,
        checkpoints=own.earlier,
        later=timedelta(hours=1),
    )


def rewriting(log: StoredLog, events: int) -> Forged:
    """Somebody else's past: one event says something else, and keeps every rule."""
    at = events * 7 // 9 // EVENTS_A_STREAM * EVENTS_A_STREAM + 5
    return Forged(
        log, at, lambda two: [two[0]._replace(body=two[0].body.replace(b"quick brown", b"quack brown")), two[1]]
    )


async def signed(log: StoredLog, tiles: TileStore, checkpoints: CheckpointLog, copy: Copy | None = None) -> None:
    """A ledger over all of a log, a checkpoint every ten thousand events."""
    ledger = Ledger(0, Identity(SIGNER), log=log, tiles=tiles, checkpoints=checkpoints, clock=SystemClock(), copy=copy)
    await ledger.resume()
    due = SIGN_EVERY
    async for messages in log.read_stored(0, 0, READ_AT_ONCE):
        ledger.integrate(messages)
        if ledger.integrated >= due:
            await ledger.publish()
            due += SIGN_EVERY
    await ledger.publish()


async def audited(own: Deployment, tampering: Tampering) -> str:
    """Audit what an attacker made of the log, and give what the audit says of it."""
    log, tiles = tampering.log or own.log, tampering.tiles or own.tiles
    now = None if tampering.later is None else SystemClock().now() + tampering.later
    audits = Audits(log, tampering.checkpoints or own.checkpoints, tiles)
    return told(await audits.verify(0, tampering.trust, now=now), tampering)


def told(report: Report, tampering: Tampering) -> str:
    """Give what the audit says of the place. Raises ``SystemExit`` where it says nothing, or of another place."""
    wanted = tampering.first
    for finding in report.findings:
        if finding.kind not in tampering.kinds:
            continue
        if finding.first is None or finding.last is None:
            return f"{finding.kind}: {finding.message}"
        first, last = finding.first.sequence, finding.last.sequence
        if first == wanted or (tampering.within and first <= wanted <= last and last - first < tampering.within):
            where = f"{first:,}" if first == last else f"{first:,} to {last:,}"
            return f"{finding.kind} at {where}: {finding.message}"
    raise SystemExit(f"not found: {tampering.what} at {wanted}; the audit said {report.findings[:3]}")


class Table:
    """Lines of the table."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    async def timed(self, what: str, work: Callable[[], Any]) -> Any:
        """Do it, and print how long it took and what came of it."""
        wall, cpu = time.perf_counter(), time.process_time()
        said = await work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {"what": what, "seconds": wall, "cpu": cpu, "memory_mib": memory, "said": said}
        self.lines.append(line)
        print(f"{what:<50} {wall:7.1f} s {cpu:7.1f} cpu {memory:6.0f} MiB  {str(said or '')[:150]}", flush=True)
        return said


async def written(connection: Connection, count: int) -> str:
    """Put the log on the broker, as a restore does."""
    writer = JetStreamLogWriter(connection)
    for first in range(0, count, 4_000):
        messages = genuine(min(count, first + 4_000), first)
        await writer.write([messages[at : at + 500] for at in range(0, len(messages), 500)])
    return f"{count:,} events on the broker"


async def main(count: int) -> Table:
    table = Table()
    with tempfile.TemporaryDirectory(prefix="precedent-bench-") as folder:
        async with broker("2m") as url:
            connection = await Connection.open(url, name="bench")
            await ensure_streams(connection)
            log, checkpoints = JetStreamStoredLog(connection), JetStreamCheckpoints(connection)
            tiles, segments = FileTileStore(Path(folder, "own")), FileSegmentStore(Path(folder, "own"))
            copy = Copy(segments, Position(0, 0, 1))
            await table.timed("write", lambda: written(connection, count))
            await table.timed("integrate, sign, copy", lambda: signed(log, tiles, checkpoints, copy))
            segments.release(0)
            notes = [note async for note in checkpoints.all(0)]
            kept = MemoryCheckpointLog()
            for place, note in enumerate(notes):
                await kept.publish(0, note, place)
            archive = ArchivedLog(segments)
            for what, each in (("broker", log), ("archive", archive)):
                audits = Audits(each, checkpoints, tiles)
                await table.timed(f"audit, from the {what}", partial(whole, audits, count))
            await connection.close()
        earlier = MemoryCheckpointLog()
        covering = [note for note in notes if Checkpoint.parse(Note.parse(note).text).size <= count - SIGN_EVERY]
        for place, note in enumerate(covering):
            await earlier.publish(0, note, place)
        forged, forged_tiles = rewriting(archive, count), FileTileStore(Path(folder, "forged"))
        forged_checkpoints = MemoryCheckpointLog()
        await table.timed("forge a log with all its hashes", lambda: signed(forged, forged_tiles, forged_checkpoints))
        own = Deployment(
            archive, kept, tiles, count, [*notes[9::10], notes[-1]], forged, forged_tiles, forged_checkpoints, earlier
        )
        for tampering in tamperings(own):
            await table.timed(tampering.what, partial(audited, own, tampering))
    return table


async def whole(audits: Audits, count: int) -> str:
    report = await audits.verify(0, Trust(key=SIGNER.key))
    if not report.sound or report.covered != count:
        raise SystemExit(f"the genuine log is not whole: {report.findings[:3]}")
    return f"whole: {report.events:,} events, {report.checkpoints} checkpoints"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(main(arguments.events))
    if arguments.json:
        print(json.dumps(result.lines, indent=2))
