"""What fits into a cell: total functions from stored JSON to what a column takes. No value stops a projection."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

import orjson

from domain.kernel.values import parse_time

LINE: Final = 300
"""Characters of something that is shown on one line."""

PARAGRAPH: Final = 4_000
"""Characters of an explanation."""

_LARGEST: Final = 2**63 - 1


def text(value: Any, longest: int = LINE) -> str:
    """The value for people: text as it is, anything else as compact JSON; cut to so many characters."""
    shown: str = value if isinstance(value, str) else orjson.dumps(value).decode()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def optional_text(value: Any, longest: int = LINE) -> str | None:
    """As ``text``, where nothing stays nothing."""
    return None if value is None else text(value, longest)


def one_line(value: Any, longest: int = LINE) -> str:
    """As ``text``, with every run of white space as one space."""
    shown = text(value, longest * 2)
    if not shown.isprintable() or "  " in shown:
        shown = " ".join(shown.split())
    return text(shown, longest)


def whole(value: Any) -> int:
    """An integer that PostgreSQL's bigint holds; 0 for what is no number."""
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    return max(-_LARGEST, min(_LARGEST, value)) if isinstance(value, int) else 0


def number(value: Any) -> float:
    """A finite number; 0.0 for what is none."""
    if isinstance(value, int):
        value = float(whole(value))
    return value if isinstance(value, float) and math.isfinite(value) else 0.0


def moment(value: Any) -> datetime | None:
    """A point in time; None for what is none."""
    try:
        return parse_time(value)
    except (TypeError, ValueError):
        return None
