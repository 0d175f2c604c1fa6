"""The nearest known name, for hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name most like this one, or none when nothing is like it."""
    found = get_close_matches(name[:80], list(known), n=1, cutoff=0.6)
    return found[0] if found else None
