"""What happened to the ledger itself."""

from __future__ import annotations

from typing import ClassVar

from domain.kernel.events import DomainEvent


class KeyRotated(DomainEvent):
    """Another key signs from now on; the one before says so in a signed note (``rotation``)."""

    TYPE: ClassVar[str] = "precedent.ledger.KeyRotated.v1"
    note: str


class StreamCarried(DomainEvent):
    """A stream goes on in a new epoch: this stands where its last event stood, with that event's version.

    It is a mark of the log, not a part of the stream's history: whoever loads the stream never sees it.
    """

    TYPE: ClassVar[str] = "precedent.ledger.StreamCarried.v1"
    position: str
    """Where the stream's last event lies."""
    digest: str
    """Of that event's body."""
