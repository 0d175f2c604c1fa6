"""Names of Clojure and of drafts that mean nothing here, and what is written instead."""

from __future__ import annotations

from typing import Final

_PRINTING: Final = 'a program prints nothing: give what is to be seen as its value, or name it with (step "name" …)'
_STATE: Final = "values never change: `loop`, `reduce` and `let` give new ones"
_FILES: Final = 'the world is reached by tools: (call :fs.read {:path "…"}), `precedent tools ls` lists them'
_TEXT: Final = '(str "n = " n) puts text together, (join ", " items) joins items, (round x 2) rounds'
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
    "rand": "chance comes from tools, so that runs replay: (call :random.int {:low 1 :high 6})",
    "rand-int": "chance comes from tools, so that runs replay: (call :random.int {:low 1 :high 6})",
    "now": "the time comes from a tool, so that runs replay: (call :clock.now)",
}
"""Name to hint."""

_MADE: Final = '(throw (Exception. "message")), or (error :type "message")'


def foreign(name: str) -> str | None:
    """Say what is written here for a name of elsewhere; none where nothing is known of it."""
    if name.endswith(("Exception.", "Error.")):
        return f"errors have types, and no classes: {_MADE}"
    return FOREIGN.get(name)
