"""The nearest known name, for hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_COMPARED: Final = 80
"""Characters of a name that are compared."""

_PART: Final = 4
"""A name that long, with what follows it, is meant by itself: ``hash`` by ``hash-map``, ``split-at`` by ``split``."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that this one may be a slip of, or a part of; none when nothing is so near."""
    name = name[:_COMPARED]
    return next((each for each in get_close_matches(name, list(known), n=3, cutoff=0.6) if _is_near(name, each)), None)


def _is_near(name: str, known: str) -> bool:
    short, long = sorted((name, known), key=len)
    if len(short) >= _PART and long.startswith(short):
        return True
    return _slips(name.lower(), known.lower()) <= max(1, len(short) // 3)


def _slips(left: str, right: str) -> int:
    """Count letters that are other, missing, too many or exchanged with the next (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
    return row[-1]
