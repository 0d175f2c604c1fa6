"""What can happen to what is cached. Shapes here are persisted: they never change, only grow.

An entry's stream is named after its key (``CacheKey.id``); what concerns a namespace has a stream of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from domain.cache.keys import Kind, Level
from domain.kernel.events import DomainEvent
from domain.kernel.reuse import Cost

Volatility = Literal["static", "slow", "fast", "never"]
"""How soon the answer may change: not at all, within days, within minutes, at once (never kept)."""


class Part(BaseModel):
    """A part of events."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Meaning(Part):
    """The question as a point."""

    text: str
    embedder: str
    vector: str
    """Base64 of the components, binary32 little-endian."""


class CacheEvent(DomainEvent):
    """An event of the cache."""


class CacheEntryPublished(CacheEvent):
    """An answer may be given again."""

    TYPE: ClassVar[str] = "precedent.cache.CacheEntryPublished.v1"
    namespace: str
    level: Level
    kind: Kind
    version: str
    digest: str
    """Of the request; with the four fields before it, the entry's key."""
    value: Any
    """JSON: an answer of a model, an encoded result of a tool, a target, or the id of the entry that has it (L3)."""
    meaning: Meaning | None = None
    """Of level L3."""
    volatility: Volatility
    expires: str | None
    """When it is not given any more; None for never."""
    tags: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    """What it rests on, as ``tool:fs.read@1``, ``model:default``, ``data:crm`` or ``policy:<digest>``."""
    cost: Cost
    run: str
    """The run that the answer comes from."""
    effect: str
    asked: str | None = None
    """When the answer was asked for: it knows nothing of what came later."""


class CacheEntryDisputed(CacheEvent):
    """Another answer was given to what is said to have one for ever. The first one is kept."""

    TYPE: ClassVar[str] = "precedent.cache.CacheEntryDisputed.v1"
    namespace: str
    value_digest: str
    kept_digest: str
    run: str
    effect: str


class CacheEntryInvalidated(CacheEvent):
    """One entry is not given any more."""

    TYPE: ClassVar[str] = "precedent.cache.CacheEntryInvalidated.v1"
    reason: str


class CacheInvalidated(CacheEvent):
    """Every entry of the namespace to which all that is named applies, published before this, is not given any more."""

    TYPE: ClassVar[str] = "precedent.cache.CacheInvalidated.v1"
    namespace: str
    level: Level | None = None
    tag: str | None = None
    depends: str | None = None
    reason: str


class ReuseJudged(CacheEvent):
    """Somebody compared a reused answer, or one that would have been reused, with a right one."""

    TYPE: ClassVar[str] = "precedent.cache.ReuseJudged.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"reusable"})
    namespace: str
    level: Literal["L3", "L4"]
    entry: str
    score: float
    correct: bool
    judge: str
    """Who compared: the name of a rule, a model, or a person."""
    source: Literal["exploration", "feedback"]
    stands_for: int = 1
    """Of an exploration: how many proposals it stands for, where one in so many is judged."""
    run: str
    reusable: bool = False
    """Of an exploration: whether the proposal would have been a hit, had it not been in the sample."""


class CacheTuned(CacheEvent):
    """The cache has set itself anew, from what was measured."""

    TYPE: ClassVar[str] = "precedent.cache.CacheTuned.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"volatility"})
    namespace: str
    setting: Literal["ttl", "size"]
    kind: Kind | None
    """None for the size of a process's own tier, which holds all kinds."""
    volatility: Volatility | None = None
    """Of the answers that last longer or shorter."""
    before: float
    after: float
    """Seconds, or entries."""
    reason: str


CACHE_EVENTS: Final[tuple[type[CacheEvent], ...]] = (
    CacheEntryPublished, CacheEntryDisputed, CacheEntryInvalidated, CacheInvalidated, ReuseJudged, CacheTuned,
)  # fmt: skip
