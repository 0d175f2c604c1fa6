"""What a process does when it hears of answers: it fills its vector index, and empties it of what is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from commands.cache.log import CATALOG
from commands.cache.meanings import KIND, LONGEST_GOAL, among, point_id
from commands.points import Awaited, Filling, filling
from commands.reuse import Reuse
from domain.cache.events import CacheEntryInvalidated, CacheEntryPublished, CacheInvalidated, Meaning
from domain.cache.rules import Withdrawal
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import parse_time


@dataclass(frozen=True, slots=True)
class _Entry:
    namespace: str
    depends: tuple[str, ...]
    """What it rests on."""
    position: Position
    asked: datetime


@dataclass(slots=True)
class Answers:
    """The answers of level L3 that this process has heard of."""

    reuse: Reuse
    process: str = ""
    """A name that no other process has; empty where nothing is to be noted in the index."""
    _heard: dict[StreamId, _Entry] = field(default_factory=dict)
    """When what they rest on changes, they leave the index together."""
    _filling: Filling = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing heard."""
        self._filling = filling(self.reuse, KIND, self.process)

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``. Raises ``StoredDataInvalid``."""
        self._filling.filled.hear(recorded)
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case CacheEntryPublished(level="L3", meaning=Meaning() as meaning):
                awaited = _awaited(stream, event, meaning, recorded.position)
                self._filling.put(point_id(stream.tenant, stream.id), awaited)
                asked = parse_time(event.asked or recorded.time)
                self._heard[stream] = _Entry(event.namespace, event.depends, recorded.position, asked)
            case CacheEntryInvalidated() if stream in self._heard:
                self._remove([stream], recorded.position)
            case CacheInvalidated(level=None | "L3"):
                withdrawal = Withdrawal(recorded.position, parse_time(recorded.time), event.reason)
                covered = [name for name, entry in self._heard.items() if withdrawal.covers(entry)]
                meant = [name for name in covered if self._is_meant(stream.tenant, event, name)]
                self._remove(meant, recorded.position)

    async def flush(self) -> None:
        """Bring the index up to what was heard. Raises as the ports, and then keeps what is left to be done."""
        await self._filling.flush()

    def _is_meant(self, tenant: str, event: CacheInvalidated, name: StreamId) -> bool:
        entry = self._heard[name]
        named = (name.tenant, entry.namespace) == (tenant, event.namespace) and event.tag is None
        return named and (event.depends is None or event.depends in entry.depends)

    def _remove(self, entries: list[StreamId], position: Position) -> None:
        self._filling.remove([point_id(entry.tenant, entry.id) for entry in entries], position)
        for entry in entries:
            del self._heard[entry]


def _awaited(stream: StreamId, event: CacheEntryPublished, meaning: Meaning, position: Position) -> Awaited:
    value = event.value if isinstance(event.value, dict) else {}
    program, parameters = value.get("program"), value.get("parameters")
    known = isinstance(program, str) and isinstance(parameters, str)
    if not known or len(meaning.text.encode()) > LONGEST_GOAL:
        raise StoredDataInvalid(f"entry {stream.id} does not say what it answers: it is not found by its meaning")
    labels = among(KIND, stream.tenant, event.namespace, str(parameters)) | {
        "program": str(program),
        "entry": stream.id,
        "goal": meaning.text,
    }
    return Awaited(
        text=meaning.text, embedder=meaning.embedder, vector=meaning.vector, labels=labels, position=position
    )
