"""An embedder that knows words and not what they mean, and needs nothing but the standard library.

Texts are near to one another when they share words, pairs of words, or parts of words. So it finds the same question
with a word more, a typing error or another ending; "car" and "automobile" are as far apart as any two words.

Features are hashed to components with a sign (feature hashing: Weinberger et al., arXiv:0902.2206), each with the
square root of its count. Nothing but sums, square roots and BLAKE2b is used, so the points are the same everywhere.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import sqrt
from typing import Final

from adapters.embedding.texts import readable
from adapters.embedding.unit import unit
from domain.kernel.embedding import Embedding
from domain.kernel.errors import InvalidInput

DIMENSIONS: Final = 384
NAME: Final = f"lexical-{DIMENSIONS}-v1"
"""Whatever changes a point must change this."""

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_GRAMS: Final = (3, 4)
"""Lengths of the parts of a word, with its beginning and end marked."""

_LONGEST_WORD: Final = 32
"""Of a longer word, only the parts of this beginning count beside the whole."""

_WORD: Final = 1.0
_PAIR: Final = 0.3
_PART: Final = 0.5
_SIGN: Final = 0.5
"""How much a word, a pair of neighbours, a part of a word, and a character that is no letter or digit count."""

_INLINE: Final = 2_000
"""Characters that take about a millisecond; more are left to a thread."""


class LexicalEmbedder:
    """Points by words and parts of words: the fallback where no model is installed."""

    name: Final = NAME
    dimensions: Final = DIMENSIONS

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """A point for each text, in order. Raises ``InvalidInput``."""
        given = readable(texts)
        if sum(map(len, given)) <= _INLINE:
            return [point(text) for text in given]
        return await asyncio.to_thread(lambda: [point(text) for text in given])


def point(text: str) -> Embedding:
    """The point of a readable text. Raises ``InvalidInput`` for one made so that its features cancel each other."""
    try:
        return unit(NAME, directions(text))
    except ValueError as error:
        raise InvalidInput(f"the features of {text[:40]!r} cancel each other; give other words") from error


def directions(text: str) -> list[float]:
    """Sums of the features of a text, one a component, not yet of unit length."""
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    sums = [0.0] * DIMENSIONS
    for token, count in Counter(tokens).items():
        much = sqrt(count)
        for component, weight in _features(token):
            sums[component] += weight * much
    for (one, other), count in Counter(pairwise(tokens)).items():
        component, weight = _hashed(f"{one} {other}", _PAIR)
        sums[component] += weight * sqrt(count)
    return sums


@lru_cache(maxsize=8_192)
def _features(token: str) -> tuple[tuple[int, float], ...]:
    """Components and weights of a token: of itself, and of its parts if it is a word."""
    if len(token) == 1 and not token.isalnum():
        return (_hashed(token, _SIGN),)
    return _hashed(token, _WORD), *(_hashed(part, _PART) for part in _parts(token[:_LONGEST_WORD]))


def _parts(word: str) -> Iterator[str]:
    marked = f"^{word}$"
    for length in _GRAMS:
        for start in range(len(marked) - length + 1):
            yield f"#{marked[start : start + length]}"


def _hashed(feature: str, weight: float) -> tuple[int, float]:
    """Component of a feature, and its weight with a sign, so that features that share one cancel on average."""
    digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
    return (digest >> 1) % DIMENSIONS, weight if digest & 1 else -weight
