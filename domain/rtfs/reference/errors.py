"""The errors that programs meet: what each says, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorDoc:
    """One type of error."""

    type: str
    meaning: str
    way_out: str
    caught: bool = True
    """Whether a program may catch it."""


ERRORS: Final = (
    ErrorDoc(
        "type-mismatch",
        "A value is not of the type that a function, an annotation, a pattern or a tool's declaration asks for.",
        "The message shows both, and where they differ; convert the value, or match on its kind first.",
    ),
    ErrorDoc("arity", "A function is given another number of arguments than it takes.", "Give as many as it takes."),
    ErrorDoc("not-callable", "What stands first in a list is no function.", "Data is written in [ ] or { }."),
    ErrorDoc("no-match", "No clause of a `match` or `case` fits the value.", "Add a clause `_`, or a default."),
    ErrorDoc(
        "iterations-exceeded",
        "The condition of a `step-loop` still holds after its `:max-iterations`.",
        "Catch it, or allow more.",
    ),
    ErrorDoc("integer-overflow", "An integer would need more than 64 bits.", "Work with floats, or with strings."),
    ErrorDoc("division-by-zero", "A number is divided by zero.", "Ask `zero?` before."),
    ErrorDoc(
        "index-out-of-bounds",
        "There is no such place in a vector or a string.",
        "Use `get`, which gives nil, or give `nth` a default.",
    ),
    ErrorDoc(
        "invalid-argument",
        "An argument has the right type, and the function is not defined for it: the root of a negative number, a "
        "range that never ends, text that is no number.",
        "The message names the value; ask before, or catch it.",
    ),
    ErrorDoc(
        "invalid-pattern",
        "A regular expression cannot be used: it is not written as RE2 has them, or it is too large.",
        "References back to groups and looking around are not there; write the pattern without them.",
    ),
    ErrorDoc("invalid-json", "A text is no JSON.", "The message gives line and column; the text is shown by the run."),
    ErrorDoc(
        "function-in-data",
        "A function would leave the program, as its result or as an argument of an effect.",
        "Give what it returns instead.",
    ),
    ErrorDoc("nested-too-deeply", "A value is nested deeper than values may be.", "Flatten it."),
    ErrorDoc("error", "The program raised it, and gave no type.", "`(error :type message)` gives it one."),
    ErrorDoc("runtime-error", "The program raised it with `RuntimeError.`.", "`(error :type message)` says more."),
    ErrorDoc(
        "fuel-exhausted",
        "The program worked too long.",
        "Do less, in a function with a known number of turns; or raise the limit of the task.",
        caught=False,
    ),
    ErrorDoc(
        "memory-exhausted",
        "The program holds too much at once.",
        "Keep less of what tools give; or raise the limit of the task.",
        caught=False,
    ),
    ErrorDoc(
        "depth-exceeded",
        "Too many calls wait for one another.",
        "Make the call the last thing that the function does, or use `loop`; such calls do not wait.",
        caught=False,
    ),
    ErrorDoc(
        "output-too-large",
        "The result, or the arguments of one effect, are too large to leave the program.",
        "Give a part, or a summary.",
        caught=False,
    ),
    ErrorDoc(
        "output-mismatch",
        "The result is not of the type that the task asks for.",
        "The message shows where they differ.",
        caught=False,
    ),
)
"""Errors of the language itself. Tools have types of their own, and a program may raise any."""
