"""Names of things: tokens, ULIDs, event ids, streams, positions.

Every name that reaches the broker is made here, so that nothing hostile gets into a subject.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from domain.kernel.errors import InvalidInput

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""One token of a subject. The broker would accept a literal ``*`` on publish, so we refuse before it."""

EVENT_IDS: Final = UUID("6f1d0f2e-7b0a-5c38-9d43-0c5d6a1f8e21")
"""Namespace of event ids (RFC 9562, version 5). Changing it would give every retry a new id."""

_EVENT_IDS: Final = EVENT_IDS.bytes
_VARIANT: Final = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}
"""Hexadecimal digit -> the same with the two bits of the variant that RFC 9562 wants."""

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class HostileName(InvalidInput):
    """Use 1 to 64 letters, digits, ``_`` or ``-`` for tenants, categories, ids and principals."""

    code = "name.invalid"


def token(text: object, what: str) -> str:
    """Return the text if it may be one token of a subject; ``what`` names it in the error."""
    if isinstance(text, str) and TOKEN.match(text):
        return text
    shown = repr(text) if len(repr(text)) <= 80 else repr(text)[:77] + "..."
    raise HostileName(f"{what} {shown} is refused: use 1 to 64 letters, digits, '_' or '-'")


def ulid(milliseconds: int, randomness: bytes) -> str:
    """Sortable id of 26 characters (ULID): 48 bits of Unix time in milliseconds, then ten random bytes."""
    number = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def event_id(cause: str, index: int) -> str:
    """Id of the index-th event that a cause (command id, or run and effect key) makes: a retry makes the same id."""
    # RFC 9562, section 5.5, spelled out: the uuid module takes three times as long, and every event has an id.
    text = hashlib.sha1(_EVENT_IDS + f"{cause}#{index}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


@dataclass(frozen=True, slots=True)
class StreamId:
    """Address of one event stream."""

    tenant: str
    category: str
    id: str

    def __post_init__(self) -> None:
        """Refuse hostile names."""
        token(self.tenant, "tenant")
        token(self.category, "category")
        token(self.id, f"{self.category} id")

    def shard(self, shards: int) -> int:
        """Shard of this stream when an epoch has so many; stable across machines and releases."""
        if shards == 1:
            return 0
        return int.from_bytes(hashlib.sha256(str(self).encode()).digest()[:8], "big") % shards

    def subjects(self, shards: int) -> str:
        """Filter for the whole stream. Always spelled this way: a head expectation is per spelling."""
        return f"evt.{self.shard(shards)}.{self.tenant}.{self.category}.{self.id}.>"

    def __str__(self) -> str:
        return f"/{self.tenant}/{self.category}/{self.id}"

    @classmethod
    def parse(cls, source: str) -> Self:
        """Read the ``source`` of an event (``/tenant/category/id``)."""
        parts = source.split("/")
        if len(parts) != 4 or parts[0]:
            raise HostileName(f"source {source[:80]!r} is not /tenant/category/id")
        return cls(*parts[1:])


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Place of one event in the log: ``<epoch>.<shard>:<sequence>``."""

    epoch: int
    shard: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.shard}:{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``0.0:123``."""
        found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9}):([0-9]{1,18})", text)
        if found is None:
            raise InvalidInput(f"position {text[:80]!r} is not <epoch>.<shard>:<sequence>, like 0.0:123")
        return cls(*(int(group) for group in found.groups()))


@dataclass(frozen=True, slots=True)
class Positions:
    """The furthest place reached in each (epoch, shard): what a reader has seen, or wants to have seen."""

    reached: Mapping[tuple[int, int], int]

    def sequence(self, epoch: int, shard: int) -> int:
        """Sequence reached in one shard, 0 when none."""
        return self.reached.get((epoch, shard), 0)

    def furthest(self, shard: int) -> int:
        """Sequence reached in a shard, whatever the epoch: they go on from one epoch to the next. 0 when none."""
        return max((sequence for (_, of), sequence in self.reached.items() if of == shard), default=0)

    def advanced(self, position: Position) -> Positions:
        """These positions with one more event seen."""
        key = (position.epoch, position.shard)
        return Positions({**self.reached, key: max(self.reached.get(key, 0), position.sequence)})

    def covers(self, wanted: Positions) -> bool:
        """Whether everything wanted has been seen."""
        return all(self.reached.get(key, 0) >= sequence for key, sequence in wanted.reached.items())

    def __str__(self) -> str:
        return ",".join(str(Position(e, s, n)) for (e, s), n in sorted(self.reached.items())) or "start"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a comma-separated set of positions, or ``start``."""
        if text == "start":
            return cls({})
        parsed = [Position.parse(part) for part in text.split(",")]
        return cls({(p.epoch, p.shard): p.sequence for p in parsed})


START: Final = Positions({})
