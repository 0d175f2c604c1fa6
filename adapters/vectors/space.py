"""What one index admits, checked alike for every index before anything is sent anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from commands.indexes import Point
from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.errors import InvalidInput

MOST_LABELS: Final = 32
LONGEST_LABEL: Final = 4_096
"""Bytes in UTF-8 of a label's name, and of its value."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where the points of one embedder lie."""

    embedder: str
    """Name and version of the embedder."""
    dimensions: int

    def admit(self, points: Sequence[Point]) -> list[Point]:
        """The points to keep: of those with the same id the last. Raises ``EmbeddingInvalid``, ``InvalidInput``."""
        kept: dict[str, Point] = {}
        for point in points:
            check_id(point.id)
            check_labels(point.labels)
            self._check_embedding(point.embedding)
            kept[point.id] = point
        return list(kept.values())

    def check_search(self, embedding: Embedding, labels: Mapping[str, str], limit: int) -> None:
        """Refuse a search that no index could answer. Raises ``EmbeddingInvalid``, ``InvalidInput``."""
        check_labels(labels)
        self._check_embedding(embedding)
        if limit < 0:
            raise InvalidInput(f"a search for {limit} neighbours: ask for 0 or more")

    def _check_embedding(self, embedding: Embedding) -> None:
        if embedding.embedder != self.embedder or embedding.dimensions != self.dimensions:
            raise EmbeddingInvalid(
                f"a point of {embedding.embedder} with {embedding.dimensions} components has no place in the index of "
                f"{self.embedder} with {self.dimensions}: embed the text again with {self.embedder}"
            )
        embedding.checked()


def check_id(id_: str) -> None:
    """Refuse what is no UUID in its one canonical spelling, as two spellings would be two points to some indexes."""
    try:
        canonical = str(UUID(id_)) == id_
    except ValueError:
        canonical = False
    if not canonical:
        raise InvalidInput(f"the id {id_[:80]!r} of a point is no UUID in lower case with hyphens: give str(UUID(...))")


def check_labels(labels: Mapping[str, str]) -> None:
    """Refuse labels that not every index could keep. Raises ``InvalidInput``."""
    if len(labels) > MOST_LABELS:
        raise InvalidInput(f"{len(labels)} labels on one point: give at most {MOST_LABELS}")
    for part in (part for label in labels.items() for part in label):
        try:
            size = len(part.encode())
        except UnicodeEncodeError:
            raise InvalidInput(f"the label {part[:80]!a} is no Unicode text: it holds half of a pair") from None
        if size > LONGEST_LABEL:
            raise InvalidInput(f"the label {part[:80]!r}... has {size:,} bytes: give at most {LONGEST_LABEL:,}")
