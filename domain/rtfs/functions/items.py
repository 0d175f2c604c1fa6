"""What collections hold: items of vectors, entries of maps in canonical key order, characters of strings."""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.values import Keyword, key_order
from domain.rtfs.equality import equal
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types import describe

KEYS: Final = frozenset({str, int, Keyword})
"""Kinds of the keys of maps."""

_OF_BOOLEANS: Final = "give a keyword for it, as in (group-by #(if (even? %) :even :odd) [1 2 3])"


def items_of(meter: Meter, collection: Any) -> list[Any]:
    """Give what a collection holds: the items of a vector, ``[key value]`` of a map, characters; nil holds nothing."""
    kind = type(collection)
    if kind is list:
        meter.spend(len(collection) >> 3)
        return collection  # type: ignore[no-any-return]
    if collection is None:
        return []
    if kind is dict:
        meter.allocate(3 * len(collection))
        return [[key, collection[key]] for key in sorted(collection, key=key_order)]
    if kind is str:
        meter.allocate(len(collection))
        return list(collection)
    raise TypeError


def check_key(key: Any) -> Any:
    """Refuse what cannot be the key of a map."""
    if type(key) in KEYS:
        return key
    hint = _OF_BOOLEANS if type(key) is bool else None
    raise Fault("type-mismatch", f"a map key is a keyword, string or integer; found {describe(key)}", hint=hint)


def count(collection: Any) -> int:
    """Count the items of a collection or the characters of a string; nil has none."""
    if collection is None:
        return 0
    if type(collection) in (list, dict, str):
        return len(collection)
    raise TypeError


def get(collection: Any, key: Any, default: Any = None) -> Any:
    """Give the value of a key, or the item at a place; the default where there is none."""
    kind = type(collection)
    if kind is dict:
        return collection.get(key, default) if type(key) in KEYS else default
    if kind is list or kind is str:
        return collection[key] if type(key) is int and 0 <= key < len(collection) else default
    if collection is None:
        return default
    raise TypeError


def get_in(collection: Any, path: Any, default: Any = None) -> Any:
    """Follow a path of keys."""
    if type(path) is not list:
        raise TypeError
    missing = object()
    for key in path:
        collection = get(collection, key, missing)
        if collection is missing:
            return default
    return collection


def first(meter: Meter, collection: Any) -> Any:
    """Give the first item; nil when there is none."""
    items = collection if type(collection) is list else items_of(meter, collection)
    return items[0] if items else None


def second(meter: Meter, collection: Any) -> Any:
    """Give the second item; nil when there is none."""
    items = collection if type(collection) is list else items_of(meter, collection)
    return items[1] if len(items) > 1 else None


def last(meter: Meter, collection: Any) -> Any:
    """Give the last item; nil when there is none."""
    items = collection if type(collection) is list else items_of(meter, collection)
    return items[-1] if items else None


def nth(collection: Any, place: Any, *default: Any) -> Any:
    """Give the item at a place, counted from 0; an error without a default where there is none."""
    if type(collection) not in (list, str) or type(place) is not int:
        raise TypeError
    if 0 <= place < len(collection):
        return collection[place]
    if default:
        return default[0]
    raise Fault("index-out-of-bounds", f"{place} is no place in a collection of {len(collection)}")


def contains(meter: Meter, collection: Any, item: Any) -> bool:
    """Tell whether a map has a key, a vector an item, or a string a part."""
    kind = type(collection)
    if kind is dict:
        return type(item) in KEYS and item in collection
    if kind is str:
        return str.__contains__(collection, item)
    if kind is list:
        meter.spend(len(collection))
        if type(item) is str or type(item) is Keyword:
            return item in collection
        if type(item) in (list, dict):
            meter.walk(collection)
        return any(equal(each, item) for each in collection)
    if collection is None:
        return False
    raise TypeError


def not_empty(collection: Any) -> Any:
    """Give the collection, or nil when it is empty."""
    return collection if count(collection) else None


ITEMS: Final = (
    Entry(
        "count",
        "[:fn [:any] :int]",
        "Number of items of a vector, entries of a map, or characters of a string; nil has none.",
        count,
        "(count [1 2]) => 2",
        edges=('[(count nil) (count {:a 1}) (count "äb")] => [0 1 2]',),
    ),
    Entry(
        "first",
        "[:fn [:any] :any]",
        "First item, or nil when there is none.",
        first,
        "(first [1 2]) => 1",
        metered=True,
        edges=('[(first []) (first nil) (first "ab") (first {:b 1 :a 2})] => [nil nil "a" [:a 2]]',),
    ),
    Entry(
        "second",
        "[:fn [:any] :any]",
        "Second item, or nil.",
        second,
        "(second [1 2]) => 2",
        metered=True,
        edges=("(second [1]) => nil",),
    ),
    Entry(
        "last",
        "[:fn [:any] :any]",
        "Last item, or nil.",
        last,
        "(last [1 2]) => 2",
        metered=True,
        edges=("(last []) => nil",),
    ),
    Entry(
        "nth",
        "[:fn [:any :int & :any] :any]",
        "Item at a place, counted from 0; outside it is the default, or without one an error.",
        nth,
        "(nth [1 2] 1) => 2",
        optional=1,
        edges=(
            '[(nth [1] 5 :none) (nth "abc" 0)] => [:none "a"]',
            "(nth [1] 1) !! index-out-of-bounds",
            "(nth [1] -1) !! index-out-of-bounds",
        ),
    ),
    Entry(
        "get",
        "[:fn [:any :any & :any] :any]",
        ("Value of a key of a map, or item at a place of a vector; nil or the default where there is none."),
        get,
        "[(get {:a 1} :a) (get {:a 1} :b 0)] => [1 0]",
        optional=1,
        edges=(
            "[(get [1 2] 1) (get [1 2] 5) (get nil :a 3) (get [1] -1)] => [2 nil 3 nil]",
            "(get {:a nil} :a 1) => nil",
        ),
    ),
    Entry(
        "get-in",
        "[:fn [:any [:vector :any] & :any] :any]",
        "Value at the end of a path of keys; nil or the default where the path ends before.",
        get_in,
        "(get-in {:a {:b 1}} [:a :b]) => 1",
        optional=1,
        edges=("[(get-in {:a [1 {:b 2}]} [:a 1 :b]) (get-in {} [:a :b] 0) (get-in {:a 1} [])] => [2 0 {:a 1}]",),
    ),
    Entry(
        "contains?",
        "[:fn [:any :any] :bool]",
        "Has the map this key, the vector this item, the string this part?",
        contains,
        "(contains? {:a 1} :a) => true",
        metered=True,
        edges=("[(contains? [1 2] 2) (contains? {:a nil} :a) (contains? nil 1)] => [true true false]",),
    ),
    Entry(
        "includes?",
        "[:fn [:any :any] :bool]",
        "The same as `contains?`.",
        contains,
        '(includes? "abc" "b") => true',
        metered=True,
        edges=("(includes? [1 2] 3) => false",),
    ),
    Entry(
        "empty?",
        "[:fn [:any] :bool]",
        "Does it hold nothing? nil is empty.",
        lambda collection: count(collection) == 0,
        "(empty? []) => true",
        edges=('[(empty? nil) (empty? "") (empty? {:a 1})] => [true true false]',),
    ),
    Entry(
        "not-empty",
        "[:fn [:any] :any]",
        "Itself, or nil when empty.",
        not_empty,
        "(not-empty []) => nil",
        edges=("(not-empty [1]) => [1]",),
    ),
)
