"""Functions that apply functions. The machine applies; here is said to what, and what becomes of the results.

Because the machine applies them in frames of their own, the function given may make effects.
"""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.functions.entry import Applications, Each, Entry, Fold, Singles
from domain.rtfs.functions.items import check_key, get, get_in, items_of
from domain.rtfs.functions.maps import assoc, assoc_in
from domain.rtfs.functions.predicates import truthy
from domain.rtfs.metering import Meter
from domain.rtfs.ordering import identity

Applied = tuple[Any, Any, Applications]


def _each_item(meter: Meter, arguments: tuple[Any, ...]) -> Applied:
    """Apply to every item; with several collections, to one of each."""
    function, *collections = arguments
    if len(collections) == 1:
        applications: Applications = Singles(items_of(meter, collections[0]))
    else:
        applications = list(zip(*(items_of(meter, each) for each in collections), strict=False))
    meter.allocate(2 * len(applications))
    return function, None, applications


def _each_indexed(meter: Meter, arguments: tuple[Any, ...]) -> Applied:
    function, collection = arguments
    applications: Applications = [*enumerate(items_of(meter, collection))]
    meter.allocate(2 * len(applications))
    return function, None, applications


def _once(meter: Meter, arguments: tuple[Any, ...]) -> Applied:
    """``(apply f a b [c d])``: once, to all of these."""
    function, *fixed, spread = arguments
    items = items_of(meter, spread)
    meter.allocate(len(items))
    return function, None, [(*fixed, *items)]


def _update(_meter: Meter, arguments: tuple[Any, ...]) -> Applied:
    collection, key, function, *others = arguments
    return function, (collection, key), [(get(collection, key), *others)]


def _update_in(_meter: Meter, arguments: tuple[Any, ...]) -> Applied:
    collection, path, function, *others = arguments
    return function, (collection, path), [(get_in(collection, path), *others)]


def _fold(meter: Meter, arguments: tuple[Any, ...]) -> tuple[Any, Any, list[Any]]:
    function, *start, collection = arguments
    items = items_of(meter, collection)
    if start:
        return function, start[0], items
    return (function, items[0], items[1:]) if items else (function, None, [])


def _results(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return results


def _only(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return results[0]


def _nothing(_meter: Meter, _context: Any, _applied: Applications, _results: list[Any]) -> Any:
    return None


def _kept(_meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    return [
        arguments[0]
        for arguments, result in zip(applied, results, strict=True)
        if result is not None and result is not False
    ]


def _removed(_meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    return [
        arguments[0] for arguments, result in zip(applied, results, strict=True) if result is None or result is False
    ]


def _present(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return [result for result in results if result is not None]


def _joined(meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    parts = [items_of(meter, result) for result in results]
    meter.allocate(sum(map(len, parts)))
    return [item for part in parts for item in part]


def _grouped(meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    meter.allocate(2 * len(results))
    groups: dict[Any, list[Any]] = {}
    for arguments, result in zip(applied, results, strict=True):
        groups.setdefault(check_key(result), []).append(arguments[0])
    return groups


def _partitioned(meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    meter.allocate(meter.walk(results))
    runs: list[list[Any]] = []
    before: Any = object()
    for arguments, result in zip(applied, results, strict=True):
        now = identity(result)
        if now != before or not runs:
            runs.append([])
        runs[-1].append(arguments[0])
        before = now
    return runs


def _found(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return results[-1] if results and truthy(results[-1]) else None


def _all(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return not results or truthy(results[-1])


def _none(_meter: Meter, _context: Any, _applied: Applications, results: list[Any]) -> Any:
    return not (results and truthy(results[-1]))


def _taken(_meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    held = len(results) - (1 if results and not truthy(results[-1]) else 0)
    return [arguments[0] for arguments in applied[:held]]


def _dropped(_meter: Meter, _context: Any, applied: Applications, results: list[Any]) -> Any:
    held = len(results) - (1 if results and not truthy(results[-1]) else 0)
    return [arguments[0] for arguments in applied[held:]]


def _put(meter: Meter, context: Any, _applied: Applications, results: list[Any]) -> Any:
    return assoc(meter, context[0], context[1], results[0])


def _put_in(meter: Meter, context: Any, _applied: Applications, results: list[Any]) -> Any:
    return assoc_in(meter, context[0], context[1], results[0])


def _row(  # rows of a table read best by column
    name: str,
    doc: str,
    run: Each | Fold,
    example: str,
    parameters: str = ":any",
    result: str = "[:vector :any]",
    optional: int | None = None,
    edges: tuple[str, ...] = (),
) -> Entry:
    signature = f"[:fn [:any {parameters}] {result}]"
    return Entry(name, signature, doc, run, example, optional=optional, edges=edges)


SEQUENCES: Final = (
    _row(
        "map",
        (
            "Results of a function for every item; with several collections, for one item of each, as far as "
            "the shortest reaches."
        ),
        Each(_each_item, _results),
        "(map inc [1 2]) => [2 3]",
        ":any & :any",
        edges=(
            "[(map + [1 2 3] [10 20]) (map :a [{:a 1} {}]) (map inc nil)] => [[11 22] [1 nil] []]",
            "(map (fn [[k v]] [v k]) {:b 2 :a 1}) => [[1 :a] [2 :b]]",
            '(map inc (parse-json "[true]")) !! type-mismatch',
        ),
    ),
    _row("mapv", "The same as `map`.", Each(_each_item, _results), "(mapv inc [1 2]) => [2 3]", ":any & :any"),
    _row(
        "map-indexed",
        "As `map`; the place comes first.",
        Each(_each_indexed, _results),
        "(map-indexed vector [:a]) => [[0 :a]]",
    ),
    _row(
        "mapcat",
        "As `map`, and the resulting collections are joined.",
        Each(_each_item, _joined),
        "(mapcat reverse [[1 2] [3]]) => [2 1 3]",
        ":any & :any",
        edges=(
            "(mapcat (fn [x] (repeat x x)) [1 2]) => [1 2 2]",
            "(mapcat identity [1]) !! type-mismatch",
        ),
    ),
    _row(
        "keep",
        "As `map`, without nils.",
        Each(_each_item, _present),
        "(keep :a [{:a 1} {}]) => [1]",
        edges=("(keep identity [false nil 1]) => [false 1]",),
    ),
    _row(
        "filter",
        "Items for which a function gives something that counts as true.",
        Each(_each_item, _kept),
        "(filter odd? [1 2 3]) => [1 3]",
        edges=("(filter :on [{:on true :n 1} {:n 2}]) => [{:n 1 :on true}]",),
    ),
    _row("filterv", "The same as `filter`.", Each(_each_item, _kept), "(filterv odd? [1 2 3]) => [1 3]"),
    _row(
        "remove",
        "Items for which it is not true.",
        Each(_each_item, _removed),
        "(remove odd? [1 2 3]) => [2]",
        edges=("(remove nil? [1 nil]) => [1]",),
    ),
    _row(
        "reduce",
        (
            "Combine items, one after the other, by a function of what came out so far and the next item. A "
            "start value may stand before the collection; without one the first item is it, and of no items "
            "the result is nil."
        ),
        Fold(_fold),
        "(reduce + 0 [1 2 3]) => 6",
        ":any & :any",
        ":any",
        1,
        edges=(
            "[(reduce + []) (reduce + [5]) (reduce + 1 [])] => [nil 5 1]",
            "(reduce (fn [all x] (conj all (* x x))) [] [1 2]) => [1 4]",
        ),
    ),
    _row(
        "group-by",
        "Map of what a function gives to the items it gives it for.",
        Each(_each_item, _grouped),
        '(group-by count ["a" "bb" "c"]) => {1 ["a" "c"] 2 ["bb"]}',
        result=":any",
        edges=(
            "(group-by odd? []) => {}",
            "(group-by identity [1.5]) !! type-mismatch",
        ),
    ),
    _row(
        "partition-by",
        "Runs of items for which a function gives the same.",
        Each(_each_item, _partitioned),
        "(partition-by odd? [1 3 2]) => [[1 3] [2]]",
    ),
    _row(
        "some",
        "First result that counts as true, or nil; nothing is applied after it.",
        Each(_each_item, _found, stop_on=True),
        "(some even? [1 2]) => true",
        result=":any",
        edges=("[(some even? [1 3]) (some {:a 1} [:b :a])] => [nil 1]",),
    ),
    _row(
        "every?",
        "Is it true for all? Nothing is applied after the first for which it is not.",
        Each(_each_item, _all, stop_on=False),
        "(every? even? [2 4]) => true",
        result=":bool",
        edges=("(every? even? []) => true",),
    ),
    _row(
        "not-any?",
        "Is it true for none?",
        Each(_each_item, _none, stop_on=True),
        "(not-any? even? [1 3]) => true",
        result=":bool",
        edges=("(not-any? even? [1 2]) => false",),
    ),
    _row(
        "take-while",
        "Items before the first for which it is not true.",
        Each(_each_item, _taken, stop_on=False),
        "(take-while odd? [1 2 3]) => [1]",
        edges=("(take-while odd? []) => []",),
    ),
    _row(
        "drop-while",
        "Items from the first for which it is not true.",
        Each(_each_item, _dropped, stop_on=False),
        "(drop-while odd? [1 2 3]) => [2 3]",
        edges=("(drop-while odd? [1 3]) => []",),
    ),
    _row(
        "for-each",
        "Apply to every item for its effects; nil.",
        Each(_each_item, _nothing),
        "(for-each inc [1]) => nil",
        result=":nil",
    ),
    _row(
        "apply",
        "Apply a function to arguments, the last of which is a collection of further ones.",
        Each(_once, _only),
        "(apply + 1 [2 3]) => 6",
        ":any & :any",
        ":any",
        edges=(
            "(apply map vector [[1 2] [3 4]]) => [[1 3] [2 4]]",
            '(apply inc (parse-json "[1, 2]")) !! arity',
        ),
    ),
    _row(
        "update",
        "With the value of a key changed by a function; further arguments of it follow.",
        Each(_update, _put),
        "(update {:a 1} :a + 2) => {:a 3}",
        ":any :any & :any",
        ":any",
        edges=(
            "(update {} :a (fn [n] (inc (or n 0)))) => {:a 1}",
            "(update {} [1] identity) !! type-mismatch",
        ),
    ),
    _row(
        "update-in",
        "As `update`, at a path of keys.",
        Each(_update_in, _put_in),
        "(update-in {:a {:b 1}} [:a :b] inc) => {:a {:b 2}}",
        "[:vector :any] :any & :any",
        ":any",
        edges=(
            "(update-in {} [:a :b] (fn [n] (or n 0))) => {:a {:b 0}}",
            "(update-in {} [1.5] identity) !! type-mismatch",
        ),
    ),
)
