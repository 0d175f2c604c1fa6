"""Up to where an index holds what the log says, noted in the index itself as one more point.

A process hears everything from the first event on, as it remembers what no index has. What the index has already is not
put again, or every start would write all of it anew, and its graph be built again. The note is gone when the index is,
so that a lost index is filled from the first event on.

1. Who finds no note notes that it begins, under a name of its own. 2. When all that it heard is in the index, it notes
how far. 3. Before that it looks: where the note is gone, or has another name, the index was emptied meanwhile, and
whoever began anew will know how much of it is there.

What is noted is no more than a hint: an index that lacks a point, or has one too many, makes a miss, and no hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from struct import pack
from typing import Any, Final, Self

import orjson

from commands.cache.meanings import point_id
from commands.indexes import Point, VectorIndex
from domain.kernel.embedding import WIDTH, Embedding
from domain.kernel.errors import InvalidInput
from domain.kernel.events import Recorded
from domain.kernel.ids import START, Position, Positions

OFTEN: Final = 1_000
"""Events from one note to the next: as many are put again after a start, at most."""

LABEL: Final = "filled"


@dataclass(frozen=True, slots=True)
class Note:
    """What the index says of itself."""

    by: str
    """Who began to fill it."""
    upto: Positions
    origins: Mapping[str, str]
    """By shard: digest of the first event that was heard of it. Another log has others."""

    @classmethod
    def read(cls, labels: Mapping[str, str]) -> Self | None:
        """Of a point's labels; None where they are none of ours."""
        try:
            tree = orjson.loads(labels["note"])
            origins = {str(shard): str(digest) for shard, digest in tree["origins"].items()}
            return cls(str(tree["by"]), Positions.parse(tree["upto"]), origins)
        except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError, InvalidInput):
            return None

    def labels(self, kind: str) -> dict[str, str]:
        """As labels of a point."""
        tree: dict[str, Any] = {"by": self.by, "upto": str(self.upto), "origins": dict(self.origins)}
        return {LABEL: kind, "note": orjson.dumps(tree).decode()}


@dataclass(slots=True)
class Filled:
    """How far one index has one kind of points."""

    vectors: VectorIndex
    embedder: str
    dimensions: int
    kind: str
    process: str
    """A name that no other process has; empty: nothing is noted, and nothing taken for noted."""
    _heard: Positions = START
    _origins: dict[str, str] = field(default_factory=dict)
    _events: int = 0
    _noted: int = 0
    _found: Note | None = None
    _is_asked: bool = False

    def hear(self, recorded: Recorded) -> None:
        """Take an event of which the index may have to know."""
        self._events += 1
        if (shard := str(recorded.position.shard)) not in self._origins:
            self._origins[shard] = sha256(recorded.body).hexdigest()[:16]
        self._heard = self._heard.advanced(recorded.position)

    @property
    def heard(self) -> Positions:
        """Up to where it was told."""
        return self._heard

    def has(self, position: Position) -> bool:
        """Whether the index holds what the event at this position says; False before it was asked."""
        shard, found = str(position.shard), self._found
        if found is None or found.origins.get(shard) != self._origins.get(shard):
            return False
        return position.sequence <= found.upto.furthest(position.shard)

    async def begin(self) -> None:
        """Ask the index, once, what it has. Raises as the port."""
        if self._is_asked or not self.process:
            return
        self._found = await self._read()
        if self._found is None:
            self._found = Note(self.process, START, {})
            await self._write(self._found)
        self._is_asked = True

    async def note(self, upto: Positions) -> None:
        """All that was heard up to here is in the index. Raises as the port."""
        is_due = self._events >= self._noted + OFTEN if self._noted else self._events > 0
        if self._found is None or not is_due:
            return
        if self._is_of_this_log(self._found) and self._found.upto.covers(upto):
            return
        self._noted = self._events
        now = await self._read()
        if now is None or now.by != self._found.by:
            self._found = None
            return
        known = now.upto if self._is_of_this_log(now) else START
        keys = {*upto.reached, *known.reached}
        furthest = Positions({key: max(upto.sequence(*key), known.sequence(*key)) for key in keys})
        await self._write(Note(now.by, furthest, dict(now.origins) | self._origins))

    def _is_of_this_log(self, note: Note) -> bool:
        return all(note.origins.get(shard, digest) == digest for shard, digest in self._origins.items())

    async def _read(self) -> Note | None:
        found = await self.vectors.search(self._place, {LABEL: self.kind}, 1)
        return Note.read(found[0].labels) if found else None

    async def _write(self, note: Note) -> None:
        await self.vectors.put([Point(point_id(LABEL, self.kind), self._place, note.labels(self.kind))])

    @property
    def _place(self) -> Embedding:
        """Where the note lies, which says nothing: it has no label that points of texts have."""
        return Embedding(self.embedder, pack("<f", 1.0) + bytes(WIDTH * (self.dimensions - 1)))
