"""Where two encoded values differ: the places, with what is at each of them on either side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, Final

import orjson

MOST: Final = 20
"""Places that are told; two values may differ in a million."""


class Absent(Enum):
    """What is at a place that one side does not have."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which two values differ."""

    path: str
    """Keys and indices from the outside in, joined by dots, as ``rows.3.:name``; empty for the values themselves."""
    recorded: Any
    """Encoded, or ``ABSENT``."""
    actual: Any


def differences(recorded: Any, actual: Any, most: int = MOST) -> tuple[Difference, ...]:
    """The first places, in order, at which two encoded values differ; none where they are equal."""
    return tuple(islice(_differences("", recorded, actual), most))


def _differences(path: str, recorded: Any, actual: Any) -> Iterator[Difference]:
    if _same(recorded, actual):
        return
    ours, theirs = _parts(recorded), _parts(actual)
    if ours is None or theirs is None or type(recorded) is not type(actual):
        yield Difference(path, recorded, actual)
        return
    for key in {**ours, **theirs}:
        step = (ours.get(key) or theirs[key])[0]
        place = f"{path}.{step}" if path else step
        yield from _differences(place, _at(ours, key), _at(theirs, key))


def _same(one: Any, other: Any) -> bool:
    # Python holds 1 and 1.0 and True equal; as values of the language they are not.
    return (
        type(one) is type(other) and one == other and (not isinstance(one, dict | list) or _bytes(one) == _bytes(other))
    )


def _bytes(tree: Any) -> bytes:
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)


def _at(parts: dict[bytes, tuple[str, Any]], key: bytes) -> Any:
    return parts[key][1] if key in parts else ABSENT


def _parts(tree: Any) -> dict[bytes, tuple[str, Any]] | None:
    """What is directly within a vector or map: by key, how the key is spelled and what is there; None for others."""
    if isinstance(tree, list):
        return {b"%d" % index: (str(index), item) for index, item in enumerate(tree)}
    if not isinstance(tree, dict):
        return None
    tag, item = next(iter(tree.items()), ("", None))
    if len(tree) > 1 or not tag.startswith("$") or tag.startswith("$$"):
        return {orjson.dumps(name := key.removeprefix("$")): (name, each) for key, each in tree.items()}
    if (
        tag != "$map"
        or not isinstance(item, list)
        or any(not isinstance(pair, list) or len(pair) != 2 for pair in item)
    ):
        return None
    return {orjson.dumps(key): (_spelled(key), each) for key, each in item}


def _spelled(key: Any) -> str:
    return f":{key['$kw']}" if isinstance(key, dict) and "$kw" in key else str(key)
