"""A text as a point on the unit sphere, and who put it there: points of different embedders are never compared."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import fsum, hypot, isfinite
from operator import mul
from typing import Final

from domain.kernel.errors import StoredDataInvalid

WIDTH: Final = 4
"""Bytes of one component: IEEE 754 binary32, little-endian."""

MOST_DIMENSIONS: Final = 8_192

OFF_SPHERE: Final = 1e-3
"""How far from one the length of a point may be."""


class EmbeddingInvalid(StoredDataInvalid):
    """Embed the text again; what is stored is no point of this embedder."""

    code = "stored.embedding-invalid"


@dataclass(frozen=True, slots=True)
class Embedding:
    """A point of unit length."""

    embedder: str
    """Name and version of the embedder, which says everything that changes its points."""
    vector: bytes
    """Components, binary32 little-endian one after the other."""

    @property
    def dimensions(self) -> int:
        """How many components it has."""
        return len(self.vector) // WIDTH

    def components(self) -> array[float]:
        """The components as numbers."""
        numbers = array("f", self.vector)
        if _BIG_ENDIAN:
            numbers.byteswap()
        return numbers

    def checked(self) -> Embedding:
        """Itself, if it is a finite point of unit length. Raises ``EmbeddingInvalid``."""
        size = len(self.vector)
        if size == 0 or size % WIDTH or size // WIDTH > MOST_DIMENSIONS:
            raise EmbeddingInvalid(
                f"a point of {self.embedder} has {size} bytes: not 4 a component, up to 8,192 of them"
            )
        length = hypot(*self.components())
        if not isfinite(length) or abs(length - 1) > OFF_SPHERE:
            raise EmbeddingInvalid(f"a point of {self.embedder} has length {length:g}, not 1")
        return self


_BIG_ENDIAN: Final = array("H", b"\x01\x00")[0] != 1


def cosine(one: Embedding, other: Embedding) -> float:
    """Similarity of two points of one embedder, from -1 to 1. Raises ``EmbeddingInvalid`` where they have two."""
    if one.embedder != other.embedder or len(one.vector) != len(other.vector):
        raise EmbeddingInvalid(f"points of {one.embedder} and {other.embedder} cannot be compared")
    return max(-1.0, min(1.0, fsum(map(mul, one.components(), other.components()))))
