"""Moments as people give them: a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.kernel.errors import InvalidInput

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str, now: datetime, option: str) -> datetime:
    """``90s``, ``30m``, ``12h``, ``7d``, ``2w`` before now; or a date or time, in UTC where it names no zone.

    Raises ``InvalidInput``.
    """
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text):
            return now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{option} {text[:80]}: give a time like 2026-11-21T08:00:00Z, a date, or how long ago, like 90s, 12h or 7d"
        ) from None
