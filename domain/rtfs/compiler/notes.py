"""What analysis finds beside the code."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.rtfs.metadata import Delegation, Description
from domain.rtfs.source import Span


@dataclass(slots=True)
class Notes:
    """By place, so that code which is looked at twice is noted once."""

    delegations: dict[Span, Delegation] = field(default_factory=dict)
    descriptions: dict[Span, Description] = field(default_factory=dict)
