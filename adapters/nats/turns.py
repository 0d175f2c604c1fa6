"""One at a time for each name, as long as anyone wants it."""

from __future__ import annotations

import asyncio


class Turns:
    """Names that are in use. Costs next to nothing where nobody waits, which a lock for each name would not."""

    def __init__(self) -> None:
        self._taken: dict[str, asyncio.Event | None] = {}

    async def take(self, name: str) -> None:
        """Wait until the name is free, and take it."""
        while name in self._taken:
            free = self._taken[name]
            if free is None:
                free = self._taken[name] = asyncio.Event()
            await free.wait()
        self._taken[name] = None

    def leave(self, name: str) -> None:
        """Let the next one have it."""
        free = self._taken.pop(name)
        if free is not None:
            free.set()
