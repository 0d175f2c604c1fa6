r"""Segments: how an archive keeps the messages of one shard, a run of them at a time, in order and without gaps.

::

    "precedent-segment-1\n"
    epoch (4 bytes), shard (4), sequence of the first message (8)
    of each message: lengths of subject, headers and body (4 each), then the three themselves
    FF FF FF FF, count of messages (4), SHA-256 of all bytes before it (32)

Numbers are unsigned, big endian. The last line seals a segment: it tells damage, not tampering; that the messages are
genuine is for the signed checkpoints to say. An open segment still grows, and may end within a message that was being
written when the power failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct, error
from typing import ClassVar, Final, NamedTuple

from domain.kernel.errors import PrecedentError
from domain.kernel.ids import Position
from domain.ledger.stored import Part, Stored, stored_of

MAGIC: Final = b"precedent-segment-1\n"

FULL_COUNT: Final = 10_000
"""Messages after which a segment is full."""

FULL_BYTES: Final = 8 * 1024 * 1024
"""Bytes after which a segment is full."""

LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of one message with all its parts: what no broker goes beyond."""

LARGEST: Final = FULL_BYTES + LARGEST_MESSAGE + 1024
"""Bytes of a segment: nobody needs to read further."""

_PLACE: Final = Struct(">IIQ")
_LENGTHS: Final = Struct(">III")
_END: Final = Struct(">II")
_SEAL: Final = 0xFFFFFFFF
BEGINNING_SIZE: Final = len(MAGIC) + _PLACE.size
"""Bytes before the first message."""

_ENDING_SIZE: Final = _END.size + 32


class SegmentInvalid(PrecedentError):
    """The segment was damaged: do not use it; take it from a backup, or let the ledger make it anew from the log."""

    code: ClassVar[str] = "ledger.segment-invalid"


class Kept(NamedTuple):
    """A segment in an archive."""

    first: int
    """Sequence of its first message."""
    last: int | None
    """Sequence of its last message; None while it is open."""


class Segment(NamedTuple):
    """A run of messages, read."""

    first: Position
    """Place of the first message, also where there is none yet."""
    messages: list[Stored]

    @property
    def last(self) -> int:
        """Sequence of the last message; of an empty segment, the one before the first."""
        return self.first.sequence + len(self.messages) - 1


def beginning(first: Position) -> bytes:
    """Give what a segment begins with."""
    return MAGIC + _PLACE.pack(first.epoch, first.shard, first.sequence)


def frame(message: Stored) -> bytes:
    """Give one message as it stands in a segment. Raises ``SegmentInvalid`` for one that no broker would have taken."""
    subject, headers, body = message.subject.encode(), message.headers, message.body
    size = len(subject) + len(headers) + len(body)
    if size > LARGEST_MESSAGE:
        raise SegmentInvalid(f"the message at {message.position} has {size} bytes; {LARGEST_MESSAGE} is the most")
    return b"%b%b%b%b" % (_LENGTHS.pack(len(subject), len(headers), len(body)), subject, headers, body)


def is_full(count: int, size: int) -> bool:
    """Tell whether a segment of so many messages and bytes ends here: the same for whoever writes it."""
    return count >= FULL_COUNT or size >= FULL_BYTES


def sealed(data: bytes, count: int) -> bytes:
    """Seal an open segment that holds so many whole messages and nothing else."""
    kept = data + _END.pack(_SEAL, count)
    return kept + sha256(kept).digest()


def written(first: Position, messages: Iterable[Stored]) -> bytes:
    """Give a sealed segment of these messages, which follow one another from ``first`` on."""
    frames = [frame(message) for message in messages]
    return sealed(beginning(first) + b"".join(frames), len(frames))


def read(data: bytes) -> Segment:
    """Read a sealed segment, every byte of it. Raises ``SegmentInvalid``."""
    first, parts = read_parts(data)
    return Segment(first, stored_of(first, parts))


def read_parts(data: bytes) -> tuple[Position, list[Part]]:
    """As ``read``: where the first message stands, and what each one is. Raises ``SegmentInvalid``."""
    first, parts, end = _read(data)
    if len(data) - end != _ENDING_SIZE:
        raise SegmentInvalid(f"{_named(first)} was cut, or has more behind its end ({len(data)} bytes, ends at {end})")
    mark, count = _END.unpack_from(data, end)
    if mark != _SEAL or count != len(parts):
        raise SegmentInvalid(f"{_named(first)} has {len(parts)} messages and says {count}")
    if sha256(memoryview(data)[:-32]).digest() != data[-32:]:
        raise SegmentInvalid(f"{_named(first)} does not have the digest that it ends with: it was damaged")
    return first, parts


def read_open(data: bytes) -> Segment:
    """Read the whole messages of a segment that still grows. Raises ``SegmentInvalid``."""
    first, parts = read_open_parts(data)
    return Segment(first, stored_of(first, parts))


def read_open_parts(data: bytes) -> tuple[Position, list[Part]]:
    """As ``read_open``: where the first message stands, and what each one is. Raises ``SegmentInvalid``."""
    first, parts, _ = _read(data)
    return first, parts


def _read(data: bytes) -> tuple[Position, list[Part], int]:
    """The whole messages, and where they end."""
    if not data.startswith(MAGIC) or len(data) < BEGINNING_SIZE:
        raise SegmentInvalid(f"these {len(data)} bytes are no segment: they do not begin with {MAGIC.decode().strip()}")
    epoch, shard, sequence = _PLACE.unpack_from(data, len(MAGIC))
    first, parts = Position(epoch, shard, sequence), list[Part]()
    at, add, unpack = BEGINNING_SIZE, parts.append, _LENGTHS.unpack_from
    try:
        while True:
            subject, headers, body = unpack(data, at)
            start = at + 12
            end = start + subject + headers + body
            if subject == _SEAL or end > len(data):
                break
            middle = start + subject
            here = middle + headers
            add((data[start:middle].decode(), data[middle:here], data[here:end]))
            at = end
    except error:  # fewer bytes are left than lengths have
        pass
    except UnicodeDecodeError:
        problem = f"the subject of message {sequence + len(parts)} is no text"
        raise SegmentInvalid(f"{_named(first)}: {problem}") from None
    return first, parts, at


def _named(first: Position) -> str:
    return f"the segment from {first} on"
