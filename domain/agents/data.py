"""Plain Python data of agents, and the values that journals and tasks hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import MAX_DEPTH, Keyword, Value, ValueNotEncodable

_SCALARS: Final = (str, int, float, bool, type(None), datetime, UUID, Keyword)


def plain_data(value: Value) -> Any:
    """A value as agents see it: keywords are text, so that maps are read by text."""
    if isinstance(value, list):
        return [plain_data(item) for item in value]
    if isinstance(value, dict):
        return {key.name if isinstance(key, Keyword) else key: plain_data(item) for key, item in value.items()}
    return value.name if isinstance(value, Keyword) else value


def value_of(data: Any, depth: int = 0) -> Value:
    """What an agent gives, as a value of its own: it may go on changing its data. Raises ``ValueNotEncodable``."""
    if depth > MAX_DEPTH:
        raise ValueNotEncodable(f"value is nested deeper than {MAX_DEPTH} levels; flatten it")
    kind = type(data)
    if kind in (list, tuple):
        return [value_of(item, depth + 1) for item in data]
    if kind is dict:
        return {_key(key): value_of(item, depth + 1) for key, item in data.items()}
    if kind in (set, frozenset):
        raise ValueNotEncodable("a set has no order that a replay could repeat; give sorted(…) of it")
    if kind not in _SCALARS:
        raise ValueNotEncodable(
            f"{kind.__name__} is no plain data; give text, numbers, None, lists, maps, datetime or UUID"
        )
    return data  # type: ignore[no-any-return]


def _key(key: Any) -> Any:
    if type(key) not in (str, int, Keyword):
        raise ValueNotEncodable(f"a map has a key of {type(key).__name__}; text and integers are allowed")
    return key
