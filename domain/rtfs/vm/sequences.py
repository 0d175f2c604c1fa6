"""Library functions that apply functions, as frames: each says what to apply next until its value is there."""

from __future__ import annotations

from typing import Any, TypeAlias

from domain.rtfs.functions import Each, Entry, Fold
from domain.rtfs.functions.predicates import truthy
from domain.rtfs.metering import Meter

Arguments: TypeAlias = tuple[Any, ...] | list[Any]


class EachFrame:
    """``map``, ``filter`` and their kin at work."""

    __slots__ = ("applications", "context", "entry", "function", "results", "run", "stop_on")

    def __init__(self, entry: Entry, run: Each, function: Any, context: Any, applications: list[Any]) -> None:
        self.entry = entry
        self.run = run
        self.function = function
        self.context = context
        self.applications = applications
        self.stop_on = run.stop_on
        self.results: list[Any] = []

    def first(self) -> Arguments | None:
        """Give what to apply the function to at first; none when there is nothing."""
        return self.applications[0] if self.applications else None

    def following(self, result: Any) -> Arguments | None:
        """Note what the function gave, and give what to apply it to next; none when enough is known."""
        results, applications = self.results, self.applications
        results.append(result)
        place = len(results)
        if place == len(applications) or (self.stop_on is not None and truthy(result) is self.stop_on):
            return None
        return applications[place]  # type: ignore[no-any-return]

    def finish(self, meter: Meter) -> Any:
        """Give the value of the whole."""
        return self.run.finish(meter, self.context, self.applications, self.results)

    def copy(self) -> EachFrame:
        """Give a frame that goes on from here on its own."""
        frame = EachFrame(self.entry, self.run, self.function, self.context, self.applications)
        frame.results = self.results.copy()
        return frame

    def roots(self) -> list[Any]:
        """Give what this keeps alive."""
        return [self.function, self.context, self.applications, self.results]


class FoldFrame:
    """``reduce`` at work."""

    __slots__ = ("entry", "function", "items", "place", "value")

    def __init__(self, entry: Entry, function: Any, value: Any, items: list[Any], place: int = 0) -> None:
        self.entry = entry
        self.function = function
        self.value = value
        self.items = items
        self.place = place

    def first(self) -> Arguments | None:
        """Give what to apply the function to at first; none when there are no items."""
        return self.following(self.value)

    def following(self, result: Any) -> Arguments | None:
        """Note what the function gave, and give what to apply it to next; none when all items are used."""
        self.value = result
        place = self.place
        if place == len(self.items):
            return None
        self.place = place + 1
        return (result, self.items[place])

    def finish(self, _meter: Meter) -> Any:
        """Give the value of the whole."""
        return self.value

    def copy(self) -> FoldFrame:
        """Give a frame that goes on from here on its own."""
        return FoldFrame(self.entry, self.function, self.value, self.items, self.place)

    def roots(self) -> list[Any]:
        """Give what this keeps alive."""
        return [self.function, self.value, self.items]


SequenceFrame: TypeAlias = EachFrame | FoldFrame


def begin(entry: Entry, meter: Meter, arguments: Arguments) -> SequenceFrame:
    """Start a library function that applies a function."""
    run = entry.implementation
    if isinstance(run, Each):
        return EachFrame(entry, run, *run.begin(meter, tuple(arguments)))
    assert isinstance(run, Fold)
    return FoldFrame(entry, *run.begin(meter, tuple(arguments)))
