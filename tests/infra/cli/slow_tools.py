"""Tools that a test deployment is configured with."""

from __future__ import annotations

import time
from typing import Any

from adapters.tools.declare import tool


@tool("mail.send", effects="external", version="1", timeout=0.1)
def send(to: str) -> int:
    """Send a mail, so slowly that nobody can know whether it went out."""
    time.sleep(0.5)
    return len(to)


@tool("wait.for-it", effects="read", version="1", timeout=60)
def wait_for_it() -> int:
    """Take longer than any test."""
    time.sleep(30)
    return 1


class Basket:
    """What a run has put together: each has its own."""

    def __init__(self, inputs: dict[str, Any]) -> None:
        self._items: list[str] = list(inputs["items"])

    @tool("basket.add", effects="write", idempotent=True)
    def add(self, item: str) -> int:
        """Put an item into the basket; how many are in it."""
        self._items.append(item)
        return len(self._items)

    @tool("basket.all", effects="read")
    async def all(self) -> list[str]:
        """What is in the basket."""
        return self._items
