"""English words for the end of an order that is asked for, each under the name of that end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ENDS: Final = {
    "greatest": "max maximum maximal maximise maximize highest largest biggest greatest most tallest heaviest peak",
    "least": "min minimum minimal minimise minimize lowest smallest least fewest lightest",
    "first": "earliest initial",
    "last": "latest newest final",
    "oldest": "eldest",
    "youngest": "",
    "longest": "",
    "shortest": "",
    "best": "",
    "worst": "",
    "nearest": "closest",
    "farthest": "furthest",
    "fastest": "quickest soonest",
    "slowest": "",
    "cheapest": "",
    "dearest": "priciest costliest",
    "top": "topmost",
    "bottom": "bottommost",
}

EXTREMES: Final[Mapping[str, str]] = {
    spelling: end for end, spellings in _ENDS.items() for spelling in (end, *spellings.split())
}
"""By word. ``polarity`` sees where two texts say opposite ends; this also where only one of them says any."""
