"""The library: one table of every function, from which compiler, machine, documents and planner's card are fed."""

from typing import Final

from domain.rtfs.functions.arranging import ARRANGING
from domain.rtfs.functions.entry import Applying, Each, Entry, Fold, Sorting
from domain.rtfs.functions.items import ITEMS
from domain.rtfs.functions.json_text import JSON
from domain.rtfs.functions.kinds import KINDS
from domain.rtfs.functions.maps import MAPS
from domain.rtfs.functions.matching import MATCHING
from domain.rtfs.functions.numbers import NUMBERS
from domain.rtfs.functions.powers import POWERS
from domain.rtfs.functions.predicates import PREDICATES
from domain.rtfs.functions.rounding import ROUNDING
from domain.rtfs.functions.sequences import SEQUENCES
from domain.rtfs.functions.text import TEXT
from domain.rtfs.functions.vectors import VECTORS

GROUPS: Final = {
    "Numbers": (*NUMBERS, *ROUNDING, *POWERS),
    "Comparison, logic, errors": PREDICATES,
    "Kinds of values": KINDS,
    "Strings": (*TEXT, *MATCHING),
    "Collections": ITEMS,
    "Maps": MAPS,
    "Vectors": VECTORS,
    "Order": ARRANGING,
    "Functions of functions": SEQUENCES,
    "JSON": JSON,
}
"""The table, by topic."""

FUNCTIONS: Final = {entry.name: entry for group in GROUPS.values() for entry in group}
"""The table, by name."""

ALIASES: Final = {
    "boolean?": "bool?",
    "ceiling": "ceil",
    "doall": "vec",
    "double": "float",
    "downcase": "lower",
    "getMessage": "ex-message",
    "length": "count",
    "long": "int",
    "lower-case": "lower",
    "run!": "for-each",
    "sequential?": "vector?",
    "serialize-json": "to-json",
    "string-contains": "includes?",
    "string-contains?": "includes?",
    "string-join": "join",
    "string-lower": "lower",
    "string-trim": "trim",
    "string-upper": "upper",
    "substring": "subs",
    "upcase": "upper",
    "upper-case": "upper",
}
"""Other spellings of the specification and of Clojure; the compiler takes them, modules hold the first name."""

__all__ = ["ALIASES", "FUNCTIONS", "GROUPS", "Applying", "Each", "Entry", "Fold", "Sorting"]
