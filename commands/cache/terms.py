"""What the cache waits for, and for how long."""

from __future__ import annotations

from typing import Final

LONGEST_SILENCE: Final = 1.0
"""Seconds without a word of the log after which nothing is given again: an invalidation may have been missed."""

TIER_WITHIN: Final = 1.0
"""Seconds for a tier's answer; what takes longer is a miss."""

TIER_RESTS: Final = 5.0
"""Seconds for which a tier is left alone after it failed."""
