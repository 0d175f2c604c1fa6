"""Checkpoints (C2SP tlog-checkpoint): a signed note that says how a log stood.

::

    <origin>
    <leaves, decimal>
    <root hash, base64>
    time 2026-11-21T08:00:00.000000Z
    first <epoch>.<shard>:<sequence>

The last two lines are extension lines of ours: when it was made, and the position of the first leaf, so that a leaf's
index tells its place in the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Self

from domain.kernel.errors import InvalidInput, PrecedentError
from domain.kernel.ids import Position
from domain.kernel.merkle import HASH_SIZE
from domain.kernel.values import ValueNotDecodable, bytes_of_text, format_time, parse_time, text_of_bytes
from domain.ledger.notes import ED25519, Note, VerifierKey

MAX_SIZE: Final = 2**63 - 1

_ORIGIN = re.compile(r"[^\s+][^\n+]*\Z")


class CheckpointInvalid(PrecedentError):
    """The note is no checkpoint of this log, or is not signed by whom it must be: do not trust it; compare keys."""

    code: ClassVar[str] = "ledger.checkpoint-invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How one shard's tree stood."""

    origin: str
    """Name of the log, unique among all logs: ``<key name>/<shard>``."""
    size: int
    """Leaves."""
    root: bytes
    time: datetime
    first: Position
    """Where leaf 0 stands."""

    def text(self) -> str:
        """Give the text that is signed."""
        root = text_of_bytes(self.root)
        return f"{self.origin}\n{self.size}\n{root}\ntime {format_time(self.time)}\nfirst {self.first}\n"

    def position(self, index: int) -> Position:
        """Place of a leaf in the log."""
        return Position(self.first.epoch, self.first.shard, self.first.sequence + index)

    def index(self, position: Position) -> int:
        """Leaf of a place in the log; negative before the first."""
        return position.sequence - self.first.sequence

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note. Raises ``CheckpointInvalid``."""
        lines = text.split("\n")
        if len(lines) != 6 or lines[5] or not _ORIGIN.match(lines[0]):
            raise CheckpointInvalid("a checkpoint has five lines: origin, size, root, time and first")
        try:
            return cls(
                origin=lines[0],
                size=_size(lines[1]),
                root=_root(lines[2]),
                time=parse_time(_extension(lines[3], "time")),
                first=Position.parse(_extension(lines[4], "first")),
            )
        except (ValueError, InvalidInput, ValueNotDecodable) as problem:
            raise CheckpointInvalid(f"the checkpoint of {lines[0][:80]} cannot be read: {problem}") from None


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that its log's key signed, and the witnesses that cosigned it."""

    checkpoint: Checkpoint
    note: Note
    witnesses: tuple[VerifierKey, ...] = ()

    @classmethod
    def open(cls, note: str, key: VerifierKey, witnesses: Iterable[VerifierKey] = (), required: int = 0) -> Self:
        """Read and verify a checkpoint. Raises ``NoteInvalid``, ``CheckpointInvalid``.

        ``required``: how many of the witnesses must have signed. Who has several names counts once, and whoever has the
        log's own key not at all.
        """
        read = Note.parse(note)
        checkpoint = Checkpoint.parse(read.text)
        if key.kind != ED25519:
            raise CheckpointInvalid(
                f"{key.id} is a witness's key: name the log's own, which `precedent audit keys` prints"
            )
        if not read.signers([key]):
            signed_by = ", ".join(sorted({f"{each.name}+{each.key_hash.hex()}" for each in read.signatures}))
            raise CheckpointInvalid(
                f"the checkpoint of {checkpoint.origin} is not signed by {key.name}+{key.hash.hex()} but by {signed_by}"
            )
        if checkpoint.origin != f"{key.name}/{checkpoint.first.shard}":
            raise CheckpointInvalid(
                f"the checkpoint is of {checkpoint.origin} from {checkpoint.first} on, and {key.name} signs other logs"
            )
        cosigners = tuple(_others(read.signers(witnesses), key))
        if len(cosigners) < required:
            raise CheckpointInvalid(
                f"{len(cosigners)} of the known witnesses signed the checkpoint of {checkpoint.origin} at "
                f"{checkpoint.size} leaves; {required} must"
            )
        return cls(checkpoint, read, cosigners)


def _others(cosigners: Iterable[VerifierKey], key: VerifierKey) -> Iterator[VerifierKey]:
    """Each public key once, and never the log's own."""
    met = {key.public}
    for each in cosigners:
        if each.public not in met:
            met.add(each.public)
            yield each


def _size(line: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", line) or int(line) > MAX_SIZE:
        raise ValueError(f"size {line[:40]!r} is no count of leaves")
    return int(line)


def _root(line: str) -> bytes:
    root = bytes_of_text(line)
    if len(root) != HASH_SIZE:
        raise ValueError(f"root {line[:60]!r} is no hash")
    return root


def _extension(line: str, name: str) -> str:
    if not line.startswith(f"{name} "):
        raise ValueError(f"{line[:60]!r} is not the line `{name} …`")
    return line[len(name) + 1 :]
