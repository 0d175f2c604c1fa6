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


MAPS: Final = (
    Entry(
        "assoc",
        "[:fn [:any :any :any & :any] :any]",
        "With a value under a key.",
        assoc,
        "(assoc {:a 1} :b 2) => {:a 1 :b 2}",
        metered=True,
    ),
    Entry(
        "assoc-in",
        "[:fn [:any [:vector :any] :any] :any]",
        "With a value at a path.",
        assoc_in,
        "(assoc-in {} [:a :b] 1) => {:a {:b 1}}",
        metered=True,
    ),
    Entry(
        "dissoc",
        "[:fn [:any & :any] :any]",
        "Without some keys.",
        dissoc,
        "(dissoc {:a 1 :b 2} :a) => {:b 2}",
        metered=True,
    ),
    Entry(
        "merge",
        "[:fn [& :any] :any]",
        "Maps joined; later ones win.",
        merge,
        "(merge {:a 1} {:a 2}) => {:a 2}",
        metered=True,
    ),
    Entry(
        "select-keys",
        "[:fn [:any [:vector :any]] :any]",
        "Only these keys.",
        select_keys,
        "(select-keys {:a 1 :b 2} [:a]) => {:a 1}",
        metered=True,
    ),
    Entry(
        "zipmap",
        "[:fn [:any :any] :any]",
        "Map of keys to values.",
        zipmap,
        "(zipmap [:a :b] [1 2]) => {:a 1 :b 2}",
        metered=True,
    ),
    Entry("hash-map", "[:fn [& :any] :any]", "Map of keys and values.", make_map, "(hash-map :a 1) => {:a 1}"),
    Entry(
        "keys",
        "[:fn [:any] [:vector :any]]",
        "Keys, in canonical order.",
        keys_of,
        "(keys {:b 1 :a 2}) => [:a :b]",
        metered=True,
    ),
    Entry(
        "vals",
        "[:fn [:any] [:vector :any]]",
        "Values, in the order of the keys.",
        values_of,
        "(vals {:b 1 :a 2}) => [2 1]",
        metered=True,
    ),
)
