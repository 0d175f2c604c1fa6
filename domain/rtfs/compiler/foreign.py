"""Names of Clojure and of drafts that mean nothing here, and what is written instead."""

from __future__ import annotations

from typing import Final

_PRINTING: Final = 'a program prints nothing: give what is to be seen as its value, or name it with (step "name" …)'
_STATE: Final = "values never change: `loop`, `reduce` and `let` give new ones"
_FILES: Final = 'the world is reached by tools: (call :fs.read {:path "…"}), `precedent tools ls` lists them'
_TEXT: Final = '(str "n = " n) puts text together, (join ", " items) joins items, (round x 2) rounds'
_SEEN: Final = "vectors are read at either end: `first`, `last`, `rest`, `butlast`, `nth`"
_SETS: Final = "there are no sets: `filter`, `remove`, `concat` and `distinct` do it on vectors"
_OWN_TYPES: Final = "(defstruct name …) names the shape of a map; `match` and `case` choose by what a value is"
_LAZY: Final = "sequences are vectors and whole at once: write the expression itself"
_BITS: Final = "there are no operations on bits: `quot`, `mod` and `*` do what they do"
_CHANCE: Final = "chance comes from tools, so that runs replay: (call :random.int {:low 1 :high 6})"
_SUMS: Final = "(reduce + 0 numbers) adds up; (/ (reduce + 0.0 numbers) (count numbers)) is the mean"
_TIME: Final = "the time comes from a tool, so that runs replay: (call :clock.now)"
_TESTED: Final = "ask for the kind of a value with `int?`, `string?`, `map?` and their kin"

FOREIGN: Final = {
    **dict.fromkeys(("format", "sprintf", "printf", "cl-format"), _TEXT),
    **dict.fromkeys(("println", "print", "prn", "pr", "log", "tap>"), _PRINTING),
    **dict.fromkeys(("atom", "swap!", "reset!", "deref", "ref", "agent", "var", "set!", "volatile!"), _STATE),
    **dict.fromkeys(("slurp", "spit", "read-file", "write-file", "read-line"), _FILES),
    **dict.fromkeys(("instance?", "class", "type", "isa?"), _TESTED),
    **dict.fromkeys(("parallel", "pmap", "future", "pcalls"), "effects go on side by side in (step-parallel a b …)"),
    **dict.fromkeys(("ns", "require", "use"), "(import name :as alias) takes in a module"),
    **dict.fromkeys(("hash-set", "set", "sorted-set"), "there are no sets: `distinct` leaves out what is there twice"),
    "defn-": "write (defn ^:private name …) in a module",
    "ex-info": '(error :type "message") raises an error',
    "ex-data": "an error is a map: (:type e), (:message e), (:effect e)",
    "if-some": "(if-let [name value] …), or (if (some? value) …)",
    "when-some": "(when-let [name value] …), or (when (some? value) …)",
    "condp": "`case` compares with literals, `cond` asks conditions, `match` takes apart",
    "while": "write (loop [name value …] … (recur …))",
    "letfn": "write (let [name (fn name [x] …)] …), or `defn` within `do`",
    "sleep": "(call :timer.sleep {:seconds 1})",
    **dict.fromkeys(("rand", "rand-int", "rand-nth", "shuffle", "uuid", "random-uuid"), _CHANCE),
    **dict.fromkeys(("now", "date", "time", "current-time", "inst"), _TIME),
    **dict.fromkeys(("peek", "pop", "next", "car", "cdr"), _SEEN),
    **dict.fromkeys(("union", "intersection", "difference", "disj", "set?"), _SETS),
    **dict.fromkeys(("defmulti", "defmethod", "defprotocol", "defrecord", "reify", "extend-type"), _OWN_TYPES),
    **dict.fromkeys(("lazy-seq", "delay", "force", "promise", "seq", "sequence", "dorun", "memoize"), _LAZY),
    **dict.fromkeys(("bit-and", "bit-or", "bit-xor", "bit-shift-left", "bit-shift-right"), _BITS),
    **dict.fromkeys(("sum", "avg", "average", "mean"), _SUMS),
    **dict.fromkeys(("size", "len"), "`count` counts what is in a vector, a map or a string"),
    **dict.fromkeys(("append", "add", "push"), "(conj vector item) adds at the end, (concat a b) joins two"),
    **dict.fromkeys(("dict", "object", "array-map", "sorted-map"), "a map is written {:key value}"),
    **dict.fromkeys(("begin", "progn"), "(do first … last) gives the last"),
    **dict.fromkeys(("any?", "any"), "(some predicate items)"),
    **dict.fromkeys(("all?", "all"), "(every? predicate items)"),
    "not-every?": "(not (every? predicate items))",
    "fnil": "a missing key gives nil: (update counts key (fn [n] (inc (or n 0)))); `frequencies` counts",
    "merge-with": "(reduce (fn [all [key value]] (update all key …)) {} pairs); `group-by` puts together what is alike",
    "juxt": "(fn [x] [(f x) (g x)])",
    "iterate": "(loop [x first …] … (recur (f x)))",
    "split-at": "[(take n items) (drop n items)]",
    "split-with": "[(take-while test items) (drop-while test items)]",
    "dedupe": "`distinct` leaves out what is there twice",
    "reductions": "(reduce (fn [all x] (conj all (+ (last all) x))) [0] numbers)",
    "keep-indexed": "(keep identity (map-indexed (fn [i x] …) items))",
    "rename-keys": "(-> m (assoc :new (:old m)) (dissoc :old))",
    "max-key": "(last (sort-by f items))",
    "min-key": "(first (sort-by f items))",
    "drop-last": "`butlast` leaves out the last",
    "compare": "`<` and `>` compare; `sort` and `sort-by` take them",
    "==": "`=` compares",
    "integer?": "`int?`",
    "null?": "`nil?`",
    "eval": "a program is data only before it runs: `defmacro` makes forms",
    "assert": '(if test value (error :type "message"))',
    "blank?": "(empty? (trim text))",
    "capitalize": "(str (upper (subs text 0 1)) (subs text 1))",
    "parse-string": "`parse-json` reads JSON, `parse-int` and `parse-float` numbers",
    "cond->": "(if test (f x) x), one after the other in `let`",
    "cond->>": "(if test (f x) x), one after the other in `let`",
    "update-vals": "(into {} (map (fn [[key value]] [key (f value)]) m))",
    "update-keys": "(into {} (map (fn [[key value]] [(f key) value]) m))",
    "map-vals": "(into {} (map (fn [[key value]] [key (f value)]) m))",
    "key": "(first entry) is the key of an entry, (second entry) its value",
    "val": "(first entry) is the key of an entry, (second entry) its value",
    "toString": "`str`",
    "to-string": "`str`",
}
"""Name to hint."""

_MADE: Final = '(throw (Exception. "message")), or (error :type "message")'


def foreign(name: str) -> str | None:
    """Say what is written here for a name of elsewhere; none where nothing is known of it."""
    if name.endswith(("Exception.", "Error.")):
        return f"errors have types, and no classes: {_MADE}"
    return FOREIGN.get(name)
