"""Vector index in this process: every candidate is compared, so its answers are exact. It is gone with the process."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from adapters.vectors.space import Space, check_id
from commands.indexes import Neighbour, Point
from domain.kernel.embedding import Embedding, cosine

Label = tuple[str, str]

MARGIN: Final = 2e-3
"""Above any rounding of a 32-bit sum over 8,192 products of components of unit vectors."""


class MemoryVectorIndex:
    """``commands.indexes.VectorIndex`` in dictionaries."""

    def __init__(self, embedder: str, dimensions: int) -> None:
        """Hold points of this embedder."""
        self._space = Space(embedder, dimensions)
        self._points: dict[str, Point] = {}
        self._by_label: dict[Label, set[str]] = {}

    async def put(self, points: Sequence[Point]) -> None:
        """Add points, or replace those of the same id."""
        for point in self._space.admit(points):
            self._drop(point.id)
            self._points[point.id] = Point(point.id, point.embedding, dict(point.labels))
            for label in point.labels.items():
                self._by_label.setdefault(label, set()).add(point.id)

    async def remove(self, ids: Sequence[str]) -> None:
        """Take points out."""
        for id_ in ids:
            check_id(id_)
        for id_ in ids:
            self._drop(id_)

    async def search(self, embedding: Embedding, labels: Mapping[str, str], limit: int) -> Sequence[Neighbour]:
        """The nearest points with all these labels."""
        self._space.check_search(embedding, labels, limit)
        found = _shortlist(embedding, list(self._with(labels)), limit)
        scored = ((-cosine(embedding, point.embedding), point.id, point) for point in found)
        return [Neighbour(id_, -far, dict(point.labels)) for far, id_, point in heapq.nsmallest(limit, scored)]

    async def count(self) -> int:
        """How many points it holds."""
        return len(self._points)

    async def clear(self) -> None:
        """Take out every point."""
        self._points.clear()
        self._by_label.clear()

    def _with(self, labels: Mapping[str, str]) -> Iterable[Point]:
        if not labels:
            return self._points.values()
        sets = sorted((self._by_label.get(label, set()) for label in labels.items()), key=len)
        return (self._points[id_] for id_ in sets[0].intersection(*sets[1:]))

    def _drop(self, id_: str) -> None:
        point = self._points.pop(id_, None)
        if point is None:
            return
        for label in point.labels.items():
            holders = self._by_label[label]
            holders.discard(id_)
            if not holders:
                del self._by_label[label]


def _all(_: Embedding, points: list[Point], __: int) -> list[Point]:
    return points


def _by_numpy(embedding: Embedding, points: list[Point], limit: int) -> list[Point]:
    """The points that can be among the nearest ``limit``: numpy proposes quickly, ``cosine`` decides."""
    if not 0 < limit < len(points):
        return points
    import numpy as np  # noqa: PLC0415  # half the time of a start, for those who search

    rows = np.frombuffer(b"".join(point.embedding.vector for point in points), "<f4")
    scores = rows.reshape(len(points), -1) @ np.frombuffer(embedding.vector, "<f4")
    least = np.partition(scores, len(points) - limit)[len(points) - limit] - MARGIN
    return [points[place] for place in np.flatnonzero(scores >= least)]


_shortlist: Final[Callable[[Embedding, list[Point], int], list[Point]]] = _by_numpy if find_spec("numpy") else _all
