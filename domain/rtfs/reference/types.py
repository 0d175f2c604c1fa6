"""The types of the language: how each is written, and values that are and are not of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TypeDoc:
    """One type, or one predicate of refined types."""

    name: str
    """Its name, or what it begins with in brackets."""
    spelling: str
    """A type that shows it."""
    meaning: str
    belongs: str
    """A program whose value is of this type."""
    other: str = ""
    """A program whose value is not; empty when every value is of it."""


TYPE_DOCS: Final = (
    TypeDoc("int", ":int", "Integers of 64 bits.", "1", "1.0"),
    TypeDoc(
        "float",
        ":float",
        "Numbers as IEEE-754 binary64; where a float is asked for, an integer becomes one.",
        "1.5",
        '"1"',
    ),
    TypeDoc("string", ":string", "Text: Unicode code points.", '"a"', ":a"),
    TypeDoc("bool", ":bool", "`true` and `false`.", "true", "nil"),
    TypeDoc("nil", ":nil", "`nil` alone.", "nil", "false"),
    TypeDoc("keyword", ":keyword", "Keywords.", ":a", '"a"'),
    TypeDoc("timestamp", ":timestamp", "Points in time.", "2026-01-01T00:00:00Z", '"2026"'),
    TypeDoc("uuid", ":uuid", "UUIDs.", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", '"6f"'),
    TypeDoc("symbol", ":symbol", "Names; no value of a running program is one.", "", ":a"),
    TypeDoc("any", ":any", "Every value; nothing is checked.", "nil"),
    TypeDoc("never", ":never", "No value: what raises an error gives none.", "", "1"),
    TypeDoc("?", ":int?", "The type, or nil.", "nil", '"a"'),
    TypeDoc(
        "vector", "[:vector :int]", "Vectors whose items are all of a type. `:list` is the same.", "[1 2]", '[1 "a"]'
    ),
    TypeDoc("tuple", "[:tuple :int :string]", "Vectors of exactly these items.", '[1 "a"]', "[1]"),
    TypeDoc(
        "array",
        "[:array :int [2 ?]]",
        "Vectors within vectors, of these lengths from the outside in; `?` is any length.",
        "[[1] [2]]",
        "[[1]]",
    ),
    TypeDoc(
        "map",
        "[:map [:a :int] [:b :string ?]]",
        "Maps with these keywords as keys; those with `?` may be absent. Further keys are allowed, and `[:* T]` gives "
        "the type of their values. `:record` is the same, and `{:a :int}` is short for `[:a :int]`.",
        "{:a 1 :c 2}",
        '{:b "x"}',
    ),
    TypeDoc(
        "map-of",
        "[:map-of :string :int]",
        "Maps whose keys are all of one type, and whose values are of another. `:dict` is the same.",
        '{"a" 1}',
        "{:a 1}",
    ),
    TypeDoc("union", "[:union :int :string]", "What is of any of these types.", '"a"', ":a"),
    TypeDoc("enum", '[:enum "a" "b"]', "One of these values.", '"b"', '"c"'),
    TypeDoc("val", "[:val 1]", "This value alone.", "1", "2"),
    TypeDoc(
        "fn",
        "[:fn [:int & :any] :string]",
        "Functions of these arguments and this result; `:=>` is the same. That a "
        "value is a function is checked when the program runs, what it takes and gives where it is applied.",
        "",
        "1",
    ),
    TypeDoc("resource", "[:resource Name]", "The address of a resource, which is text.", "resource://a", '"a"'),
    TypeDoc(
        "and",
        "[:and :int [:> 0]]",
        "What is of the first type and of all that follow, or fulfils them where they are conditions.",
        "1",
        "0",
    ),
)
"""Every type, simple ones first."""

PREDICATE_DOCS: Final = (
    TypeDoc(">", "[:and :int [:> 0]]", "Above a number.", "1", "0"),
    TypeDoc(">=", "[:and :int [:>= 0]]", "Not below a number.", "0", "-1"),
    TypeDoc("<", "[:and :float [:< 1.5]]", "Below a number.", "1.0", "1.5"),
    TypeDoc("<=", "[:and :int [:<= 0]]", "Not above a number.", "0", "1"),
    TypeDoc("=", "[:and :int [:= 1]]", "The same as a value.", "1", "2"),
    TypeDoc("!=", "[:and :int [:!= 0]]", "Another than a value.", "1", "0"),
    TypeDoc("in-range", "[:and :int [:in-range 1 5]]", "Between two numbers, both included.", "5", "6"),
    TypeDoc("min-length", "[:and :string [:min-length 2]]", "At least so many characters.", '"ab"', '"a"'),
    TypeDoc("max-length", "[:and :string [:max-length 2]]", "At most so many characters.", '"ab"', '"abc"'),
    TypeDoc("length", "[:and :string [:length 2]]", "Exactly so many characters.", '"ab"', '"a"'),
    TypeDoc(
        "matches-regex",
        '[:and :string [:matches-regex "[a-z]+"]]',
        "All of it matches a pattern (RE2).",
        '"ab"',
        '"a1"',
    ),
    TypeDoc("min-count", "[:and [:vector :int] [:min-count 1]]", "At least so many items.", "[1]", "[]"),
    TypeDoc("max-count", "[:and [:vector :int] [:max-count 1]]", "At most so many items.", "[1]", "[1 2]"),
    TypeDoc("count", "[:and [:vector :int] [:count 2]]", "Exactly so many items.", "[1 2]", "[1]"),
    TypeDoc("non-empty", "[:and [:vector :int] [:non-empty]]", "At least one item or character.", "[1]", "[]"),
    TypeDoc("has-key", "[:and [:map-of :keyword :int] [:has-key :a]]", "A map with this key.", "{:a 1}", "{:b 1}"),
    TypeDoc(
        "required-keys",
        "[:and [:map-of :keyword :int] [:required-keys [:a :b]]]",
        "A map with these keys.",
        "{:a 1 :b 2}",
        "{:a 1}",
    ),
)
"""Conditions of `[:and T …]`."""
