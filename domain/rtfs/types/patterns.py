"""Regular expressions that are safe to match: types come with modules from anyone, and matching must not hang."""

from __future__ import annotations

import re
from typing import Final

MAX_PATTERN: Final = 500
"""Characters of one pattern."""

_REPEATS: Final = "*+?{"
_REFERENCE: Final = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")


def pattern_problem(pattern: str) -> str | None:
    """Say why a pattern is refused; ``None`` when it is a regular expression that is matched in reasonable time.

    What can take exponential time in Python's matcher is a repeated group that itself holds repetition or choice,
    or refers back to another: those are refused.
    """
    if len(pattern) > MAX_PATTERN:
        return f"it has {len(pattern)} characters; {MAX_PATTERN} are allowed"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        return str(problem)
    if _REFERENCE.search(pattern):
        return "it refers back to a group"
    if _repeats_repetition(pattern):
        return "a repeated group holds repetition or choice, which may take for ever; write a class like [ab]* instead"
    return None


def _repeats_repetition(pattern: str) -> bool:
    """Tell whether any repeated group holds repetition or choice."""
    open_groups: list[bool] = []
    loose = False
    place = 0
    while place < len(pattern):
        character = pattern[place]
        if character == "\\":
            place += 1
        elif character == "[":
            place = _end_of_class(pattern, place)
        elif character == "(":
            open_groups.append(loose)
            loose = False
        elif character == ")" and open_groups:
            repeated = pattern[place + 1 : place + 2] in ("*", "+", "{")
            if repeated and loose:
                return True
            loose = open_groups.pop() or loose
        elif character == "|" or (character in _REPEATS and pattern[place - 1 : place] != "("):
            loose = True
        place += 1
    return False


def _end_of_class(pattern: str, start: int) -> int:
    place = start + 1
    if pattern[place : place + 1] == "^":
        place += 1
    place += 1
    while place < len(pattern) and pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place
