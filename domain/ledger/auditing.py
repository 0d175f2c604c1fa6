"""Auditing one shard: its events against its rules, the ledger's tiles and every signed checkpoint.

Steps, for the events in their order:

1. Each event keeps the rules of the log (``stored``); a missing place is a finding.
2. Its leaf is compared with the leaf that the tiles hold there. Where they differ, both are laid side by side again,
   so that one event too many, too few or exchanged is told as that, and what follows is still verified.
3. The tree over the tiles' leaves, and the tree over the events' own, have the root of every checkpoint at its size.

What a signature proves depends on who holds the key: against the owner of the key, only a checkpoint that someone else
kept (or a witness signed) shows that the log was cut or rewritten.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from domain.kernel.ids import Position
from domain.kernel.merkle import HASH_SIZE, Tree
from domain.kernel.values import format_time
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.digesting import Digested, digest
from domain.ledger.leaf import hashed
from domain.ledger.recorded import RecordedLeaves, Tiles
from domain.ledger.stored import Rules, Stored

LOOK_AHEAD: Final = 64
"""Events within which two sequences are laid side by side again."""

MOST_FINDINGS: Final = 1_000
"""Findings that are kept; the rest is counted."""


class Kind(StrEnum):
    """What is wrong."""

    DELETED = "deleted"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    EDITED = "edited"
    RULE = "rule"
    REWRITTEN = "rewritten"
    FORKED = "forked"
    TRUNCATED = "truncated"
    STALE = "stale"
    TILES = "tiles"
    SIGNATURE = "signature"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    kind: Kind
    message: str
    first: Position | None = None
    last: Position | None = None
    """The same as ``first`` where it is one event."""


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint to audit against."""

    checkpoint: Checkpoint
    held: bool = False
    """Whether the auditor or a witness kept it, apart from the log."""


@dataclass(slots=True)
class Report:
    """What an audit found."""

    events: int = 0
    checkpoints: int = 0
    """Checkpoints whose roots the events have."""
    covered: int = 0
    """Events under the largest of these."""
    uncovered: int = 0
    """Events after the newest checkpoint: nobody has signed them yet."""
    root: bytes = b""
    """Of the tree over all events."""
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    """Findings beyond those kept."""

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class _Leaf(NamedTuple):
    place: int
    hash: bytes
    subject: bytes
    identity: bytes
    digest: bytes


class Audit:
    """One audit at work: ``feed`` it every event in order, then ``finish``."""

    def __init__(
        self,
        first: Position,
        checkpoints: Iterable[Known],
        hashes: Tiles = lambda _: None,
        entries: Tiles = lambda _: None,
    ) -> None:
        """``hashes`` gives the level-0 tiles, ``entries`` the entry bundles."""
        self.first = first
        self.report = Report()
        self._all = sorted(checkpoints, key=lambda each: each.checkpoint.size)
        self._known = deque(self._all)
        self._sizes = frozenset(each.checkpoint.size for each in self._all)
        self._newest = self._all[-1].checkpoint.size if self._all else 0
        self._rules = Rules(epoch=first.epoch)
        self._tiles = RecordedLeaves(hashes, entries)
        self._waiting: deque[_Leaf] = deque()
        self._next = 0
        """Index at which the next event should stand."""
        self._offset = 0
        """How many places later than in the tiles events stand now."""
        self._tree = Tree()
        """Over the leaves of the tiles, or of the events where there are none."""
        self._own: Tree | None = None
        """Over the events, once they differ from the tiles."""
        self._own_matches: set[tuple[int, bytes]] = set()
        self._next_size = self._all[0].checkpoint.size if self._all else sys.maxsize
        self._last_matched = 0
        """Size of the last checkpoint whose root the events have."""
        self._last_held = 0
        """Of those that were kept apart: whoever forks a log signs the others anew."""

    def feed(self, events: Iterable[Stored]) -> None:
        """Take the next events."""
        check, waiting = self._rules.check, self._waiting
        first, report = self.first.sequence, self.report
        for event in events:
            index = event.position.sequence - first
            if index != self._next:
                self._gap(index)
            self._next = index + 1
            digest = sha256(event.body).digest()
            identity, problems = check(event, digest)
            for problem in problems:
                self._find(Kind.RULE, problem, event.position)
            report.events += 1
            parts = event.subject.encode(), identity.encode(), digest
            leaf = hashed(*parts)
            if not waiting and self._tiles.agrees(index - self._offset, leaf):
                self._grow(leaf, leaf)
                continue
            waiting.append(_Leaf(index, leaf, *parts))
            if len(waiting) > LOOK_AHEAD:
                self._compare()
                while waiting and self._tiles.agrees(waiting[0].place - self._offset, waiting[0].hash):
                    settled = waiting.popleft()
                    self._grow(settled.hash, settled.hash)

    def take(self, events: Sequence[Stored]) -> None:
        """As ``feed``, in less time where all is right, as nearly always."""
        run = digest(events)
        if run is None:
            self.feed(events)
            return
        self.feed(run.ahead)
        if not self.adopt(run):
            self.feed(events[len(run.ahead) : len(events) - len(run.behind)])
        self.feed(run.behind)

    def adopt(self, run: Digested) -> bool:
        """Take the next events as they were digested elsewhere.

        False, and nothing was taken, where something in them needs a closer look: ``feed`` them then.
        """
        index = run.first.sequence - self.first.sequence
        if index != self._next or self._waiting or self._offset or self._own is not None:
            return False
        if not self._rules.follows(run.first, run.before) or not self._tiles.agree(index, run.leaves):
            return False
        leaves = [run.leaves[at : at + HASH_SIZE] for at in range(0, len(run.leaves), HASH_SIZE)]
        self._rules.adopt(run.first, run.after)
        taken = 0
        while taken < len(leaves):
            until = min(len(leaves), taken + self._next_size - self._tree.size)
            self._tree.extend(leaves[taken:until])
            taken = until
            if self._tree.size >= self._next_size:
                self._check_roots()
        self._next += len(leaves)
        self.report.events += len(leaves)
        return True

    def finish(self, now: datetime | None = None, stale_after: timedelta | None = None) -> Report:
        """Say what was found. With a time, events that nobody signed for long are a finding."""
        while self._waiting:
            self._compare()
        end = self._next - self._offset
        while (recorded := self._tiles.leaf(self._tree.size)) is not None and self._tree.size < self._newest:
            self._grow(recorded, None)
        if self._newest > end:
            self._truncated(end)
        self._check_roots(final=True)
        own = self._own or self._tree
        self.report.root = own.root()
        self.report.uncovered = max(0, self.report.events - self._newest)
        if now is not None and stale_after is not None:
            self._check_age(now, stale_after)
        return self.report

    def _find(self, kind: Kind, message: str, first: Position | None = None, last: Position | None = None) -> None:
        if len(self.report.findings) < MOST_FINDINGS:
            self.report.findings.append(Finding(kind, message, first, last or first))
        else:
            self.report.more += 1

    def _place(self, index: int) -> Position:
        sequence = self.first.sequence + index
        epochs = self._rules.epochs
        found = bisect_right(epochs, (sequence, sys.maxsize)) - 1
        return Position(epochs[found][1] if found >= 0 else self.first.epoch, self.first.shard, sequence)

    def _gap(self, index: int) -> None:
        """Places are missing in the log itself."""
        while self._waiting:
            self._compare()
        if index < self._next:
            self._find(Kind.RULE, "events are not in the order of their places", self._place(index))
            return
        self._rules.lose()
        start, missing = self._next, index - self._next
        what = self._described(start - self._offset) if missing == 1 else ""
        message = f"{missing} event{'s are' if missing > 1 else ' is'} missing{what}"
        self._find(Kind.DELETED, message, self._place(start), self._place(index - 1))
        self._split()
        for each in range(start, index):
            recorded = self._tiles.leaf(each - self._offset)
            if recorded is not None:
                self._grow(recorded, None)

    def _compare(self) -> None:
        """Settle the first waiting event."""
        waiting = self._waiting
        leaf = waiting[0]
        recorded = self._tiles.leaf(leaf.place - self._offset)
        if recorded is None or recorded == leaf.hash:
            waiting.popleft()
            self._grow(leaf.hash, leaf.hash)
            return
        self._split()
        expected = leaf.place - self._offset
        if len(waiting) > 1 and waiting[1].hash == recorded and self._tiles.leaf(expected + 1) == leaf.hash:
            self._find(
                Kind.SWAPPED,
                f"two events have changed places{self._described(expected)}",
                self._place(leaf.place),
                self._place(leaf.place + 1),
            )
            second = waiting[1]
            waiting.popleft()
            waiting.popleft()
            self._grow(recorded, leaf.hash)
            self._grow(leaf.hash, second.hash)
            return
        for count in range(1, LOOK_AHEAD):
            if count < len(waiting) and waiting[count].hash == recorded:
                self._inserted(count)
                return
            if self._tiles.leaf(expected + count) == leaf.hash:
                self._deleted(expected, count)
                return
        waiting.popleft()
        self._find(Kind.EDITED, self._difference(leaf, expected), self._place(leaf.place))
        self._grow(recorded, leaf.hash)

    def _inserted(self, count: int) -> None:
        start = self._waiting[0].place
        names = ", ".join(each.subject.decode(errors="replace") for each in list(self._waiting)[: min(count, 3)])
        message = f"{count} event{'s were' if count > 1 else ' was'} inserted: {names}"
        self._find(Kind.INSERTED, message, self._place(start), self._place(start + count - 1))
        for _ in range(count):
            leaf = self._waiting.popleft()
            if self._own is not None:
                self._own.append(leaf.hash)
        self._offset += count

    def _deleted(self, expected: int, count: int) -> None:
        what = self._described(expected) if count == 1 else ""
        place = self._place(expected)
        message = f"{count} event{'s were' if count > 1 else ' was'} removed{what}, and what follows moved up"
        self._find(Kind.DELETED, message, place, self._place(expected + count - 1))
        for each in range(expected, expected + count):
            recorded = self._tiles.leaf(each)
            assert recorded is not None
            self._grow(recorded, None)
        self._offset -= count

    def _difference(self, leaf: _Leaf, expected: int) -> str:
        entry = self._tiles.entry(expected)
        if entry is None:
            return "the event is not the one that the ledger holds"
        subject, identity, digest = entry
        changes = []
        if subject != leaf.subject.decode(errors="replace"):
            changes.append(f"its subject was {subject}")
        if identity != leaf.identity.decode(errors="replace"):
            changes.append(f"its id was {identity}")
        if digest != leaf.digest:
            changes.append(f"its body had the digest sha256:{digest.hex()}, not sha256:{leaf.digest.hex()}")
        return "the event was changed: " + "; ".join(changes)

    def _described(self, expected: int) -> str:
        entry = self._tiles.entry(expected)
        return "" if entry is None else f": {entry[0]} with the id {entry[1]}"

    def _split(self) -> None:
        """From here on the events have a tree of their own."""
        if self._own is None:
            self._own = Tree(self._tree.size, self._tree.edge)

    def _grow(self, recorded: bytes, own: bytes | None) -> None:
        tree = self._tree
        tree.append(recorded)
        if self._own is not None and own is not None:
            self._own.append(own)
            if self._own.size in self._sizes:
                self._own_matches.add((self._own.size, self._own.root()))
        if tree.size >= self._next_size:
            self._check_roots()

    def _check_roots(self, *, final: bool = False) -> None:
        while self._known and (final or self._known[0].checkpoint.size <= self._tree.size):
            known = self._known.popleft()
            checkpoint = known.checkpoint
            if checkpoint.size > self._tree.size:
                continue  # told as truncated
            if self._tree.size == checkpoint.size and self._tree.root() == checkpoint.root:
                self.report.checkpoints += 1
                self.report.covered = self._last_matched = checkpoint.size
                if known.held:
                    self._last_held = checkpoint.size
                continue
            self._differs(known)
        self._next_size = self._known[0].checkpoint.size if self._known else sys.maxsize

    def _differs(self, known: Known) -> None:
        checkpoint = known.checkpoint
        matched = self._last_held if known.held else self._last_matched
        first, last = self._place(matched), self._place(checkpoint.size - 1)
        if (checkpoint.size, checkpoint.root) in self._own_matches:
            self._find(Kind.TILES, "the tiles do not have the signed root, the events do: rebuild them", first, last)
        elif known.held:
            message = (
                f"the checkpoint of {format_time(checkpoint.time)} over {checkpoint.size} events, which was kept apart "
                "from the log, has another root: the log was forked or rewritten since"
            )
            self._find(Kind.FORKED, message, first, last)
        else:
            message = (
                f"the events do not have the root that was signed at {format_time(checkpoint.time)} over "
                f"{checkpoint.size} events: something before was rewritten"
            )
            self._find(Kind.REWRITTEN, message, first, last)

    def _truncated(self, end: int) -> None:
        largest = self._all[-1].checkpoint
        message = (
            f"{largest.size - end} events at the end are missing: the checkpoint of {format_time(largest.time)} is "
            f"over {largest.size} events, the log has {end}"
        )
        self._find(Kind.TRUNCATED, message, self._place(end), self._place(largest.size - 1))

    def _check_age(self, now: datetime, stale_after: timedelta) -> None:
        if not self.report.uncovered:
            return
        signed = self._all[-1].checkpoint.time if self._all else None
        if signed is None or signed < now - stale_after:
            message = f"{self.report.uncovered} events at the end are under no checkpoint"
            since = f"the newest is of {format_time(signed)}" if signed else "there is none"
            self._find(Kind.STALE, f"{message}; {since}", self._place(self._newest), self._place(self._next - 1))
