"""What a backup takes out of a log, and what is made of it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from commands.archive import READ_AT_ONCE
from commands.ledger import LedgerBroken
from commands.ledger_ports import StoredLog, TileStore
from domain.kernel.ids import Position
from domain.kernel.merkle import Tree, leaf_hash
from domain.ledger.auditing import Finding, Kind
from domain.ledger.bundle import references
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.growth import Growth
from domain.ledger.leaf import leaf_data
from domain.ledger.segments import Kept, frame, is_full, written
from domain.ledger.stored import Stored

MOST_MISSING: Final = 100
"""Missing contents that are listed."""

Progress = Callable[[int, int], None]


async def segments_of(
    log: StoredLog, checkpoint: Checkpoint, progress: Progress = lambda _done, _total: None
) -> AsyncIterator[tuple[Kept, bytes]]:
    """Sealed segments of all that a checkpoint stands over. Raises ``LedgerBroken`` where that is not what is there."""
    tree, taken, size = Tree(), list[Stored](), 0
    async for event in _under(log, checkpoint):
        if event.position.sequence != checkpoint.position(tree.size).sequence:
            break
        if taken and event.position.epoch != taken[-1].position.epoch:
            yield _sealed(taken)
            taken, size = [], 0
        tree.append(leaf_hash(leaf_data(event.subject, event.identity, event.body)))
        taken.append(event)
        size += len(frame(event))
        if is_full(len(taken), size):
            yield _sealed(taken)
            taken, size = [], 0
            progress(tree.size, checkpoint.size)
    if tree.size != checkpoint.size or tree.root() != checkpoint.root:
        raise LedgerBroken(
            f"the first {checkpoint.size} events do not have the signed root (there are {tree.size} in a row): "
            "`precedent audit verify` says where, `precedent audit repair` may mend it"
        )
    if taken:
        yield _sealed(taken)
    progress(tree.size, checkpoint.size)


async def make_tiles(log: StoredLog, checkpoint: Checkpoint, tiles: TileStore) -> None:
    """Make the tiles of the tree of a checkpoint, whose events have been verified."""
    growth, shard = Growth(), checkpoint.first.shard
    async for event in _under(log, checkpoint):
        growth.append([leaf_data(event.subject, event.identity, event.body)])
        if growth.size % READ_AT_ONCE == 0:
            await tiles.put_tiles(shard, growth.take())
    await tiles.put_tiles(shard, growth.take())


async def missing_content(log: StoredLog, shard: int, is_there: Callable[[str, str], bool]) -> list[Finding]:
    """Give contents that events refer to and that are not there; ``is_there`` is asked with tenant and digest."""
    found: list[Finding] = []
    async for batch in log.read_stored(shard, batch=READ_AT_ONCE):
        for event in batch:
            tenant = event.subject.split(".")[2]
            for digest in references(event.body):
                if len(found) < MOST_MISSING and not is_there(tenant, digest):
                    message = f"content {digest} of tenant {tenant} is missing, which this event refers to"
                    found.append(Finding(Kind.DELETED, message, event.position, event.position))
    return found


async def _under(log: StoredLog, checkpoint: Checkpoint) -> AsyncIterator[Stored]:
    first: Position = checkpoint.first
    last = first.sequence + checkpoint.size - 1
    async for batch in log.read_stored(first.shard, first.sequence - 1, READ_AT_ONCE):
        for event in batch:
            if event.position.sequence > last:
                return
            yield event


def _sealed(taken: list[Stored]) -> tuple[Kept, bytes]:
    first, last = taken[0].position, taken[-1].position
    return Kept(first.sequence, last.sequence), written(first, taken)
