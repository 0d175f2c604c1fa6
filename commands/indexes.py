"""What reuse needs of the world: who turns text into points, and who finds the points near to one.

Indexes are projections: they are filled from events, and losing one loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.embedding import Embedding


class Embedder(Protocol):
    """Texts to points of unit length. The same text gives the same point.

    On every machine where it is made of words; a model's may differ in the last digits on another kind of processor,
    and a server's are the server's to promise. What decides is recorded, and no replay asks an embedder.
    """

    @property
    def name(self) -> str:
        """Name and version, which change when its points do (model, weights, pooling)."""
        ...

    @property
    def dimensions(self) -> int:
        """How many components its points have."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """A point for each text, in order. Raises ``ServiceUnreachable``, ``InvalidInput`` (an empty text)."""
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """One thing in a vector index."""

    id: str
    """A UUID."""
    embedding: Embedding
    labels: Mapping[str, str]
    """What a search may ask to be equal: tenant, namespace, interface, ..."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A point that a search found."""

    id: str
    score: float
    """Cosine similarity, from -1 to 1."""
    labels: Mapping[str, str]


class VectorIndex(Protocol):
    """Points by nearness within equal labels. One index holds points of one embedder."""

    async def put(self, points: Sequence[Point]) -> None:
        """Add points, or replace those of the same id. Raises ``EmbeddingInvalid`` (another embedder or size)."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Take points out; those that are not there are no error."""
        ...

    async def search(self, embedding: Embedding, labels: Mapping[str, str], limit: int) -> Sequence[Neighbour]:
        """The nearest points among those that have all these labels, nearest first, equals by id.

        Raises ``EmbeddingInvalid``, ``ServiceUnreachable``.
        """
        ...

    async def count(self) -> int:
        """How many points it holds."""
        ...

    async def clear(self) -> None:
        """Take out every point, to be filled anew."""
        ...


Tier: TypeAlias = Literal["process", "shared", "database"]
"""Where entries of the cache are kept: in this process, in the broker for all processes, in the database."""


class CacheSource(Protocol):
    """Entries of the cache by key. What it gives is checked by whoever asks: it may be old, or another's."""

    @property
    def name(self) -> Tier:
        """Which tier it is."""
        ...

    async def get(self, tenant: str, key: CacheKey) -> Held | None:
        """The entry, or None. Raises ``ServiceUnreachable``, ``StoredDataInvalid`` (what is there is no entry)."""
        ...


@dataclass(frozen=True, slots=True)
class Dropped:
    """Entries of a tenant: one, or those of a namespace to which all that is named applies."""

    tenant: str
    entry: str | None = None
    namespace: str | None = None
    level: str | None = None
    tag: str | None = None
    depends: str | None = None


class CacheTier(CacheSource, Protocol):
    """A source that whoever has an entry may fill."""

    async def put(self, held: Held) -> None:
        """Keep an entry, or leave it out where it is too large. Raises ``ServiceUnreachable``."""
        ...

    async def drop(self, dropped: Dropped) -> None:
        """Let go of entries. One may stay, where the tier cannot find it. Raises ``ServiceUnreachable``."""
        ...


class Flight(Protocol):
    """The right to find an answer that others wait for. It is lost within seconds when its holder dies."""

    async def land(self) -> None:
        """Let the others look again. Never raises."""
        ...


class Flights(Protocol):
    """Who is finding which answer now, across processes."""

    async def begin(self, tenant: str, entry: str) -> Flight | None:
        """Take the right for one entry; None where another has it. Raises ``ServiceUnreachable``."""
        ...

    async def ended(self, tenant: str, entry: str) -> None:
        """Wait until nobody has the right for it. Raises ``ServiceUnreachable``."""
        ...
