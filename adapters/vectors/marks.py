"""Labels as the engine keeps them: one list of keywords on each point, ``["name","value"]`` as JSON.

One field for all labels needs one index, whatever the labels are called; a name with a dot or a bracket in it would
be a path into the payload otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import orjson

FIELD: Final = "labels"
"""The payload field with the keyword index."""


def marks(labels: Mapping[str, str]) -> list[str]:
    """A keyword for each label; equal keywords are equal labels."""
    return [orjson.dumps(label).decode() for label in labels.items()]


def labels_of(keywords: Iterable[str]) -> dict[str, str]:
    """The labels behind keywords."""
    return {str(name): str(value) for name, value in map(orjson.loads, keywords)}


def complete(scores: Sequence[float], asked: int, limit: int) -> bool:
    """Whether among so many best scores are all that could stand in the first ``limit`` places, equals included.

    An engine cuts equals in an order of its own, so that one more is asked for, and more while the last still equals
    the one in the last place.
    """
    return len(scores) < asked or scores[-1] < scores[limit - 1]
