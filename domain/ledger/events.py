"""What happened to the ledger itself."""

from __future__ import annotations

from typing import ClassVar

from domain.kernel.events import DomainEvent


class KeyRotated(DomainEvent):
    """Another key signs from now on; the one before says so in a signed note (``rotation``)."""

    TYPE: ClassVar[str] = "precedent.ledger.KeyRotated.v1"
    note: str
