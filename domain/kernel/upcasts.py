"""Upcasts: pure functions from an old event shape to the next one, applied in a chain when an old event is read.

A persisted shape never changes. A new shape is a new type name (``….v2``) with an upcast from the old one here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Upcast: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]


class Upcasts:
    """Old type name -> (next type name, function on the data)."""

    def __init__(self, steps: Mapping[str, tuple[str, Upcast]]) -> None:
        self._steps = dict(steps)
        for start in self._steps:
            self._check_ends(start)

    def _check_ends(self, start: str) -> None:
        seen, name = {start}, start
        while name in self._steps:
            name = self._steps[name][0]
            if name in seen:
                raise ValueError(f"upcasts of {start} run in a circle at {name}")
            seen.add(name)

    def apply(self, name: str, data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Give the newest type name and the data in its shape."""
        while (step := self._steps.get(name)) is not None:
            name, upcast = step
            data = upcast(data)
        return name, data


UPCASTS: Final = Upcasts({})
