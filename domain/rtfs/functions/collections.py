"""Vectors and maps. Every function gives a new value; maps are gone through in canonical key order."""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.values import Keyword, key_order
from domain.rtfs.equality import equal
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.ordering import identity, sort_key
from domain.rtfs.types import describe

_KEYS: Final = frozenset({str, int, Keyword})


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
    if type(key) in _KEYS:
        return key
    raise Fault("type-mismatch", f"a map key is a keyword, string or integer; found {describe(key)}")


def make_map(*parts: Any) -> dict[Any, Any]:
    """Make a map of keys and values, one after the other."""
    if len(parts) % 2:
        raise Fault("invalid-argument", "a map takes keys and values in pairs")
    return {check_key(key): value for key, value in zip(parts[::2], parts[1::2], strict=True)}


def get(collection: Any, key: Any, default: Any = None) -> Any:
    """Give the value of a key, or the item at a place; the default where there is none."""
    kind = type(collection)
    if kind is dict:
        return collection.get(key, default) if type(key) in _KEYS else default
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
    gone = {key for key in keys if type(key) in _KEYS}
    return {key: value for key, value in collection.items() if key not in gone}


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
    return {key: collection[key] for key in keys if type(key) in _KEYS and key in (collection or ())}


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


def contains(meter: Meter, collection: Any, item: Any) -> bool:
    """Tell whether a map has a key, a vector an item, or a string a part."""
    kind = type(collection)
    if kind is dict:
        return type(item) in _KEYS and item in collection
    if kind is str:
        return str.__contains__(collection, item)
    if kind is list:
        meter.spend(len(collection))
        if type(item) in (list, dict):
            meter.walk(collection)
        return any(equal(each, item) for each in collection)
    if collection is None:
        return False
    raise TypeError


def count(collection: Any) -> int:
    """Count the items of a collection or the characters of a string; nil has none."""
    if collection is None:
        return 0
    if type(collection) in (list, dict, str):
        return len(collection)
    raise TypeError


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


def nth(collection: Any, place: Any, *default: Any) -> Any:
    """Give the item at a place, counted from 0; an error without a default where there is none."""
    if type(collection) not in (list, str) or type(place) is not int:
        raise TypeError
    if 0 <= place < len(collection):
        return collection[place]
    if default:
        return default[0]
    raise Fault("index-out-of-bounds", f"{place} is no place in a collection of {len(collection)}")


def take(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give the first items."""
    return _part(meter, collection, 0, max(0, _amount(amount)))


def drop(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give all but the first items."""
    return _part(meter, collection, max(0, _amount(amount)), None)


def take_last(meter: Meter, amount: Any, collection: Any) -> list[Any]:
    """Give the last items."""
    return _part(meter, collection, -amount, None) if _amount(amount) > 0 else []


def _amount(amount: Any) -> int:
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
    times = max(0, _amount(amount))
    meter.allocate(times)
    return [item] * times


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


def partition(meter: Meter, size: Any, *arguments: Any) -> list[list[Any]]:
    """Cut into vectors of one size, a step apart; an incomplete last one is left out."""
    step, collection = (arguments[0], arguments[1]) if len(arguments) == 2 else (size, arguments[0])
    return [part for part in _cut(meter, size, step, collection) if len(part) == size]


def partition_all(meter: Meter, size: Any, collection: Any) -> list[list[Any]]:
    """Cut into vectors of one size; the last may be shorter."""
    return _cut(meter, size, size, collection)


def _cut(meter: Meter, size: Any, step: Any, collection: Any) -> list[list[Any]]:
    if _amount(size) <= 0 or _amount(step) <= 0:
        raise Fault("invalid-argument", "the size and step of a partition are above zero")
    items = items_of(meter, collection)
    meter.allocate((len(items) // step + 1) * min(size, len(items) + 1))
    return [items[at : at + size] for at in range(0, len(items), step)]


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


def vec(meter: Meter, collection: Any) -> list[Any]:
    """Give the items as a vector."""
    return items_of(meter, collection)


def not_empty(collection: Any) -> Any:
    """Give the collection, or nil when it is empty."""
    return collection if count(collection) else None


COLLECTIONS: Final = (
    Entry("count", "[:fn [:any] :int]", "Number of items, entries or characters.", count, "(count [1 2]) => 2"),
    Entry("first", "[:fn [:any] :any]", "First item, or nil.", first, "(first [1 2]) => 1", metered=True),
    Entry("second", "[:fn [:any] :any]", "Second item, or nil.", second, "(second [1 2]) => 2", metered=True),
    Entry("last", "[:fn [:any] :any]", "Last item, or nil.", last, "(last [1 2]) => 2", metered=True),
    Entry("rest", "[:fn [:any] [:vector :any]]", "All but the first.", rest, "(rest [1 2 3]) => [2 3]", metered=True),
    Entry(
        "butlast",
        "[:fn [:any] [:vector :any]]",
        "All but the last.",
        butlast,
        "(butlast [1 2 3]) => [1 2]",
        metered=True,
    ),
    Entry(
        "nth",
        "[:fn [:any :int & :any] :any]",
        "Item at a place from 0; an error or the default outside.",
        nth,
        "(nth [1 2] 1) => 2",
        optional=1,
    ),
    Entry(
        "get",
        "[:fn [:any :any & :any] :any]",
        "Value of a key, or nil or the default.",
        get,
        "[(get {:a 1} :a) (get {:a 1} :b 0)] => [1 0]",
        optional=1,
    ),
    Entry(
        "get-in",
        "[:fn [:any [:vector :any] & :any] :any]",
        "Value at a path of keys.",
        get_in,
        "(get-in {:a {:b 1}} [:a :b]) => 1",
        optional=1,
    ),
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
    Entry(
        "contains?",
        "[:fn [:any :any] :bool]",
        "Has the map this key, the vector this item?",
        contains,
        "(contains? {:a 1} :a) => true",
        metered=True,
    ),
    Entry(
        "includes?",
        "[:fn [:any :any] :bool]",
        "Has the vector this item, the string this part?",
        contains,
        '(includes? "abc" "b") => true',
        metered=True,
    ),
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
        "flatten",
        "[:fn [:any] [:vector :any]]",
        "What vectors within vectors hold.",
        flatten,
        "(flatten [1 [2 [3]]]) => [1 2 3]",
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
        "empty?",
        "[:fn [:any] :bool]",
        "Does it hold nothing?",
        lambda collection: count(collection) == 0,
        "(empty? []) => true",
    ),
    Entry("not-empty", "[:fn [:any] :any]", "Itself, or nil when empty.", not_empty, "(not-empty []) => nil"),
)
