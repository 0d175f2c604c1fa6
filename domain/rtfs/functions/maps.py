"""Maps: with and without keys."""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.values import key_order
from domain.rtfs.functions.entry import Entry
from domain.rtfs.functions.items import KEYS, check_key, get, items_of
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types import describe


def make_map(*parts: Any) -> dict[Any, Any]:
    """Make a map of keys and values, one after the other."""
    if len(parts) % 2:
        raise Fault("invalid-argument", "a map takes keys and values in pairs")
    return {check_key(key): value for key, value in zip(parts[::2], parts[1::2], strict=True)}


def assoc(meter: Meter, collection: Any, *parts: Any) -> Any:
    """Put values under keys, or at places of a vector."""
    if len(parts) % 2:
        raise Fault("invalid-argument", "`assoc` takes keys and values in pairs")
    kind = type(collection)
    if collection is not None and kind is not list and kind is not dict:
        raise TypeError
    result = {} if collection is None else collection.copy()
    meter.allocate(len(result) + len(parts))
    if kind is dict and len(parts) == 2:  # by far the most common
        result[check_key(parts[0])] = parts[1]
        return result
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        _put(result, key, value)
    return result


def _put(result: Any, key: Any, value: Any) -> None:
    if type(result) is dict:
        result[check_key(key)] = value
    elif type(key) is int and 0 <= key < len(result):
        result[key] = value
    elif type(key) is int and key == len(result):
        result.append(value)
    else:
        raise Fault("index-out-of-bounds", f"{describe(key)} is no place in a vector of {len(result)}")


def assoc_in(meter: Meter, collection: Any, path: Any, value: Any) -> Any:
    """Put a value at the end of a path of keys, making maps on the way."""
    if type(path) is not list or not path:
        raise TypeError
    meter.spend(len(path))
    levels = [collection]
    for key in path[:-1]:
        levels.append(get(levels[-1], key))
    for level, key in zip(reversed(levels), reversed(path), strict=True):
        value = assoc(meter, level, key, value)
    return value


def dissoc(meter: Meter, collection: Any, *keys: Any) -> Any:
    """Give a map without some keys."""
    if collection is None:
        return None
    if type(collection) is not dict:
        raise TypeError
    meter.allocate(len(collection))
    gone = {key for key in keys if type(key) in KEYS}
    return {key: value for key, value in collection.items() if key not in gone}


def merge(meter: Meter, *maps: Any) -> Any:
    """Join maps; later ones win."""
    meter.allocate(sum(len(each) for each in maps if each is not None))
    result: dict[Any, Any] = {}
    for each in maps:
        if each is not None:
            if type(each) is not dict:
                raise TypeError
            result.update(each)
    return result


def select_keys(meter: Meter, collection: Any, keys: Any) -> dict[Any, Any]:
    """Give the part of a map that has these keys."""
    if type(keys) is not list or type(collection) not in (dict, type(None)):
        raise TypeError
    meter.allocate(len(keys))
    return {key: collection[key] for key in keys if type(key) in KEYS and key in (collection or ())}


def zipmap(meter: Meter, keys: Any, values: Any) -> dict[Any, Any]:
    """Make a map of keys and their values, as far as both reach."""
    names, items = items_of(meter, keys), items_of(meter, values)
    meter.allocate(len(names))
    return {check_key(key): value for key, value in zip(names, items, strict=False)}


def keys_of(meter: Meter, collection: Any) -> list[Any]:
    """Give the keys of a map in canonical order."""
    if type(collection) not in (dict, type(None)):
        raise TypeError
    meter.allocate(len(collection or ()))
    return sorted(collection or (), key=key_order)


def values_of(meter: Meter, collection: Any) -> list[Any]:
    """Give the values of a map in the order of its keys."""
    return [collection[key] for key in keys_of(meter, collection)]


def find(collection: Any, key: Any) -> list[Any] | None:
    """Give the entry of a key as ``[key value]``; nil where there is none."""
    if type(collection) not in (dict, type(None)):
        raise TypeError
    return [key, collection[key]] if type(key) in KEYS and key in (collection or ()) else None


MAPS: Final = (
    Entry(
        "assoc",
        "[:fn [:any :any :any & :any] :any]",
        "With values under keys; in a vector, at places up to its end.",
        assoc,
        "(assoc {:a 1} :b 2) => {:a 1 :b 2}",
        metered=True,
        edges=(
            "[(assoc [1 2] 0 9) (assoc [1] 1 2) (assoc nil :a 1 :b 2)] => [[9 2] [1 2] {:a 1 :b 2}]",
            "(assoc [1] 5 0) !! index-out-of-bounds",
            "(assoc {} :a 1 :b) !! invalid-argument",
            "(assoc {} [1] 1) !! type-mismatch",
        ),
    ),
    Entry(
        "assoc-in",
        "[:fn [:any [:vector :any] :any] :any]",
        "With a value at the end of a path of keys; maps are made on the way.",
        assoc_in,
        "(assoc-in {} [:a :b] 1) => {:a {:b 1}}",
        metered=True,
        edges=(
            "(assoc-in {:a {:b 1}} [:a :c] 2) => {:a {:b 1 :c 2}}",
            "(assoc-in [1] [3] 0) !! index-out-of-bounds",
            "(assoc-in {} [1.5] 0) !! type-mismatch",
        ),
    ),
    Entry(
        "dissoc",
        "[:fn [:any & :any] :any]",
        "Without some keys.",
        dissoc,
        "(dissoc {:a 1 :b 2} :a) => {:b 2}",
        metered=True,
        edges=("[(dissoc {:a 1} :b) (dissoc {:a 1 :b 2} :a :b) (dissoc nil :a)] => [{:a 1} {} nil]",),
    ),
    Entry(
        "merge",
        "[:fn [& :any] :any]",
        "Maps joined; later ones win, and nil is left out.",
        merge,
        "(merge {:a 1} {:a 2}) => {:a 2}",
        metered=True,
        edges=("[(merge) (merge nil {:a 1} nil {:b 2})] => [{} {:a 1 :b 2}]",),
    ),
    Entry(
        "select-keys",
        "[:fn [:any [:vector :any]] :any]",
        "The part of a map that has these keys.",
        select_keys,
        "(select-keys {:a 1 :b 2} [:a]) => {:a 1}",
        metered=True,
        edges=("(select-keys {:a 1} [:b]) => {}",),
    ),
    Entry(
        "zipmap",
        "[:fn [:any :any] :any]",
        "Map of keys to values, as far as both reach.",
        zipmap,
        "(zipmap [:a :b] [1 2]) => {:a 1 :b 2}",
        metered=True,
        edges=(
            "(zipmap [:a :b] [1]) => {:a 1}",
            "(zipmap [1.5] [1]) !! type-mismatch",
        ),
    ),
    Entry(
        "hash-map",
        "[:fn [& :any] :any]",
        "Map of keys and values, one after the other.",
        make_map,
        "(hash-map :a 1) => {:a 1}",
        edges=(
            "(hash-map) => {}",
            "(hash-map :a) !! invalid-argument",
            "(hash-map [1] 1) !! type-mismatch",
        ),
    ),
    Entry(
        "find",
        "[:fn [:any :any] :any]",
        "The entry of a key as `[key value]`, or nil where there is none.",
        find,
        "(find {:a 1} :a) => [:a 1]",
        edges=("[(find {:a nil} :a) (find {:a 1} :b) (find nil :a)] => [[:a nil] nil nil]",),
    ),
    Entry(
        "keys",
        "[:fn [:any] [:vector :any]]",
        "Keys in canonical order: integers, then keywords, then strings.",
        keys_of,
        "(keys {:b 1 :a 2}) => [:a :b]",
        metered=True,
        edges=(
            '(keys {"b" 1 :a 1 2 1}) => [2 :a "b"]',
            "(keys nil) => []",
        ),
    ),
    Entry(
        "vals",
        "[:fn [:any] [:vector :any]]",
        "Values, in the order of the keys.",
        values_of,
        "(vals {:b 1 :a 2}) => [2 1]",
        metered=True,
        edges=("(vals {}) => []",),
    ),
)
