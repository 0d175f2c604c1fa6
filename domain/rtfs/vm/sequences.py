"""Library functions that apply functions, as frames: each says what to apply next until its value is there."""

from __future__ import annotations

from typing import Any, TypeAlias

from domain.rtfs.functions import Each, Entry, Fold, Sorting
from domain.rtfs.functions.arranging import arranged, comes_before
from domain.rtfs.functions.entry import Applications, Arguments, Singles
from domain.rtfs.functions.predicates import truthy
from domain.rtfs.metering import Meter


class EachFrame:
    """``map``, ``filter`` and their kin at work."""

    __slots__ = ("applications", "context", "entry", "function", "results", "run", "stop_on")

    def __init__(self, entry: Entry, run: Each, function: Any, context: Any, applications: Applications) -> None:
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
        return applications[place]

    def finish(self, meter: Meter) -> Any:
        """Give the value of the whole."""
        return self.run.finish(meter, self.context, self.applications, self.results)

    def applied(self) -> tuple[Any, ...]:
        """Give the functions that this applies."""
        return (self.function,)

    def copy(self) -> EachFrame:
        """Give a frame that goes on from here on its own."""
        frame = EachFrame(self.entry, self.run, self.function, self.context, self.applications)
        frame.results = self.results.copy()
        return frame

    def roots(self) -> list[Any]:
        """Give what this keeps alive."""
        applications = self.applications
        applied = applications.items if isinstance(applications, Singles) else applications
        return [self.function, self.context, applied, self.results]


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

    def applied(self) -> tuple[Any, ...]:
        """Give the functions that this applies."""
        return (self.function,)

    def copy(self) -> FoldFrame:
        """Give a frame that goes on from here on its own."""
        return FoldFrame(self.entry, self.function, self.value, self.items, self.place)

    def roots(self) -> list[Any]:
        """Give what this keeps alive."""
        return [self.function, self.value, self.items]


class SortFrame:
    """``sort`` and ``sort-by`` at work: first the keys, then, with a comparison function, a merge sort from below.

    Runs of ``width`` keys are in order already. ``order`` holds the places of the items as the last pass left them,
    ``merged`` what this pass has put in order so far; ``left`` and ``right`` are the next of the two runs that begin
    at ``start``. Equal items keep their order.
    """

    __slots__ = (
        "comparison",
        "descending",
        "entry",
        "function",
        "items",
        "key",
        "keys",
        "left",
        "merged",
        "order",
        "right",
        "start",
        "width",
    )

    def __init__(self, entry: Entry, key: Any, comparison: Any, descending: Any, items: list[Any]) -> None:
        self.entry = entry
        self.key = key
        self.comparison = comparison
        self.descending = descending
        self.items = items
        self.function = comparison if key is None else key
        """What is applied at present."""
        self.keys: list[Any] = items if key is None else []
        self.order = list(range(len(items)))
        self.merged: list[int] = []
        self.width = 1
        self.start = self.left = 0
        self.right = 1

    def first(self) -> Arguments | None:
        """Give what to apply the first function to; none when there is nothing to apply."""
        if self.key is None:
            return self._pair()
        return (self.items[0],) if self.items else None

    def following(self, result: Any) -> Arguments | None:
        """Note a key or an answer of the comparison, and give what to apply which function to next."""
        if self.key is not None and len(self.keys) < len(self.items):
            self.keys.append(result)
            if len(self.keys) < len(self.items):
                return (self.items[len(self.keys)],)
            self.function = self.comparison
            return self._pair()
        order, left, right = self.order, self.left, self.right
        if result is True or (result is not False and comes_before(self.entry, result)):
            self.merged.append(order[right])
            self.right = right = right + 1
        else:
            self.merged.append(order[left])
            self.left = left = left + 1
        middle = self.start + self.width
        if left < middle and right < middle + self.width and right < len(order):
            return (self.keys[order[right]], self.keys[order[left]])
        return self._pair()

    def _pair(self) -> Arguments | None:
        """Go on to the next two keys that must be compared; none when all are in order."""
        count = len(self.items)
        while self.comparison is not None and self.width < count:
            middle, end = min(self.start + self.width, count), min(self.start + 2 * self.width, count)
            if self.left < middle and self.right < end:
                return (self.keys[self.order[self.right]], self.keys[self.order[self.left]])
            self.merged += self.order[self.left : middle]
            self.merged += self.order[self.right : end]
            if end == count:
                self.order, self.merged = self.merged, []
                self.width *= 2
                end = 0
            self.start = self.left = end
            self.right = min(end + self.width, count)
        return None

    def finish(self, meter: Meter) -> Any:
        """Give the items in order."""
        if self.comparison is None:
            return arranged(meter, self.items, self.keys, descending=self.descending)
        return [self.items[place] for place in self.order]

    def applied(self) -> tuple[Any, ...]:
        """Give the functions that this applies."""
        return (self.key, self.comparison)

    def copy(self) -> SortFrame:
        """Give a frame that goes on from here on its own."""
        frame: SortFrame = object.__new__(SortFrame)
        for name in SortFrame.__slots__:
            setattr(frame, name, getattr(self, name))
        frame.keys = self.keys if self.key is None else self.keys.copy()
        frame.merged = self.merged.copy()
        return frame

    def roots(self) -> list[Any]:
        """Give what this keeps alive."""
        return [self.key, self.comparison, self.items, self.keys, self.order, self.merged]


SequenceFrame: TypeAlias = EachFrame | FoldFrame | SortFrame


def begin(entry: Entry, meter: Meter, arguments: Arguments) -> SequenceFrame:
    """Start a library function that applies a function."""
    run = entry.implementation
    if isinstance(run, Each):
        return EachFrame(entry, run, *run.begin(meter, tuple(arguments)))
    if isinstance(run, Sorting):
        return SortFrame(entry, *run.begin(meter, tuple(arguments)))
    assert isinstance(run, Fold)
    return FoldFrame(entry, *run.begin(meter, tuple(arguments)))
