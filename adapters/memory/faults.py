"""Faults of a broker, decided from outside: a simulation gives the in-memory adapters one of these.

The in-memory adapters ask before each delivery and act it out on the event loop's own time, so that under a seeded
scheduler every history can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from commands.ports import Wake
from domain.kernel.ids import StreamId


class Fate(Enum):
    """What happens to one message and its acknowledgement."""

    DELIVERED = "delivered"
    LOST = "lost"
    """Never arrives; the sender waits for an acknowledgement in vain."""
    UNACKNOWLEDGED = "unacknowledged"
    """Arrives, and its acknowledgement is lost."""
    DOUBLED = "doubled"
    """Arrives twice."""
    TORN = "torn"
    """Of several events of one stream only the first arrives; what is atomic never tears and is lost instead."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Fate of one message, and how long it is under way in each direction (seconds)."""

    fate: Fate = Fate.DELIVERED
    there: float = 0.0
    back: float = 0.0


DELIVERED: Final = Delivery()


class Faults(Protocol):
    """Decides the fate of each message. Must be deterministic for a simulation to be repeatable."""

    def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
        """Fate of one attempt (from 1) to append to these streams."""
        ...

    def load(self, stream: StreamId) -> float:
        """Seconds that a load takes."""
        ...

    def wake(self, wake: Wake) -> Delivery:
        """Fate of a wake on its way to a worker; a lost one is delivered again when its time is over."""
        ...


class NoFaults:
    """A broker on which nothing ever goes wrong."""

    def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
        """Arrives at once."""
        del streams, attempt
        return DELIVERED

    def load(self, stream: StreamId) -> float:
        """No time at all."""
        del stream
        return 0.0

    def wake(self, wake: Wake) -> Delivery:
        """Arrives at once."""
        del wake
        return DELIVERED
