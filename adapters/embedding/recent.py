"""Points of texts that were asked for a moment ago: one goal is looked up at several levels of reuse."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.embedding.texts import readable
from commands.indexes import Embedder
from domain.kernel.embedding import Embedding

KEPT: Final = 1_024
"""Texts; with their points some 3 MB."""

LONGEST: Final = 1_000
"""Characters of a text that is kept."""


class RecentEmbedder:
    """An embedder that remembers the texts that another was asked for last."""

    def __init__(self, embedder: Embedder) -> None:
        """Ask ``embedder`` for what is not remembered."""
        self._embedder = embedder
        self._points: OrderedDict[str, Embedding] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the other."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """How many components its points have."""
        return self._embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """A point for each text, in order. Raises as the other does, and then remembers nothing of these."""
        given = readable(texts)
        found = {text: self._points[text] for text in given if text in self._points}
        missing = [text for text in dict.fromkeys(given) if text not in found]
        if missing:
            found |= zip(missing, await self._embedder.embed(missing), strict=True)
        self._remember(found)
        return [found[text] for text in given]

    def _remember(self, points: Mapping[str, Embedding]) -> None:
        for text, point in points.items():
            if len(text) <= LONGEST:
                self._points[text] = point
                self._points.move_to_end(text)
        while len(self._points) > KEPT:
            self._points.popitem(last=False)
