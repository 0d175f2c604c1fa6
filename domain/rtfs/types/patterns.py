r"""Regular expressions, matched in time linear in the text: patterns and texts come from anyone, and none may hang.

The engine is RE2 (https://github.com/google/re2, syntax in its wiki): what it cannot match in linear time, such as
references back to groups and looking around, is no pattern. Classes like ``\d`` and ``\w`` are of ASCII.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

MAX_PATTERN: Final = 500
"""Characters of one pattern."""

MAX_PROGRAM: Final = 2_000
"""Steps that a pattern is compiled to; matching takes at most this many for each character."""

_STEPS_IN_FUEL: Final = 128
"""So many of them take as long as one unit of fuel."""

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False


class PatternInvalid(ValueError):
    """Write a pattern that RE2 takes, within its limits."""


@lru_cache(maxsize=256)
def compiled_pattern(pattern: str) -> Any:
    """Give what matches a pattern, as Python's ``re`` has it. Raises ``PatternInvalid``."""
    if len(pattern) > MAX_PATTERN:
        raise PatternInvalid(f"it has {len(pattern)} characters; {MAX_PATTERN} are allowed")
    try:
        found = re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeEncodeError) as problem:
        reason = problem.args[0]
        raise PatternInvalid(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(problem)
        ) from problem
    if found.programsize > MAX_PROGRAM:
        raise PatternInvalid(f"it repeats so much that it takes {found.programsize} steps; {MAX_PROGRAM} are allowed")
    return found


def pattern_problem(pattern: str) -> str | None:
    """Say why a pattern is refused; ``None`` when it can be used."""
    try:
        compiled_pattern(pattern)
    except PatternInvalid as problem:
        return str(problem)
    return None


def matching_cost(pattern: str, text: str) -> int:
    """Give the fuel that matching a text may take. Raises ``PatternInvalid``."""
    return 1 + len(pattern) + len(text) * int(compiled_pattern(pattern).programsize) // _STEPS_IN_FUEL
