"""The ledger at work: it follows a shard, puts its events into the tree, and publishes signed checkpoints.

Three words for how far an event has come: *sequenced* (the log has acknowledged it), *integrated* (it is in the tree),
*published* (a signed checkpoint, cosigned by as many witnesses as are required, stands over it).

Any number may run; they make the same tiles, and the checkpoint log takes one next checkpoint from one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from commands.archive import Copy
from commands.ledger_ports import CheckpointLog, Signer, StoredLog, TileStore, Witness
from commands.ports import Clock
from domain.kernel.errors import NotFound, PrecedentError, ServiceUnreachable, StoredDataInvalid, VersionConflict
from domain.kernel.ids import Position
from domain.kernel.merkle import Node, Tree, consistency_proof, inclusion_proof
from domain.ledger.checkpoint import Checkpoint, Signed
from domain.ledger.growth import Growth
from domain.ledger.leaf import leaf_data
from domain.ledger.notes import Note, Signature, VerifierKey, ed25519_message
from domain.ledger.stored import Stored
from domain.ledger.tiles import edge_tiles, node_of, tiles_for

PUBLISH_EVERY: Final = 0.4
"""Seconds between checkpoints while events arrive."""

LOOK_EVERY: Final = 0.05
"""Seconds between looks at the newest checkpoint of who waits for one."""

CLOSES_WITHIN: Final = 4.0
"""Seconds for the last checkpoint when the ledger ends."""

READ_AT_ONCE: Final = 2_000
"""Events of one batch."""

_logger = logging.getLogger(__name__)


class LogTruncated(PrecedentError):
    """The log has lost events that a signed checkpoint covers. Do not write; `precedent audit repair` restores them."""

    code: ClassVar[str] = "ledger.log-truncated"


class LedgerBroken(PrecedentError):
    """The log is not what its own checkpoints say. Do not write; `precedent audit verify` says where."""

    code: ClassVar[str] = "ledger.broken"


class NotWitnessed(PrecedentError):
    """Too few witnesses cosigned: see that they run, or lower ``ledger.witnesses_required``; nothing was published."""

    code: ClassVar[str] = "ledger.not-witnessed"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs a log, and who must have seen it."""

    signer: Signer
    trusted: Sequence[VerifierKey] = ()
    """Earlier keys of the same log, whose checkpoints still count."""
    witnesses: Sequence[Witness] = ()
    required: int = 0
    """Witnesses that must cosign before a checkpoint counts as published."""

    def origin(self, shard: int) -> str:
        """Name of a shard's log."""
        return f"{self.signer.key.name}/{shard}"

    def open(self, note: str) -> Checkpoint:
        """Read one of the log's own checkpoints. Raises ``LedgerBroken``."""
        problem: PrecedentError | None = None
        for key in (self.signer.key, *self.trusted):
            try:
                return Signed.open(note, key).checkpoint
            except PrecedentError as error:
                problem = problem or error
        raise LedgerBroken(f"the newest checkpoint cannot be trusted: {problem}") from problem


class Ledger:
    """The ledger of one shard."""

    def __init__(
        self,
        shard: int,
        identity: Identity,
        *,
        log: StoredLog,
        tiles: TileStore,
        checkpoints: CheckpointLog,
        clock: Clock,
        copy: Copy | None = None,
    ) -> None:
        """``copy``: where it keeps a copy of what it integrates."""
        self._shard = shard
        self._identity = identity
        self._log = log
        self._tiles = tiles
        self._checkpoints = checkpoints
        self._clock = clock
        self._copy = copy
        self._first = Position(0, shard, 1)
        self._growth = Growth()
        self._published = 0
        """Leaves under the newest checkpoint."""
        self._place = 0
        """Place of the newest checkpoint."""

    @property
    def integrated(self) -> int:
        """Leaves in the tree."""
        return self._growth.size

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled; ``ready`` is called once it follows the log."""
        await self.resume()
        ready()
        publishing = asyncio.create_task(self._keep_publishing())
        try:
            async for batch in self._log.follow_stored(self._shard, self._end, READ_AT_ONCE):
                self.integrate(batch)
                if publishing.done():
                    break
                await asyncio.sleep(0)  # under load batches are there at once, and checkpoints must get their turn
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await self._close()
        await publishing

    async def _close(self) -> None:
        """Publish what there is, in the short time that is left."""
        try:
            async with asyncio.timeout(CLOSES_WITHIN):
                await self._integrate_rest()
                await self.publish()
        except (PrecedentError, TimeoutError) as problem:
            _logger.warning("the last events are under no checkpoint yet: %s", problem or "no time was left")

    async def _integrate_rest(self) -> None:
        async for batch in self._log.read_stored(self._shard, self._end, READ_AT_ONCE):
            self.integrate(batch)

    async def catch_up(self) -> None:
        """Integrate what the log holds now, and publish it."""
        await self.resume()
        await self._integrate_rest()
        await self.publish()

    async def resume(self) -> None:
        """Go on from the newest checkpoint. Raises ``LogTruncated``, ``LedgerBroken``."""
        newest = await self._checkpoints.newest(self._shard)
        self._growth, self._published, self._place = Growth(), 0, 0
        if newest is not None:
            self._place, note = newest
            checkpoint = self._identity.open(note)
            await check_length(self._log, checkpoint, self._shard)
            self._growth = await self._restored(checkpoint)
            self._published = checkpoint.size
        if self._copy is not None:
            await self._fill(self._copy)

    async def _fill(self, copy: Copy) -> None:
        """Copy what is under the checkpoint and not in the copy, as at the first start with one."""
        have = await asyncio.to_thread(copy.resume, self._end)
        if have >= self._end:
            return
        async for batch in self._log.read_stored(self._shard, have, READ_AT_ONCE):
            _check_order(batch, have)
            have = batch[-1].position.sequence
            copy.add(batch[: len(batch) - max(0, have - self._end)])
            if have >= self._end:
                break
        await copy.flush()
        await copy.seal(self._end)

    async def _restored(self, checkpoint: Checkpoint) -> Growth:
        """The tree of a checkpoint, out of its tiles, or out of the log where they are lost."""
        try:
            read = {tile: await self._tiles.tile(self._shard, tile) for tile in edge_tiles(checkpoint.size)}
            growth = Growth.at(checkpoint.size, read.__getitem__)
            if growth.tree().root() == checkpoint.root:
                return growth
            _logger.warning("the tiles of shard %d do not have the signed root; they are made again", self._shard)
        except (NotFound, StoredDataInvalid) as problem:
            _logger.warning("the tiles of shard %d are made again: %s", self._shard, problem)
        return await self._rebuilt(checkpoint)

    async def _rebuilt(self, checkpoint: Checkpoint) -> Growth:
        growth = Growth()
        async for batch in self._log.read_stored(self._shard, batch=READ_AT_ONCE):
            growth.append(_leaves(batch[: checkpoint.size - growth.size]))
            await self._tiles.put_tiles(self._shard, growth.take())
            if growth.size == checkpoint.size:
                break
        if growth.size != checkpoint.size or growth.tree().root() != checkpoint.root:
            raise LedgerBroken(
                f"the first {checkpoint.size} events of shard {self._shard} do not have the root that was signed at "
                f"{checkpoint.time:%Y-%m-%d %H:%M:%S} UTC: something was changed"
            )
        return growth

    def integrate(self, events: Sequence[Stored]) -> None:
        """Put events into the tree, in the order of the log. Raises ``LedgerBroken`` where one is missing."""
        _check_order(events, self._end)
        self._growth.append(_leaves(events))
        if self._copy is not None:
            self._copy.add(events)

    async def _keep_publishing(self) -> None:
        complained = False
        while True:
            await asyncio.sleep(PUBLISH_EVERY)
            try:
                await self.publish()
                complained = False
            except (NotWitnessed, ServiceUnreachable) as problem:
                # What is integrated stays so, and is published once they are back.
                if not complained:
                    _logger.warning("no checkpoint for now: %s", problem)
                complained = True

    async def publish(self) -> Checkpoint | None:
        """Publish a checkpoint over all that is integrated; None when there is nothing new, or another was faster."""
        tree = self._growth.tree()
        if tree.size <= self._published:
            return None
        await self._put_tiles()
        origin = self._identity.origin(self._shard)
        checkpoint = Checkpoint(origin, tree.size, tree.root(), self._clock.now(), self._first)
        note = await self._witnessed(await self._signed(checkpoint), tree)
        if self._copy is not None:
            await self._copy.flush()  # before anyone is told that these events are proven
        try:
            self._place = await self._checkpoints.publish(self._shard, str(note), self._place)
        except VersionConflict:
            await self._follow_another(tree)
            return None
        await self._tiles.put_checkpoint(self._shard, str(note))
        self._published = checkpoint.size
        if self._copy is not None:
            await self._copy.seal(checkpoint.position(checkpoint.size - 1).sequence)
        return checkpoint

    async def _put_tiles(self) -> None:
        growth, tiles = self._growth, self._growth.take()
        try:
            await self._tiles.put_tiles(self._shard, tiles)
        except BaseException:
            growth.give_back(tiles)  # nobody would make them again before the tree is read anew
            raise

    async def _signed(self, checkpoint: Checkpoint) -> Note:
        text, key = checkpoint.text(), self._identity.signer.key
        return Note(text, (Signature(key.name, key.hash, await self._identity.signer.sign(ed25519_message(text))),))

    async def _witnessed(self, note: Note, tree: Tree) -> Note:
        """The note with the cosignatures of the witnesses. Raises while fewer than required answer."""
        lines: list[Signature] = []
        for witness in self._identity.witnesses:
            try:
                lines.append(await self._cosigned(witness, note, tree))
            except PrecedentError as problem:
                _logger.warning("witness %s does not cosign: %s", witness.key.name, problem)
        if len(lines) < self._identity.required:
            raise NotWitnessed(
                f"{len(lines)} of {len(self._identity.witnesses)} witnesses cosigned {tree.size} events; "
                f"{self._identity.required} must before they count as published"
            )
        return note.with_signatures(lines)

    async def _cosigned(self, witness: Witness, note: Note, tree: Tree) -> Signature:
        seen = self._published
        for _ in range(2):
            try:
                proof = await consistency(self._tiles, self._shard, seen, tree.size)
                line = await witness.cosign(seen, proof, str(note))
            except VersionConflict as known:
                seen = int(str(known).rsplit(" ", 1)[-1])  # what it has seen, as it says
                continue
            found = Note.parse(f"{note.text}\n{line}\n")
            if found.signers([witness.key]):
                return found.signatures[0]
            break
        raise NotWitnessed(f"{witness.key.name} gave no valid cosignature")

    async def _follow_another(self, tree: Tree) -> None:
        """Another process has published meanwhile: see that it saw the same log, and go on from there."""
        newest = await self._checkpoints.newest(self._shard)
        assert newest is not None
        place, note = newest
        other = self._identity.open(note)
        if other.size == tree.size and other.root != tree.root():
            raise LedgerBroken(f"two checkpoints over {tree.size} events of shard {self._shard} have different roots")
        self._place, self._published = place, min(other.size, tree.size)

    @property
    def _end(self) -> int:
        """Sequence of the last event in the tree."""
        return self._first.sequence + self._growth.size - 1


def _check_order(events: Sequence[Stored], after: int) -> None:
    for place, event in enumerate(events, start=after + 1):
        if event.position.sequence != place:
            raise LedgerBroken(f"the log has {event.position} where its event {place} should be: some are missing")


async def check_length(log: StoredLog, checkpoint: Checkpoint, shard: int) -> None:
    """Refuse a log that has lost events which its checkpoint stands over. Raises ``LogTruncated``."""
    first, last = await log.extent(shard)
    wanted = checkpoint.position(checkpoint.size - 1).sequence
    if checkpoint.size and (last.sequence < wanted or first.sequence > checkpoint.first.sequence):
        held = f"has only {first.sequence} to {last.sequence}" if last.sequence else "is empty"
        raise LogTruncated(
            f"the checkpoint of {checkpoint.time:%Y-%m-%d %H:%M:%S} UTC stands over events {checkpoint.first.sequence} "
            f"to {wanted} of shard {shard}; the log {held}: nothing is written to it. `precedent audit verify` says "
            "what is lost, `precedent audit repair` puts back what the archive has"
        )


async def await_published(checkpoints: CheckpointLog, position: Position, within: float) -> bool:
    """Wait until a checkpoint stands over an event; false when none does within so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        newest = await checkpoints.newest(position.shard)
        if newest is not None:
            checkpoint = Checkpoint.parse(Note.parse(newest[1]).text)
            if checkpoint.index(position) < checkpoint.size:
                return True
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(LOOK_EVERY)


async def consistency(tiles: TileStore, shard: int, old: int, new: int) -> list[bytes]:
    """Proof that the tree of ``new`` leaves begins with that of ``old``, out of the tiles. Raises ``NotFound``."""
    return await _proof(tiles, shard, new, lambda node: consistency_proof(old, new, node))


async def inclusion(tiles: TileStore, shard: int, index: int, size: int) -> list[bytes]:
    """Proof that a leaf is in the tree of this size, out of the tiles. Raises ``NotFound``."""
    return await _proof(tiles, shard, size, lambda node: inclusion_proof(index, size, node))


async def _proof(tiles: TileStore, shard: int, size: int, make: Callable[[Node], list[bytes]]) -> list[bytes]:
    kept = {tile: await tiles.tile(shard, tile) for tile in tiles_for(make, size)}
    return make(node_of(kept.__getitem__, size))


def _leaves(events: Sequence[Stored]) -> list[bytes]:
    return [leaf_data(event.subject, event.identity, event.body) for event in events]
