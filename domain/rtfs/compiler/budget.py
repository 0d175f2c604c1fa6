"""What the compiler may spend on one program, so that no text keeps it busy for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_EXPANSIONS: Final = 1_000
"""Macro calls that are expanded."""

MAX_STEPS: Final = 1_000_000
"""Work of all macros together."""

MAX_MADE: Final = 200_000
"""Forms that all expansions give together."""

MAX_REANALYSED: Final = 2_000_000
"""Characters of bodies that are looked at again, because a function in them needs what is defined after it."""


@dataclass(slots=True)
class Budget:
    """What is left."""

    expansions: int = MAX_EXPANSIONS
    steps: int = MAX_STEPS
    made: int = MAX_MADE
    reanalysed: int = MAX_REANALYSED
