"""Closed epochs: put into the archive with their proofs, compared, and read from there once they have left the broker.

1. The newest checkpoint stands over the epoch's last event, signed by a key that is trusted.
2. What the ledger's copy lacks of the epoch is written to segments; each is read back when it is sealed.
3. Every message of the epoch is read out of the archive and compared with the broker's, headers included.
4. The tree over the archive's leaves, on top of the tree before the epoch and below what came after it, has the signed
   root.
5. The index of the epoch is made; from then on its streams can be loaded from the archive.
6. Only then, and only where asked for, the epoch leaves the broker: noted first, so that nobody looks for it there.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Protocol

from commands.archive import READ_AT_ONCE, ArchivedLog, Damaged, load
from commands.audits import Trust, checkpoint_of, keys_of
from commands.ledger_ports import CheckpointLog, EpochStore, SegmentStore, StoredLog, TileStore
from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.kernel.merkle import Tree, leaf_hash
from domain.kernel.values import digest_bytes
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.epochs import Closed, entry_of, index_of, sequences_in
from domain.ledger.leaf import leaf_data
from domain.ledger.segments import Kept, Segment, frame, is_full, written
from domain.ledger.stored import Stored
from domain.ledger.tiles import node_of, tiles_for

DECODED: Final = 2
"""Segments that are kept in memory for whoever loads one stream after the other."""

Progress = Callable[[int, int], None]


class EpochNotArchived(PrecedentError):
    """The epoch stays in the broker: do what the message says, and repeat the command; nothing was taken away."""

    code: ClassVar[str] = "epoch.not-archived"


class EpochUnknown(NotFound):
    """Name a closed epoch of this log: `precedent epochs ls` lists them."""

    code: ClassVar[str] = "epoch.unknown"


class ArchivedEpochs:
    """Closed epochs of every shard, out of the archive."""

    def __init__(self, segments: SegmentStore, epochs: EpochStore, on_damaged: Damaged | None = None) -> None:
        """Without ``on_damaged``, damage is raised."""
        self._segments = segments
        self._epochs = epochs
        self._log = ArchivedLog(segments, on_damaged)
        self._decoded: dict[tuple[int, Kept], Segment] = {}

    def closed(self, shard: int) -> Sequence[Closed]:
        """Every epoch that the archive has whole, in order."""
        return self._epochs.closed(shard)

    def left(self, shard: int) -> Sequence[Closed]:
        """Those that the broker has no longer."""
        return [closed for closed in self.closed(shard) if closed.has_left]

    def has(self, closed: Closed, stream: StreamId) -> bool:
        """Whether a stream may have messages in an epoch; never wrongly false."""
        return next(sequences_in(self._epochs.index(closed.shard, closed.epoch), stream), None) is not None

    async def events(self, closed: Closed, stream: StreamId) -> list[Recorded]:
        """Give the messages of a stream in an epoch, in order. Raises ``NotFound``, ``SegmentInvalid``."""
        sequences = list(sequences_in(self._epochs.index(closed.shard, closed.epoch), stream))
        if not sequences:
            return []
        kept = [each for each in self._segments.listed(closed.shard) if each.last is not None]
        firsts = [each.first for each in kept]
        prefix = f"evt.{closed.shard}.{stream.tenant}.{stream.category}.{stream.id}."
        found: list[Recorded] = []
        for sequence in sequences:
            place = bisect_right(firsts, sequence) - 1
            if place < 0 or sequence > (kept[place].last or 0):
                raise NotFound(f"the archive has no segment with {Position(closed.epoch, closed.shard, sequence)}")
            segment = await self._segment(closed.shard, kept[place])
            message = segment.messages[sequence - segment.first.sequence]
            if message.subject.startswith(prefix):
                found.append(Recorded(message.position, message.subject, message.body))
        return found

    async def _segment(self, shard: int, kept: Kept) -> Segment:
        segment = self._decoded.get((shard, kept))
        if segment is None:
            segment = await asyncio.to_thread(load, self._segments, shard, kept)
            while len(self._decoded) >= DECODED:
                self._decoded.pop(next(iter(self._decoded)), None)
            self._decoded[shard, kept] = segment
        return segment

    def read_stored(self, closed: Closed, after: int, batch: int) -> AsyncGenerator[Sequence[Stored], None]:
        """Give an epoch's messages after a sequence, in order. What is damaged is left out, where it is told."""
        return until(self._log, closed.shard, max(after, closed.first - 1), closed.last, batch)


async def until(
    log: StoredLog, shard: int, after: int, last: int, batch: int
) -> AsyncGenerator[Sequence[Stored], None]:
    """Give messages of a log after one sequence and up to another."""
    if after >= last:
        return
    batches = log.read_stored(shard, after, batch)
    try:
        async for messages in batches:
            if messages[-1].position.sequence <= last:
                yield messages
                continue
            wanted = [message for message in messages if message.position.sequence <= last]
            if wanted:
                yield wanted
            return
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()


class EpochBroker(Protocol):
    """What taking an epoch away needs of the broker."""

    async def closed(self, shard: int) -> Sequence[Closed]:
        """Closed epochs that the broker still has, in order."""
        ...

    async def drop(self, closed: Closed) -> None:
        """Delete the stream of a closed epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Archiving:
    """Archiving the closed epochs of one deployment."""

    log: StoredLog
    """All of it: what has left the broker, and what has not."""
    broker: EpochBroker
    segments: SegmentStore
    epochs: EpochStore
    checkpoints: CheckpointLog
    tiles: TileStore

    async def archive(
        self,
        shard: int,
        epoch: int,
        trust: Trust,
        rotations: Sequence[str] = (),
        progress: Progress = lambda _done, _total: None,
    ) -> Closed:
        """Put a closed epoch into the archive, and see that it is there. It may be repeated at any time.

        Raises ``EpochUnknown``, ``EpochNotArchived``, and what reading an archive and a checkpoint raises.
        """
        closed = next((each for each in await self.broker.closed(shard) if each.epoch == epoch), None)
        if closed is None:
            known = next((each for each in self.epochs.closed(shard) if each.epoch == epoch), None)
            if known is not None and known.has_left:
                return known
            raise EpochUnknown(f"there is no closed epoch {epoch} of shard {shard}; `precedent epochs ls` lists them")
        checkpoint = await self._checkpoint(closed, trust, rotations)
        await self._fill(closed)
        index = await self._compared(closed, checkpoint, progress)
        known = next((each for each in self.epochs.closed(shard) if each.epoch == epoch), closed)
        archived = replace(known, index=digest_bytes(index))
        await asyncio.to_thread(self.epochs.keep, archived, index)
        return archived

    async def drop(self, closed: Closed) -> None:
        """Take an epoch that was just archived out of the broker. It may be repeated at any time.

        Raises ``EpochNotArchived`` while an earlier one is there.
        """
        left = {each.epoch for each in self.epochs.closed(closed.shard) if each.has_left}
        earlier = [each.epoch for each in await self.broker.closed(closed.shard) if each.epoch < closed.epoch]
        if not left.issuperset(earlier):
            raise EpochNotArchived(
                f"epoch {earlier[0]} comes before epoch {closed.epoch} and must leave the broker first"
            )
        await asyncio.to_thread(self.epochs.keep, replace(closed, has_left=True))
        if any(each.epoch == closed.epoch for each in await self.broker.closed(closed.shard)):
            await self.broker.drop(closed)

    async def _checkpoint(self, closed: Closed, trust: Trust, rotations: Sequence[str]) -> Checkpoint:
        newest = await self.checkpoints.newest(closed.shard)
        if newest is not None:
            checkpoint = checkpoint_of(newest[1], keys_of(trust, rotations), trust.witnesses, trust.required)
            if checkpoint.position(checkpoint.size - 1).sequence >= closed.last:
                return checkpoint
        raise EpochNotArchived(
            f"no checkpoint stands over the end of epoch {closed.epoch} (sequence {closed.last}) yet: see that the "
            "ledger runs (`precedent status`), and try again"
        )

    async def _fill(self, closed: Closed) -> None:
        """Write what the archive lacks of an epoch."""
        end = closed.first - 1
        for kept in self.segments.listed(closed.shard):
            if kept.first == end + 1 <= closed.last and kept.last is not None:
                end = kept.last
        if end > closed.last:
            raise EpochNotArchived(
                f"the archive has a segment across the end of epoch {closed.epoch}, {closed.last}: it is of another log"
            )
        taken, size = list[Stored](), 0
        async for messages in until(self.log, closed.shard, end, closed.last, READ_AT_ONCE):
            for message in messages:
                taken.append(message)
                size += len(frame(message))
                if is_full(len(taken), size) or message.position.sequence == closed.last:
                    await asyncio.to_thread(self._seal, taken)
                    taken, size = [], 0

    def _seal(self, messages: Sequence[Stored]) -> None:
        first, last = messages[0].position, messages[-1].position
        if last.sequence - first.sequence + 1 != len(messages):
            raise EpochNotArchived(f"the broker has lost events between {first} and {last}: `precedent audit verify`")
        kept = Kept(first.sequence, last.sequence)
        self.segments.seal(first.shard, kept, written(first, messages))

    async def _compared(self, closed: Closed, checkpoint: Checkpoint, progress: Progress) -> bytes:
        """Compare the archive with the broker, and both with the signed root; give the index."""
        shard, first = closed.shard, closed.first
        tree = await self._tree_before(first - checkpoint.first.sequence, checkpoint)
        entries: list[bytes] = []
        async with (
            aclosing(_each(self.log, shard, first - 1, closed.last)) as ours,
            aclosing(_each(ArchivedLog(self.segments), shard, first - 1, closed.last)) as archived,
        ):
            for sequence in range(first, closed.last + 1):
                mine, kept = await anext(ours, None), await anext(archived, None)
                if kept is None or mine != kept or kept.position != Position(closed.epoch, shard, sequence):
                    where = Position(closed.epoch, shard, sequence)
                    raise EpochNotArchived(
                        f"broker and archive differ at {where}: `precedent audit verify` and `precedent audit verify "
                        "--archive` say which of them is not what was signed"
                    )
                tree.append(leaf_hash(leaf_data(kept.subject, kept.identity, kept.body)))
                entries.append(entry_of(kept))
                if sequence % READ_AT_ONCE == 0:
                    progress(sequence - first + 1, closed.last - first + 1)
        last = checkpoint.position(checkpoint.size - 1).sequence
        async with aclosing(_each(self.log, shard, closed.last, last)) as later:
            async for event in later:
                tree.append(leaf_hash(leaf_data(event.subject, event.identity, event.body)))
        if tree.size != checkpoint.size or tree.root() != checkpoint.root:
            raise EpochNotArchived(
                f"the events up to {last} do not have the signed root: `precedent audit verify` says what is wrong"
            )
        progress(closed.last - first + 1, closed.last - first + 1)
        return await asyncio.to_thread(index_of, entries)

    async def _tree_before(self, size: int, checkpoint: Checkpoint) -> Tree:
        """The tree before an epoch, whose hashes the signed root vouches for in the end."""
        shard = checkpoint.first.shard
        needed = tiles_for(lambda node: Tree.at(size, node), checkpoint.size)
        read = {tile: await self.tiles.tile(shard, tile) for tile in needed}
        return Tree.at(size, node_of(read.__getitem__, checkpoint.size))


async def _each(log: StoredLog, shard: int, after: int, last: int) -> AsyncGenerator[Stored, None]:
    async with aclosing(until(log, shard, after, last, READ_AT_ONCE)) as batches:
        async for messages in batches:
            for message in messages:
                yield message


async def recall(segments: SegmentStore, epochs: EpochStore, shard: int) -> Sequence[Closed]:
    """Note every epoch but the newest that the segments have as one that has left the broker, as after a restore."""
    found: list[Closed] = []
    entries: list[bytes] = []
    first = last = Position(0, shard, 0)
    async for messages in ArchivedLog(segments).read_stored(shard, batch=READ_AT_ONCE):
        for message in messages:
            if entries and message.position.epoch != last.epoch:
                index = await asyncio.to_thread(index_of, entries)
                numbers = {"epoch": last.epoch, "shard": shard, "first": first.sequence, "last": last.sequence}
                found.append(Closed(**numbers, index=digest_bytes(index), has_left=True))
                await asyncio.to_thread(epochs.keep, found[-1], index)
                entries = []
            last = message.position
            first = first if entries else last
            entries.append(entry_of(message))
    return found
