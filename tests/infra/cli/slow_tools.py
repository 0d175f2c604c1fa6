"""Tools that a test deployment is configured with."""

from __future__ import annotations

import time

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
