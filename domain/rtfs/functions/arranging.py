"""Collections put in order, counted, and cut into parts."""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.functions.entry import Entry
from domain.rtfs.functions.items import check_key, items_of
from domain.rtfs.functions.vectors import amount_of
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.ordering import identity, sort_key


def sort(meter: Meter, *arguments: Any) -> list[Any]:
    """Give the items in canonical order, or with ``>`` against it; equal ones keep theirs."""
    items = items_of(meter, arguments[-1])
    meter.allocate(meter.walk(items))
    return sorted(items, key=sort_key, reverse=len(arguments) == 2 and descends(arguments[0]))


def descends(comparison: Any) -> bool:
    """Tell whether a comparison function sorts against the canonical order."""
    name = comparison.name if isinstance(comparison, Entry) else None
    if name in ("<", "<=", ">", ">="):
        return name in (">", ">=")
    raise Fault("invalid-argument", "sorting takes `<` or `>`; for other orders give `sort-by` a function of one item")


def distinct(meter: Meter, collection: Any) -> list[Any]:
    """Give the items without repetitions, in order of first occurrence."""
    items = items_of(meter, collection)
    meter.allocate(meter.walk(items))
    unique: dict[Any, Any] = {}
    for item in items:
        unique.setdefault(identity(item), item)
    return list(unique.values())


def frequencies(meter: Meter, collection: Any) -> dict[Any, int]:
    """Count how often each item occurs; the items become keys."""
    items = items_of(meter, collection)
    meter.allocate(len(items))
    counts: dict[Any, int] = {}
    for item in items:
        counts[check_key(item)] = counts.get(item, 0) + 1
    return counts


def partition(meter: Meter, size: Any, *arguments: Any) -> list[list[Any]]:
    """Cut into vectors of one size, a step apart; an incomplete last one is left out."""
    step, collection = (arguments[0], arguments[1]) if len(arguments) == 2 else (size, arguments[0])
    return [part for part in _cut(meter, size, step, collection) if len(part) == size]


def partition_all(meter: Meter, size: Any, collection: Any) -> list[list[Any]]:
    """Cut into vectors of one size; the last may be shorter."""
    return _cut(meter, size, size, collection)


def _cut(meter: Meter, size: Any, step: Any, collection: Any) -> list[list[Any]]:
    if amount_of(size) <= 0 or amount_of(step) <= 0:
        raise Fault("invalid-argument", "the size and step of a partition are above zero")
    items = items_of(meter, collection)
    meter.allocate((len(items) // step + 1) * min(size, len(items) + 1))
    return [items[at : at + size] for at in range(0, len(items), step)]


ARRANGING: Final = (
    Entry(
        "sort",
        "[:fn [:any & :any] [:vector :any]]",
        "In canonical order, or with `>` first against it.",
        sort,
        "[(sort [2 1]) (sort > [1 2])] => [[1 2] [2 1]]",
        optional=1,
        metered=True,
    ),
    Entry(
        "distinct",
        "[:fn [:any] [:vector :any]]",
        "Without repetitions.",
        distinct,
        "(distinct [1 1 2]) => [1 2]",
        metered=True,
    ),
    Entry(
        "frequencies",
        "[:fn [:any] :any]",
        "How often each item occurs.",
        frequencies,
        '(frequencies ["a" "a"]) => {"a" 2}',
        metered=True,
    ),
    Entry(
        "partition",
        "[:fn [:int :any & :any] [:vector :any]]",
        "Vectors of a size, a step apart.",
        partition,
        "(partition 2 [1 2 3]) => [[1 2]]",
        optional=1,
        metered=True,
    ),
    Entry(
        "partition-all",
        "[:fn [:int :any] [:vector :any]]",
        "Vectors of a size; the last may be shorter.",
        partition_all,
        "(partition-all 2 [1 2 3]) => [[1 2] [3]]",
        metered=True,
    ),
)
