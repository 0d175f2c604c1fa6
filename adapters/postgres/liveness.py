"""How a connection to PostgreSQL notices that the other end is gone without a word, as when a network is cut.

libpq's parameters (PostgreSQL manual, 32.1.2); without them the system's own limits count, which are hours. They say
nothing about a server that is slow: as long as its machine answers, it is waited for.
"""

from __future__ import annotations

from typing import Any, Final

LIVENESS: Final[dict[str, Any]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Seconds of silence before the first look, between two, looks in vain; milliseconds that what was sent may stay
unacknowledged."""
