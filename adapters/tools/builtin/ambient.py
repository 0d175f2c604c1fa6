"""`clock.*` and `random.*`: what would make a program differ between two executions, had the journal not kept it."""

import secrets
import uuid
from datetime import UTC, datetime

from adapters.tools.context import ToolFault
from adapters.tools.declare import tool


@tool("clock.now", effects="read", isolation="in-process", timeout=1, momentary=True, tags=("ambient",))
def now() -> datetime:
    """The time of the worker's clock. Recorded, so a replay sees the same time."""
    return datetime.now(UTC)


@tool("random.int", effects="read", isolation="in-process", timeout=1, momentary=True, tags=("ambient",))
def random_int(low: int, high: int) -> int:
    """A random integer from low to high, both included. Recorded, so a replay sees the same number."""
    if low > high:
        raise ToolFault("random.refused", f"low {low} is above high {high}")
    return low + secrets.randbelow(high - low + 1)


@tool("random.uuid", effects="read", isolation="in-process", timeout=1, momentary=True, tags=("ambient",))
def random_uuid() -> uuid.UUID:
    """A random UUID (version 4). Recorded, so a replay sees the same one."""
    return uuid.uuid4()
