"""Long pure work in slices: whoever drives it may do something else in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Sliced: TypeAlias = Generator[None, None, T]
"""Work that yields whenever a slice of fuel is used, and returns what it comes to."""


def at_once(work: Sliced[T]) -> T:
    """Do it without a pause. Raises as the work."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
