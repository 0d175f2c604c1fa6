"""Long pure work beside everything else that a worker does: claims, wakes and the feed of revocations go on."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from domain.runs.slices import Sliced

T = TypeVar("T")


async def in_slices(work: Sliced[T]) -> T:
    """Do it, with a pause for others after each slice. Raises as the work."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        await asyncio.sleep(0)
