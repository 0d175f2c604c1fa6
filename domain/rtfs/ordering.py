"""One total order of values, for sorting; and hashable stand-ins, for finding equal ones."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.kernel.values import Keyword
from domain.rtfs.metering import Fault


def sort_key(value: Any) -> tuple[Any, ...]:
    """Order values: nil, booleans, numbers (NaN last), keywords, strings, times, UUIDs, vectors by their items."""
    kind = type(value)
    if kind is str:
        return 4, value
    if kind is int or kind is float:
        return (2, 1, 0) if math.isnan(value) else (2, 0, value)
    if kind is Keyword:
        return 3, value.name
    if value is None:
        return (0,)
    if kind is bool:
        return 1, value
    if kind is list:
        return 7, tuple(map(sort_key, value))
    if isinstance(value, datetime):
        return 5, value
    if isinstance(value, UUID):
        return 6, value.int
    raise Fault("type-mismatch", "maps and functions have no order; sort by one of their values with `sort-by`")


def identity(value: Any) -> Any:
    """Give a hashable stand-in: two values are equal exactly when their stand-ins are."""
    kind = type(value)
    if kind is list:
        return list, tuple(map(identity, value))
    if kind is dict:
        return dict, frozenset((key, identity(item)) for key, item in value.items())
    if kind is float:
        # The text tells 0.0 from -0.0, and makes every NaN the same.
        return float, repr(value)
    if kind is bool:
        return bool, value
    return value
