"""What the ledger needs of the world, beside the ports of the write side; each has two adapters and a contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from domain.kernel.ids import Position
from domain.ledger.epochs import Closed
from domain.ledger.notes import VerifierKey
from domain.ledger.segments import Kept
from domain.ledger.stored import Stored
from domain.ledger.tiles import Tile


class StoredLog(Protocol):
    """The log as it lies there, headers and gaps included: what an audit looks at, and an archive keeps."""

    async def extent(self, shard: int) -> tuple[Position, Position]:
        """Places of the first and the last event of a shard; of an empty one the last lies before the first."""
        ...

    def read_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """Batches in order from just after this sequence to the end as of the call. Missing places are left out."""
        ...

    def follow_stored(self, shard: int, after: int = 0, batch: int = 1000) -> AsyncIterator[Sequence[Stored]]:
        """As ``read_stored``, then goes on for ever; an empty batch now and then shows that it is alive."""
        ...


class TileStore(Protocol):
    """The tiles of every shard's tree, by name. A tile's bytes never change; storing it again is harmless."""

    async def put_tiles(self, shard: int, tiles: Sequence[tuple[Tile, bytes]]) -> None:
        """Store tiles. They may be made again from the log, so they need not be on the disk on return."""
        ...

    async def tile(self, shard: int, tile: Tile) -> bytes:
        """One tile. Raises ``NotFound``."""
        ...

    def read(self, shard: int, tile: Tile) -> bytes:
        """As ``tile``, at once: an audit compares many, one after the other."""
        ...

    async def put_checkpoint(self, shard: int, note: str) -> None:
        """Keep the newest checkpoint beside its tiles, durably: apart from the broker, it still tells what it lost."""
        ...

    async def checkpoint(self, shard: int) -> str | None:
        """The newest checkpoint; None when there is none."""
        ...


class SegmentStore(Protocol):
    """The archive: a copy of every shard's messages in segments (``domain.ledger.segments``), by first sequence."""

    def listed(self, shard: int) -> Sequence[Kept]:
        """Every segment in order; where there are several from the same place on, the sealed one."""
        ...

    def read(self, shard: int, kept: Kept) -> bytes:
        """A segment's bytes. Raises ``NotFound``, ``SegmentInvalid``."""
        ...

    def extend(self, shard: int, first: int, data: bytes) -> None:
        """Add to an open segment of this process, begun where there is none; on the disk only after ``flush``."""
        ...

    def flush(self, shard: int) -> None:
        """On return all that was added is on the disk."""
        ...

    def seal(self, shard: int, kept: Kept, data: bytes) -> None:
        """Keep a sealed segment durably, read back and compared, and drop the open one from the same place on."""
        ...

    def release(self, shard: int) -> None:
        """Let go of this process's open segments, as if it had ended."""
        ...

    def forsake(self, shard: int) -> None:
        """Drop the open segments of processes that have ended."""
        ...


class EpochStore(Protocol):
    """What is known of closed epochs, beside their segments."""

    def closed(self, shard: int) -> Sequence[Closed]:
        """Every closed epoch that the archive has, in order. Raises ``StoredDataInvalid``, ``ServiceUnreachable``."""
        ...

    def keep(self, closed: Closed, index: bytes | None = None) -> None:
        """Keep this durably, in the place of what was known of the epoch; without an index the one there is stays."""
        ...

    def index(self, shard: int, epoch: int) -> memoryview:
        """Where the messages of each stream lie (``domain.ledger.epochs``). Raises ``NotFound``."""
        ...


class CheckpointLog(Protocol):
    """Signed checkpoints of every shard, in order; nothing is ever removed."""

    async def publish(self, shard: int, note: str, after: int) -> int:
        """Add one after the place of the newest, and return its place.

        Raises ``VersionConflict`` when another one has been added since.
        """
        ...

    async def newest(self, shard: int) -> tuple[int, str] | None:
        """Place and note of the newest; None when there is none."""
        ...

    def all(self, shard: int) -> AsyncIterator[str]:
        """Every note, the oldest first."""
        ...


class Signer(Protocol):
    """Whoever holds the ledger's key: a file, another machine, a security module."""

    @property
    def key(self) -> VerifierKey:
        """The public key, under whose name it signs."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes. Raises ``ServiceUnreachable``."""
        ...


class Witness(Protocol):
    """Someone apart from the log, who cosigns checkpoints that follow from those it has seen (C2SP tlog-witness)."""

    @property
    def key(self) -> VerifierKey:
        """The public key of its cosignatures."""
        ...

    async def cosign(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """A signature line for this checkpoint, given the proof that it begins with the tree of ``old_size``.

        Raises ``VersionConflict`` (whose message ends in the size that the witness knows), ``ServiceUnreachable``.
        """
        ...
