"""When two values are the same, and which of two comes first."""

from __future__ import annotations

import math
from typing import Any


def equal(left: Any, right: Any) -> bool:
    """Tell whether two values are the same.

    Kinds differ (``1`` is not ``1.0``), every NaN is the same NaN, and ``-0.0`` is not ``0.0``: equal values are
    those with equal canonical bytes. Takes time in the size of the smaller value written out.
    """
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return len(left) == len(right) and all(key in right and equal(item, right[key]) for key, item in left.items())
    if kind is float:
        if math.isnan(left):
            return math.isnan(right)
        return bool(left == right and math.copysign(1, left) == math.copysign(1, right))
    return bool(left == right)
