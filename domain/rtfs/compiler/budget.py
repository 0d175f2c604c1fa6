"""What the compiler may spend on one program, so that no text keeps it busy for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_EXPANSIONS: Final = 1_000
"""Macro calls that are expanded."""

MAX_STEPS: Final = 1_000_000
"""Work of all macros together."""

MAX_REORDERINGS: Final = 100
"""Functions that are put behind what they need."""


@dataclass(slots=True)
class Budget:
    """What is left."""

    expansions: int = MAX_EXPANSIONS
    steps: int = MAX_STEPS
    reorderings: int = MAX_REORDERINGS
