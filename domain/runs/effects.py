"""Effects that the controller itself answers, offered to programs beside the tools. A task lists them like tools."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from domain.kernel.errors import InvalidInput
from domain.kernel.values import Value, decode, format_time
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.types import parse_type
from domain.runs.events import TimerStarted
from domain.runs.guard import Asked, Terms

SLEEP: Final = "timer.sleep"
LONGEST_SLEEP: Final = 366 * 86_400.0
"""Seconds; a schedule further away belongs to the caller."""

CONTROLLER_CAPABILITIES: Final[Mapping[str, Capability]] = {
    SLEEP: Capability(
        name=SLEEP,
        version="1",
        effects="read",
        parameters=(Parameter(name="seconds", type=parse_type(":float")),),
        result=parse_type(":nil"),
        doc="Do nothing for so many seconds. The run rests meanwhile and survives restarts.",
    )
}

SLEEP_TERMS: Final = Terms(version="1", mode="read", idempotent=True)


class SleepRefused(InvalidInput):
    """Sleep between 0 seconds and a year."""

    code = "timer.refused"


def timer(asked: Asked, now: datetime) -> TimerStarted:
    """Start the timer that a program asks for. Raises ``SleepRefused``."""
    seconds: Value = decode(asked.arguments["seconds"])
    if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_SLEEP:
        raise SleepRefused(f"timer.sleep of {seconds!r} seconds; 0 to {LONGEST_SLEEP:.0f} is allowed")
    return TimerStarted(
        effect=asked.key, due=format_time(now + timedelta(seconds=seconds)), request_digest=asked.digest
    )
