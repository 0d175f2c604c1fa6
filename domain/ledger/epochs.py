r"""Epochs: a shard's log in parts that follow one another, and what is known of a closed one.

Sequences go on from one epoch to the next, so a place tells its epoch, and a leaf's index knows of none. In a new
epoch the broker has no head of any stream; the first append to one that is older is preceded by ``StreamCarried`` at
the version of its last event.

The index of a closed epoch tells where each stream's messages lie: the first eight bytes of the SHA-256 of
``<tenant>.<category>.<id>``, the message's sequence in eight bytes, of all messages, sorted. It proves nothing: what is
found through it is checked against what was asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Self

import orjson

from domain.kernel.errors import InvalidInput, StoredDataInvalid
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import Position, StreamId, event_id
from domain.kernel.values import digest_bytes
from domain.ledger.events import StreamCarried
from domain.ledger.stored import Stored

ENTRY: Final = 16
"""Bytes of one entry of an index."""

CARRIED: Final = StreamCarried.short_name()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A closed epoch of a shard, whose messages the archive has."""

    epoch: int
    shard: int
    first: int
    """Sequence of its first message."""
    last: int
    """Sequence of its last message."""
    index: str = ""
    """Digest of its index."""
    has_left: bool = False
    """Whether it is read from the archive alone: the broker has it no longer, or is about to lose it."""

    def written(self) -> bytes:
        """Give it as a line of JSON."""
        return orjson.dumps(asdict(self)) + b"\n"

    @classmethod
    def read(cls, data: bytes, name: str) -> Self:
        """Read what ``written`` gave. Raises ``StoredDataInvalid``."""
        try:
            found: dict[str, Any] = orjson.loads(data)
            closed = cls(**found)
            numbers = (closed.epoch, closed.shard, closed.first, closed.last)
            assert all(type(each) is int and each >= 0 for each in numbers)
            assert type(closed.has_left) is bool
            assert isinstance(closed.index, str)
            assert 1 <= closed.first <= closed.last
        except (orjson.JSONDecodeError, TypeError, AssertionError):
            raise StoredDataInvalid(f"{name} does not say what a closed epoch is: it was damaged") from None
        return closed


def entry_of(message: Stored) -> bytes:
    """Give the entry of one message in its epoch's index."""
    return _key_of(message.subject.rsplit(".", 2)[0]) + message.position.sequence.to_bytes(8, "big")


def index_of(entries: Iterable[bytes]) -> bytes:
    """Make the index of an epoch out of its messages' entries, in any order."""
    return b"".join(sorted(entries))


def check_index(closed: Closed, index: bytes | memoryview) -> None:
    """See that an index is an epoch's own, and whole. Raises ``StoredDataInvalid``."""
    if len(index) != ENTRY * (closed.last - closed.first + 1) or digest_bytes(bytes(index)) != closed.index:
        raise StoredDataInvalid(
            f"the index of epoch {closed.epoch} of shard {closed.shard} is not what the archive wrote: it was damaged; "
            "archive the epoch again, or take it from a backup"
        )


def sequences_in(index: bytes | memoryview, stream: StreamId) -> Iterator[int]:
    """Give the sequences of a stream's messages, in order; very rarely also another's, whose digest begins alike."""
    key = sha256(f"{stream.tenant}.{stream.category}.{stream.id}".encode()).digest()[:8]
    count = len(index) // ENTRY

    def key_at(place: int) -> bytes:
        return bytes(index[place * ENTRY : place * ENTRY + 8])

    place = bisect_left(range(count), key, key=key_at)
    while place < count and key_at(place) == key:
        yield int.from_bytes(index[place * ENTRY + 8 : place * ENTRY + ENTRY], "big")
        place += 1


@lru_cache(maxsize=4096)
def _key_of(stream: str) -> bytes:
    return sha256(stream.split(".", 2)[-1].encode()).digest()[:8]


def is_carried(event: Recorded) -> bool:
    """Whether this is a mark that a stream was carried over, and no event of it."""
    return event.address.endswith(f".{CARRIED}")


def carrying(last: Recorded, epoch: int) -> Draft:
    """Give the mark that lets a stream go on in this epoch after its last event: the same, whoever makes it."""
    event = StreamCarried(position=str(last.position), digest=digest_bytes(last.body))
    return Draft(
        id=event_id(f"{last.stream}@epoch-{epoch}", last.version),
        type=StreamCarried.TYPE,
        time=last.time,
        correlation=last.correlation,
        causation=last.id,
        actor="system:ledger",
        data=event.as_json(),
    )


def carried_from(event: Recorded) -> Position:
    """Where the last event of a carried stream lies. Raises ``StoredDataInvalid``."""
    try:
        return Position.parse(str(event.data["position"]))
    except (KeyError, InvalidInput):
        raise StoredDataInvalid(f"the mark at {event.position} does not say what it carries") from None
