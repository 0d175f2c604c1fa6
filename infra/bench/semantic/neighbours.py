"""The nearest earlier requests of every request in a stream, exactly: every pair is compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from domain.kernel.embedding import Embedding
from domain.kernel.errors import NotFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

AHEAD: Final = 256
"""How many earlier requests are ranked beforehand, whether a method has kept them or not."""

_ROWS: Final = 1_000


class NumpyMissing(NotFound):
    """Install numpy, which comparing every pair of requests takes: ``pip install numpy``."""

    code = "bench.numpy-missing"


class Stream:
    """A stream's points, and the order of everything earlier by similarity."""

    def __init__(self, points: Sequence[Embedding]) -> None:
        """Compare all pairs once: 16,000 requests take half a minute and some 100 MB. Raises ``NumpyMissing``."""
        try:
            import numpy as np  # noqa: PLC0415  # only this benchmark needs it
        except ImportError as error:
            raise NumpyMissing("numpy is not installed; install it with: pip install numpy") from error
        self._np: Any = np
        self._points: NDArray[Any] = np.stack([np.frombuffer(point.vector, dtype="<f4") for point in points])
        self._ranked: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for start in range(0, len(points), _ROWS):
            rows = self._points[start : start + _ROWS]
            similar = rows @ self._points[: start + len(rows)].T
            self._ranked.extend(self._rank(similar[row, : start + row]) for row in range(len(rows)))

    def __len__(self) -> int:
        return len(self._ranked)

    def _rank(self, similar: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        np = self._np
        most = min(AHEAD, len(similar))
        best = np.argpartition(-similar, most - 1)[:most] if most else np.zeros(0, dtype=int)
        best = best[np.argsort(-similar[best], kind="stable")]
        return best, similar[best]

    def kept(self) -> NDArray[Any]:
        """A flag for each request, none of them set: which ones a method has kept."""
        return self._np.zeros(len(self), dtype=bool)  # type: ignore[no-any-return]

    def nearest(self, of: int, kept: NDArray[Any], limit: int) -> list[tuple[int, float]]:
        """The nearest of those kept before request ``of``, nearest first: their numbers and cosines."""
        np = self._np
        ranked, similar = self._ranked[of]
        found = np.flatnonzero(kept[ranked])[:limit]
        if len(found) < limit and len(ranked) < of:
            ranked = np.flatnonzero(kept[:of])
            similar = self._points[ranked] @ self._points[of]
            found = np.argsort(-similar, kind="stable")[:limit]
        return [(int(ranked[at]), max(-1.0, min(1.0, float(similar[at])))) for at in found]
