"""The machine's clock and its randomness."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """The ``Clock`` port."""

    def now(self) -> datetime:
        """As the port says."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """As the port says."""
        return time.monotonic()


class SystemRandomness:
    """The ``Randomness`` port, fit for secrets."""

    def bytes(self, count: int) -> bytes:
        """As the port says."""
        return secrets.token_bytes(count)
