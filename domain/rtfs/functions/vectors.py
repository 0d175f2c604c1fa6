"""Vectors: made, joined, cut."""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.functions.entry import Entry
from domain.rtfs.functions.items import check_key, items_of
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types import describe


def conj(meter: Meter, collection: Any, *items: Any) -> Any:
    """Add items at the end of a vector, or ``[key value]`` pairs or maps to a map."""
    if collection is None or type(collection) is list:
        meter.allocate(len(items) + (len(collection) if collection else 0))
        return [*(collection or ()), *items]
    if type(collection) is not dict:
        raise TypeError
    meter.allocate(len(collection))
    result = collection.copy()
    for item in items:
        _add_entry(result, item)
    return result


def _add_entry(result: dict[Any, Any], item: Any) -> None:
    if type(item) is dict:
        result.update(item)
    elif type(item) is list and len(item) == 2:
        result[check_key(item[0])] = item[1]
    else:
        raise Fault("type-mismatch", f"a map takes [key value] pairs; found {describe(item)}")


def cons(meter: Meter, item: Any, collection: Any) -> list[Any]:
    """Add an item in front."""
    items = items_of(meter, collection)
    meter.allocate(len(items) + 1)
    return [item, *items]


def concat(meter: Meter, *collections: Any) -> list[Any]:
    """Give the items of one collection after the other's."""
    parts = [items_of(meter, collection) for collection in collections]
    meter.allocate(sum(map(len, parts)))
    return [item for part in parts for item in part]


def into(meter: Meter, target: Any, source: Any) -> Any:
    """Add the items of a collection to another."""
    return conj(meter, target, *items_of(meter, source))


def rest(meter: Meter, collection: Any) -> list[Any]:
    """Give all items but the first."""
    return _part(meter, collection, 1, None)


def butlast(meter: Meter, collection: Any) -> list[Any]:
    """Give all items but the last."""
    return _part(meter, collection, 0, -1)


def _part(meter: Meter, collection: Any, start: int | None, end: int | None) -> list[Any]:
    part = items_of(meter, collection)[start:end]
    meter.allocate(len(part))
    return part


def take(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give the first items."""
    return _part(meter, collection, 0, max(0, amount_of(amount)))


def drop(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give all but the first items."""
    return _part(meter, collection, max(0, amount_of(amount)), None)


def take_last(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give the last items."""
    return _part(meter, collection, -amount, None) if amount_of(amount) > 0 else []


def amount_of(amount: Any) -> int:
    """Refuse what is no number of items."""
    if type(amount) is not int:
        raise TypeError
    return amount


def reverse(meter: Meter, collection: Any) -> list[Any]:
    """Give the items from last to first."""
    items = items_of(meter, collection)
    meter.allocate(len(items))
    return items[::-1]


def make_range(meter: Meter, *bounds: Any) -> list[int]:
    """Give integers from start up to end by a step."""
    if not all(type(bound) is int for bound in bounds):
        raise TypeError
    if len(bounds) == 3 and bounds[2] == 0:
        raise Fault("invalid-argument", "a range with step 0 never ends")
    values = range(*bounds)
    size = max(0, (values.stop - values.start + values.step - (1 if values.step > 0 else -1)) // values.step)
    meter.allocate(size)
    return list(values)


def repeat(meter: Meter, amount: Any, item: Any) -> list[Any]:
    """Give a vector of one item many times."""
    times = max(0, amount_of(amount))
    meter.allocate(times)
    return [item] * times


def interleave(meter: Meter, *collections: Any) -> list[Any]:
    """Take one item of each in turn, as far as the shortest reaches."""
    parts = [items_of(meter, collection) for collection in collections]
    meter.allocate(sum(map(len, parts)))
    return [item for items in zip(*parts, strict=False) for item in items]


def interpose(meter: Meter, separator: Any, collection: Any) -> list[Any]:
    """Put an item between the others."""
    items = items_of(meter, collection)
    meter.allocate(2 * len(items))
    return [part for item in items for part in (separator, item)][1:]


def flatten(meter: Meter, collection: Any) -> list[Any]:
    """Give all that vectors within vectors hold, in order."""
    items = items_of(meter, collection)
    meter.allocate(meter.walk(items))
    flat: list[Any] = []
    pending = [iter(items)]
    while pending:
        for item in pending[-1]:
            if type(item) is list:
                pending.append(iter(item))
                break
            flat.append(item)
        else:
            pending.pop()
    return flat


def vec(meter: Meter, collection: Any) -> list[Any]:
    """Give the items as a vector."""
    return items_of(meter, collection)


VECTORS: Final = (
    Entry(
        "vector",
        "[:fn [& :any] [:vector :any]]",
        "Vector of these.",
        lambda *items: list(items),
        "(vector 1 2) => [1 2]",
    ),
    Entry(
        "list",
        "[:fn [& :any] [:vector :any]]",
        "The same as `vector`.",
        lambda *items: list(items),
        "(list 1 2) => [1 2]",
    ),
    Entry("vec", "[:fn [:any] [:vector :any]]", "Items as a vector.", vec, "(vec {:a 1}) => [[:a 1]]", metered=True),
    Entry(
        "conj",
        "[:fn [:any & :any] :any]",
        "With items at the end, or entries.",
        conj,
        "(conj [1] 2 3) => [1 2 3]",
        metered=True,
    ),
    Entry(
        "cons",
        "[:fn [:any :any] [:vector :any]]",
        "With an item in front.",
        cons,
        "(cons 1 [2]) => [1 2]",
        metered=True,
    ),
    Entry(
        "concat",
        "[:fn [& :any] [:vector :any]]",
        "One after the other.",
        concat,
        "(concat [1] [2]) => [1 2]",
        metered=True,
    ),
    Entry(
        "into",
        "[:fn [:any :any] :any]",
        "Items added to a collection.",
        into,
        "(into {} [[:a 1]]) => {:a 1}",
        metered=True,
    ),
    Entry("rest", "[:fn [:any] [:vector :any]]", "All but the first.", rest, "(rest [1 2 3]) => [2 3]", metered=True),
    Entry(
        "butlast",
        "[:fn [:any] [:vector :any]]",
        "All but the last.",
        butlast,
        "(butlast [1 2 3]) => [1 2]",
        metered=True,
    ),
    Entry("take", "[:fn [:int :any] [:vector :any]]", "First items.", take, "(take 2 [1 2 3]) => [1 2]", metered=True),
    Entry(
        "drop",
        "[:fn [:int :any] [:vector :any]]",
        "All but the first items.",
        drop,
        "(drop 2 [1 2 3]) => [3]",
        metered=True,
    ),
    Entry(
        "take-last",
        "[:fn [:int :any] [:vector :any]]",
        "Last items.",
        take_last,
        "(take-last 2 [1 2 3]) => [2 3]",
        metered=True,
    ),
    Entry(
        "reverse",
        "[:fn [:any] [:vector :any]]",
        "From last to first.",
        reverse,
        "(reverse [1 2]) => [2 1]",
        metered=True,
    ),
    Entry(
        "range",
        "[:fn [:int & :int] [:vector :int]]",
        "Integers: end; start, end; start, end, step.",
        make_range,
        "(range 1 4) => [1 2 3]",
        optional=2,
        metered=True,
    ),
    Entry(
        "repeat",
        "[:fn [:int :any] [:vector :any]]",
        "One item many times.",
        repeat,
        "(repeat 2 :a) => [:a :a]",
        metered=True,
    ),
    Entry(
        "interleave",
        "[:fn [& :any] [:vector :any]]",
        "One item of each in turn.",
        interleave,
        "(interleave [1 2] [:a :b]) => [1 :a 2 :b]",
        metered=True,
    ),
    Entry(
        "interpose",
        "[:fn [:any :any] [:vector :any]]",
        "An item between the others.",
        interpose,
        "(interpose 0 [1 2]) => [1 0 2]",
        metered=True,
    ),
    Entry(
        "flatten",
        "[:fn [:any] [:vector :any]]",
        "What vectors within vectors hold.",
        flatten,
        "(flatten [1 [2 [3]]]) => [1 2 3]",
        metered=True,
    ),
)
