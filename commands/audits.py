"""Audits: the log against its ledger, and a run with its proofs for an auditor elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson

from commands.digests import Digesting
from commands.ledger import inclusion
from commands.ledger_ports import CheckpointLog, StoredLog, TileStore
from commands.ports import ContentStore, EventStore, Selection
from domain.kernel.errors import NotFound, PrecedentError, StoredDataInvalid
from domain.kernel.ids import START, StreamId
from domain.ledger.auditing import Audit, Finding, Kind, Known, Report
from domain.ledger.bundle import Bundle, Proven, references
from domain.ledger.checkpoint import Checkpoint, CheckpointInvalid, Signed
from domain.ledger.events import KeyRotated
from domain.ledger.notes import Note, VerifierKey
from domain.ledger.rotation import predecessors, successors
from domain.ledger.tiles import ENTRIES, WIDTH, Tile, entries_of, hashes_of

STALE_AFTER: Final = timedelta(seconds=60)
"""Age of the newest checkpoint from which events after it are a finding."""

READ_AT_ONCE: Final = 2_000
"""Events of one batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What an auditor brings along; nothing of it is taken from the log."""

    key: VerifierKey
    """The log's key, or the first of those that followed one another."""
    witnesses: Sequence[VerifierKey] = ()
    required: int = 0
    """Witnesses that must have signed a checkpoint for it to count."""
    held: Sequence[str] = ()
    """Checkpoints that were kept apart from the log."""
    earlier: Sequence[VerifierKey] = ()
    """Keys before it that did not say who follows, as when one was lost; their checkpoints count too."""


@dataclass(slots=True)
class _Opened:
    known: list[Known] = field(default_factory=list)
    wrong: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Audits:
    """Audits of one deployment."""

    log: StoredLog
    checkpoints: CheckpointLog
    tiles: TileStore

    async def verify(
        self,
        shard: int,
        trust: Trust,
        rotations: Sequence[str] = (),
        *,
        now: datetime | None = None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        digesting: Digesting | None = None,
    ) -> Report:
        """Audit a shard. ``progress`` is told how many of how many events have been looked at.

        ``digesting`` looks at the log's events on several processors.
        """
        # Checkpoints of keys before the trusted one are looked at too: they add no trust, but must not contradict.
        keys = keys_of(trust, rotations)
        opened = await self._opened(shard, keys, trust)
        first, last = await self.log.extent(shard)
        newest = max((each.checkpoint for each in opened.known), key=lambda each: each.size, default=None)
        base = newest.first if newest is not None else first
        recorded = _Recorded(self.tiles, shard, newest.size if newest is not None else 0)
        audit = Audit(base, opened.known, recorded.hashes, recorded.entries)
        done, total = 0, max(0, last.sequence - base.sequence + 1)
        fed = (
            self._fed(audit, shard, base.sequence - 1)
            if digesting is None
            else digesting.feed(audit, shard, base.sequence - 1)
        )
        async for count in fed:
            done += count
            progress(done, total)
        report = audit.finish(now, STALE_AFTER)
        report.findings[:0] = opened.wrong
        return report

    async def _fed(self, audit: Audit, shard: int, after: int) -> AsyncIterator[int]:
        async for batch in self.log.read_stored(shard, after, READ_AT_ONCE):
            audit.take(batch)
            yield len(batch)

    async def _opened(self, shard: int, keys: Sequence[VerifierKey], trust: Trust) -> _Opened:
        """Every checkpoint whose signatures hold; what is wrong with the others."""
        opened = _Opened()
        for note in trust.held:
            self._open(shard, opened, note, keys, trust, held=True)
        async for note in self.checkpoints.all(shard):
            self._open(shard, opened, note, keys, trust, held=False)
        return opened

    def _open(
        self, shard: int, opened: _Opened, note: str, keys: Sequence[VerifierKey], trust: Trust, *, held: bool
    ) -> None:
        try:
            checkpoint = checkpoint_of(note, keys, trust.witnesses, trust.required)
            if checkpoint.first.shard != shard:
                raise CheckpointInvalid(f"it is of {checkpoint.origin}, and shard {shard} is audited")
            opened.known.append(Known(checkpoint, held))
        except PrecedentError as problem:
            where = "a checkpoint that was kept apart" if held else f"checkpoint {len(opened.known) + 1} of the log"
            opened.wrong.append(Finding(Kind.SIGNATURE, f"{where}: {problem}"))


def keys_of(trust: Trust, rotations: Sequence[str]) -> list[VerifierKey]:
    """Every key that is trusted by way of these notes, the oldest first."""
    return [*trust.earlier, *reversed(predecessors(trust.key, rotations)), *successors(trust.key, rotations)]


def checkpoint_of(
    note: str, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = (), required: int = 0
) -> Checkpoint:
    """Read a checkpoint that one of these keys signed, the newest tried first. Raises what ``Signed.open`` does."""
    parsed = Note.parse(note)
    hashes = {each.key_hash for each in parsed.signatures}
    named = [each for each in keys if each.hash in hashes]
    if len(named) > 1:
        named = parsed.signers(named)  # one that does not fit spoils it, whoever else signed
    key = named[-1] if named else keys[-1]
    return Signed.open(note, key, witnesses, required).checkpoint


class _Recorded:
    """The tiles of a tree of known size, for an audit."""

    def __init__(self, tiles: TileStore, shard: int, size: int) -> None:
        self._tiles = tiles
        self._shard = shard
        self._size = size

    def hashes(self, number: int) -> Sequence[bytes] | None:
        return self._read(0, number, hashes_of)

    def entries(self, number: int) -> Sequence[bytes] | None:
        return self._read(ENTRIES, number, entries_of)

    def _read(self, level: int, number: int, cut: Callable[[bytes, Tile], list[bytes]]) -> list[bytes] | None:
        width = min(WIDTH, self._size - number * WIDTH)
        if width <= 0:
            return None
        tile = Tile(level, number, width)
        try:
            return cut(self._tiles.read(self._shard, tile), tile)
        except (NotFound, StoredDataInvalid):
            return None


async def rotations_of(events: EventStore, tenant: str) -> list[str]:
    """The log's own notes on the rotation of its key, in order."""
    found: list[str] = []
    async for batch in events.read(START, Selection(tenant=tenant, category="ledger", event=KeyRotated.short_name())):
        found.extend(str(event.data["note"]) for event in batch)
    return found


async def rotations_in(log: StoredLog, shard: int) -> list[str]:
    """As ``rotations_of``, out of the log itself; what cannot be read there is for the audit to tell."""
    found: list[str] = []
    ending = f".{KeyRotated.short_name()}"
    async for batch in log.read_stored(shard, batch=READ_AT_ONCE):
        for event in batch:
            if event.subject.endswith(ending) and event.subject.split(".")[3] == "ledger":
                with suppress(orjson.JSONDecodeError, KeyError, TypeError):
                    found.append(str(orjson.loads(event.body)["data"]["note"]))
    return found


class NotPublished(PrecedentError):
    """The run's last events are under no checkpoint yet: see that the ledger runs (`precedent status`), and retry."""

    code = "ledger.not-published"


@dataclass(frozen=True, slots=True)
class Exports:
    """Bundles out of one deployment."""

    events: EventStore
    content: ContentStore
    checkpoints: CheckpointLog
    tiles: TileStore

    async def bundle(self, shard: int, run: StreamId, rotations: Sequence[str] = ()) -> Bundle:
        """A run with its proofs under the newest checkpoint. Raises ``NotFound``, ``NotPublished``."""
        loaded = await self.events.load(run)
        if not loaded.events:
            raise NotFound(f"there is no run {run.id} of tenant {run.tenant}; `precedent runs` lists them")
        newest = await self.checkpoints.newest(shard)
        checkpoint = Checkpoint.parse(Note.parse(newest[1]).text) if newest is not None else None
        last = loaded.events[-1].position
        if newest is None or checkpoint is None or checkpoint.index(last) >= checkpoint.size:
            held = f"the newest checkpoint stands over {checkpoint.size} events" if checkpoint else "there is none yet"
            raise NotPublished(f"the run's event at {last} is under no checkpoint: {held}")
        proven: list[Proven] = []
        for event in loaded.events:
            index = checkpoint.index(event.position)
            proof = await inclusion(self.tiles, shard, index, checkpoint.size)
            proven.append(Proven(index, event.address, event.body, tuple(proof)))
        needed = sorted({digest for event in loaded.events for digest in references(event.body)})
        content = {digest: await self.content.get(run.tenant, digest) for digest in needed}
        return Bundle(str(run), newest[1], tuple(rotations), tuple(proven), content)


def is_key(text: str) -> bool:
    """Tell whether a text is spelled like a verifier key, rather than like the name of a file that holds one."""
    return re.fullmatch(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", text) is not None
