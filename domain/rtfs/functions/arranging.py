"""Collections put in order, counted, and cut into parts."""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.functions.entry import Entry, Sorting
from domain.rtfs.functions.items import check_key, items_of
from domain.rtfs.functions.vectors import amount_of
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.ordering import identity, sort_key
from domain.rtfs.types import describe

_ASCENDING: Final = frozenset({"<", "<="})
_DESCENDING: Final = frozenset({">", ">="})


def _sort(meter: Meter, arguments: tuple[Any, ...]) -> tuple[Any, Any, bool, list[Any]]:
    return _sorting(meter, None, arguments[:-1], arguments[-1])


def _sort_by(meter: Meter, arguments: tuple[Any, ...]) -> tuple[Any, Any, bool, list[Any]]:
    return _sorting(meter, arguments[0], arguments[1:-1], arguments[-1])


def _sorting(meter: Meter, key: Any, comparisons: tuple[Any, ...], collection: Any) -> tuple[Any, Any, bool, list[Any]]:
    items = items_of(meter, collection)
    meter.allocate(2 * len(items))
    comparison = comparisons[0] if comparisons else None
    name = comparison.name if isinstance(comparison, Entry) else ""
    if comparison is None or name in _ASCENDING or name in _DESCENDING:
        return key, None, name in _DESCENDING, items
    # What a merge sort compares at most; the function itself is paid for where it runs.
    meter.spend(len(items) * len(items).bit_length())
    return key, comparison, False, items


def arranged(meter: Meter, items: list[Any], keys: list[Any], *, descending: bool) -> list[Any]:
    """Give the items in the canonical order of their keys; equal ones keep theirs."""
    meter.allocate(meter.walk(keys))
    ranks = [sort_key(key) for key in keys]
    return [items[place] for place in sorted(range(len(items)), key=ranks.__getitem__, reverse=descending)]


def comes_before(entry: Entry, answer: Any) -> bool:
    """Tell what a comparison function says of the first of its arguments: true, or a number below zero."""
    if answer is None or type(answer) is bool:
        return answer is True
    if type(answer) is int or type(answer) is float:
        return bool(answer < 0)
    message = f"the comparison that `{entry.name}` is given gave {describe(answer)}, not a boolean or a number"
    raise Fault("type-mismatch", message)


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
        (
            "In canonical order: nil, booleans, numbers, keywords, strings, times, UUIDs, vectors. A "
            "comparison before the collection changes it: a function that is true, or gives a number below "
            "zero, when its first argument comes before its second. Items that compare equal keep their "
            "order."
        ),
        Sorting(_sort),
        "[(sort [2 1]) (sort > [1 2])] => [[1 2] [2 1]]",
        optional=1,
        edges=(
            '(sort ["b" :a nil 2 1.5 true [1]]) => [nil true 1.5 2 :a "b" [1]]',
            "(sort (fn [a b] (> (:n a) (:n b))) [{:n 1} {:n 2}]) => [{:n 2} {:n 1}]",
            "(sort (fn [a b] (- b a)) [1 3 2]) => [3 2 1]",
            "(sort (fn [a b] :x) [1 2]) !! type-mismatch",
            "(sort [{:a 1}]) !! type-mismatch",
        ),
    ),
    Entry(
        "sort-by",
        "[:fn [:any :any & :any] [:vector :any]]",
        "Sorted by what a function gives for each item; a comparison of what it gives may stand between.",
        Sorting(_sort_by),
        '(sort-by count > ["a" "bb"]) => ["bb" "a"]',
        optional=1,
        edges=(
            "(sort-by :n [{:n 2 :i 0} {:n 1} {:n 2 :i 1}]) => [{:n 1} {:i 0 :n 2} {:i 1 :n 2}]",
            "(sort-by :n (fn [a b] (> a b)) [{:n 1} {:n 2}]) => [{:n 2} {:n 1}]",
            "(sort-by identity [{:a 1}]) !! type-mismatch",
        ),
    ),
    Entry(
        "distinct",
        "[:fn [:any] [:vector :any]]",
        "Without repetitions, in the order of first occurrence.",
        distinct,
        "(distinct [1 1 2]) => [1 2]",
        metered=True,
        edges=("(distinct [1 1.0 [1] [1] nil nil]) => [1 1.0 [1] nil]",),
    ),
    Entry(
        "frequencies",
        "[:fn [:any] :any]",
        "How often each item occurs; the items become keys.",
        frequencies,
        '(frequencies ["a" "a"]) => {"a" 2}',
        metered=True,
        edges=(
            '(frequencies "abca") => {"a" 2 "b" 1 "c" 1}',
            "(frequencies [1.5]) !! type-mismatch",
        ),
    ),
    Entry(
        "partition",
        "[:fn [:int :any & :any] [:vector :any]]",
        (
            "Vectors of a size, a step apart (the size, unless a step stands between); an incomplete last "
            "one is left out."
        ),
        partition,
        "(partition 2 [1 2 3]) => [[1 2]]",
        optional=1,
        metered=True,
        edges=(
            "(partition 2 1 [1 2 3]) => [[1 2] [2 3]]",
            "(partition 0 [1]) !! invalid-argument",
        ),
    ),
    Entry(
        "partition-all",
        "[:fn [:int :any] [:vector :any]]",
        "Vectors of a size; the last may be shorter.",
        partition_all,
        "(partition-all 2 [1 2 3]) => [[1 2] [3]]",
        metered=True,
        edges=(
            "(partition-all 5 []) => []",
            "(partition-all 0 [1]) !! invalid-argument",
        ),
    ),
)
