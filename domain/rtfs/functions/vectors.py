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


def numbers(meter: Meter, start: Any, end: Any) -> list[int]:
    """Give the integers from start up to end, both among them."""
    return make_range(meter, amount_of(start), amount_of(end) + 1)


def subvector(meter: Meter, collection: Any, start: Any, end: Any = None) -> list[Any]:
    """Give the items from a place up to another, counted from 0."""
    if type(collection) is not list:
        raise TypeError
    stop = len(collection) if end is None else amount_of(end)
    if not 0 <= amount_of(start) <= stop <= len(collection):
        raise Fault("index-out-of-bounds", f"items {start} to {stop} are not within a vector of {len(collection)}")
    return _part(meter, collection, start, stop)


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
        edges=("(vector) => []",),
    ),
    Entry(
        "list",
        "[:fn [& :any] [:vector :any]]",
        "The same as `vector`.",
        lambda *items: list(items),
        "(list 1 2) => [1 2]",
    ),
    Entry(
        "vec",
        "[:fn [:any] [:vector :any]]",
        "Items of a collection as a vector.",
        vec,
        "(vec {:a 1}) => [[:a 1]]",
        metered=True,
        edges=('[(vec nil) (vec "ab")] => [[] ["a" "b"]]',),
    ),
    Entry(
        "conj",
        "[:fn [:any & :any] :any]",
        "With items at the end of a vector, or with entries or maps in a map.",
        conj,
        "(conj [1] 2 3) => [1 2 3]",
        metered=True,
        edges=(
            "[(conj nil 1) (conj {} [:a 1] {:b 2})] => [[1] {:a 1 :b 2}]",
            "(conj {} 1) !! type-mismatch",
        ),
    ),
    Entry(
        "cons",
        "[:fn [:any :any] [:vector :any]]",
        "With an item in front.",
        cons,
        "(cons 1 [2]) => [1 2]",
        metered=True,
        edges=("(cons 1 nil) => [1]",),
    ),
    Entry(
        "concat",
        "[:fn [& :any] [:vector :any]]",
        "One after the other.",
        concat,
        "(concat [1] [2]) => [1 2]",
        metered=True,
        edges=('[(concat) (concat [1] nil "ab")] => [[] [1 "a" "b"]]',),
    ),
    Entry(
        "into",
        "[:fn [:any :any] :any]",
        "With the items of a collection added to another.",
        into,
        "(into {} [[:a 1]]) => {:a 1}",
        metered=True,
        edges=(
            "(into [1] {:a 2}) => [1 [:a 2]]",
            "(into {} [1]) !! type-mismatch",
        ),
    ),
    Entry(
        "rest",
        "[:fn [:any] [:vector :any]]",
        "All but the first; empty when there is none.",
        rest,
        "(rest [1 2 3]) => [2 3]",
        metered=True,
        edges=('[(rest []) (rest nil) (rest "abc")] => [[] [] ["b" "c"]]',),
    ),
    Entry(
        "butlast",
        "[:fn [:any] [:vector :any]]",
        "All but the last.",
        butlast,
        "(butlast [1 2 3]) => [1 2]",
        metered=True,
        edges=("(butlast []) => []",),
    ),
    Entry(
        "take",
        "[:fn [:int :any] [:vector :any]]",
        "First items, as many as there are.",
        take,
        "(take 2 [1 2 3]) => [1 2]",
        metered=True,
        edges=("[(take 9 [1]) (take -1 [1])] => [[1] []]",),
    ),
    Entry(
        "drop",
        "[:fn [:int :any] [:vector :any]]",
        "All but the first items.",
        drop,
        "(drop 2 [1 2 3]) => [3]",
        metered=True,
        edges=("[(drop 9 [1]) (drop -1 [1])] => [[] [1]]",),
    ),
    Entry(
        "take-last",
        "[:fn [:int :any] [:vector :any]]",
        "Last items.",
        take_last,
        "(take-last 2 [1 2 3]) => [2 3]",
        metered=True,
        edges=("(take-last 0 [1]) => []",),
    ),
    Entry(
        "reverse",
        "[:fn [:any] [:vector :any]]",
        "From last to first.",
        reverse,
        "(reverse [1 2]) => [2 1]",
        metered=True,
        edges=('(reverse "ab") => ["b" "a"]',),
    ),
    Entry(
        "range",
        "[:fn [:int & :int] [:vector :int]]",
        "Integers up to an end that is not reached; or from a start to an end, and by a step.",
        make_range,
        "(range 1 4) => [1 2 3]",
        optional=2,
        metered=True,
        edges=(
            "[(range 3) (range 5 1 -2) (range 0) (range 3 1)] => [[0 1 2] [5 3] [] []]",
            "(range 0 5 0) !! invalid-argument",
        ),
    ),
    Entry(
        "numbers",
        "[:fn [:int :int] [:vector :int]]",
        "Integers from a start up to an end, which is among them.",
        numbers,
        "(numbers 1 3) => [1 2 3]",
        metered=True,
        edges=("[(numbers 2 2) (numbers 3 1)] => [[2] []]",),
    ),
    Entry(
        "subvec",
        "[:fn [[:vector :any] :int & :int] [:vector :any]]",
        "Items from a place up to another, or to the end; places are counted from 0.",
        subvector,
        "(subvec [1 2 3 4] 1 3) => [2 3]",
        optional=1,
        metered=True,
        edges=("[(subvec [1 2] 1) (subvec [] 0)] => [[2] []]", "(subvec [1 2] 1 3) !! index-out-of-bounds"),
    ),
    Entry(
        "repeat",
        "[:fn [:int :any] [:vector :any]]",
        "One item many times.",
        repeat,
        "(repeat 2 :a) => [:a :a]",
        metered=True,
        edges=("(repeat -1 :a) => []",),
    ),
    Entry(
        "interleave",
        "[:fn [& :any] [:vector :any]]",
        "One item of each in turn, as far as the shortest reaches.",
        interleave,
        "(interleave [1 2] [:a :b]) => [1 :a 2 :b]",
        metered=True,
        edges=("(interleave [1 2] [:a]) => [1 :a]",),
    ),
    Entry(
        "interpose",
        "[:fn [:any :any] [:vector :any]]",
        "An item between the others.",
        interpose,
        "(interpose 0 [1 2]) => [1 0 2]",
        metered=True,
        edges=("(interpose 0 []) => []",),
    ),
    Entry(
        "flatten",
        "[:fn [:any] [:vector :any]]",
        "What vectors within vectors hold.",
        flatten,
        "(flatten [1 [2 [3]]]) => [1 2 3]",
        metered=True,
        edges=("(flatten [1 [] [[{:a [2]}]]]) => [1 {:a [2]}]",),
    ),
)
