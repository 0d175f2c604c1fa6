"""Numbers to a point of unit length."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from math import fsum, isfinite, sqrt

from domain.kernel.embedding import Embedding


def unit(embedder: str, components: Sequence[float]) -> Embedding:
    """The point in the direction of these components.

    Raises ``ValueError`` where they have none: all of them zero, or one of them not finite, or too large to square.
    """
    length = sqrt(fsum(x * x for x in components))
    if not isfinite(length) or length == 0:
        raise ValueError(f"length {length}")
    numbers = array("f", (x / length for x in components))
    if sys.byteorder == "big":
        numbers.byteswap()
    return Embedding(embedder, numbers.tobytes())
