"""Strings searched by patterns, which are regular expressions of RE2 and cannot take long."""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types.patterns import PatternInvalid, compiled_pattern, matching_cost


def _pattern(meter: Meter, pattern: Any, text: Any) -> Any:
    """Give what matches a pattern, after paying for the search."""
    if type(pattern) is not str or type(text) is not str:
        raise TypeError
    try:
        meter.spend(matching_cost(pattern, text))
    except PatternInvalid as problem:
        raise Fault("invalid-pattern", f"the pattern {pattern!r:.80} cannot be used: {problem}") from problem
    return compiled_pattern(pattern)


def whole_match(meter: Meter, pattern: Any, text: Any) -> str | None:
    """Give the text if all of it matches; nil otherwise, and of nil."""
    if text is None:
        return None
    return str(text) if _pattern(meter, pattern, text).fullmatch(text) is not None else None


def first_match(meter: Meter, pattern: Any, text: Any) -> str | None:
    """Give the first part that matches; nil when none does, and of nil."""
    if text is None:
        return None
    found = _pattern(meter, pattern, text).search(text)
    return None if found is None else str(found.group())


def all_matches(meter: Meter, pattern: Any, text: Any) -> list[str]:
    """Give the parts that match, each beginning after the one before; none of nil."""
    if text is None:
        return []
    found: list[str] = []
    for match in _pattern(meter, pattern, text).finditer(text):
        part = match.group()
        meter.spend(8)
        meter.allocate(1 + (len(part) >> 3))
        found.append(part)
    return found


MATCHING: Final = (
    Entry(
        "re-find",
        "[:fn [:string :string?] :string?]",
        "The first part of a string that a pattern matches, or nil. Patterns are regular expressions of RE2. It is the "
        "whole part also where the pattern has groups in parentheses: groups are never given, here and in `re-seq`; "
        "take the part itself apart, as with `split` or `subs`.",
        first_match,
        '(re-find "[0-9]+" "a12 b3") => "12"',
        metered=True,
        edges=(
            '[(re-find "x" "abc") (re-find "x" nil) (re-find "" "abc")] => [nil nil ""]',
            '(re-find "(a|b)+" "xxab") => "ab"',
            '(second (split (re-find "id=[0-9]+" "a id=42") "=")) => "42"',
            '(re-find "(" "abc") !! invalid-pattern',
        ),
    ),
    Entry(
        "re-matches",
        "[:fn [:string :string?] :string?]",
        "The string if a pattern matches all of it, or nil.",
        whole_match,
        '(re-matches "[a-z]+" "abc") => "abc"',
        metered=True,
        edges=(
            '[(re-matches "[a-z]+" "abc1") (re-matches "a" nil)] => [nil nil]',
            '(re-matches "(a)\\\\1" "aa") !! invalid-pattern',
        ),
    ),
    Entry(
        "re-seq",
        "[:fn [:string :string?] [:vector :string]]",
        "All parts of a string that a pattern matches, one after the other.",
        all_matches,
        '(re-seq "[0-9]+" "a12 b3") => ["12" "3"]',
        metered=True,
        edges=(
            '[(re-seq "x" "abc") (re-seq "x" nil) (re-seq "b*" "abb")] => [[] [] ["" "bb" ""]]',
            '(re-seq "[" "abc") !! invalid-pattern',
        ),
    ),
)
