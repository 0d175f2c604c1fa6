"""What single instructions do: apply a value, begin and end a sequence, cast, make a map, say what went wrong."""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.functions import Applying, Entry
from domain.rtfs.functions.entry import Arguments
from domain.rtfs.functions.items import check_key, get
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types import advice, describe, mismatch, widen
from domain.rtfs.vm.code import Closure, Code
from domain.rtfs.vm.sequences import SequenceFrame, begin

MISUSE: Final = (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError)
"""What library functions raise in Python when they are given what they do not take."""


def fit_arguments(code: Code, arguments: Arguments) -> Arguments:
    """Put what is more than the parameters into the rest vector."""
    fixed = code.parameters
    if not code.rest or len(arguments) < fixed:
        if len(arguments) == fixed:
            return arguments
        takes = f"at least {fixed}" if code.rest else str(fixed)
        raise Fault("arity", f"the function takes {takes} arguments and is given {len(arguments)}")
    return [*arguments[:fixed], list(arguments[fixed:])]


def is_sequence(function: Any) -> bool:
    """Tell whether a value is a function of the library that applies functions."""
    return type(function) is Entry and isinstance(function.implementation, Applying)


def applies_in_frames(frame: SequenceFrame) -> bool:
    """Tell whether what a frame applies makes frames of its own."""
    return type(frame.function) is Closure or any(
        type(each) is Closure or is_sequence(each) for each in frame.applied()
    )


def begin_sequence(entry: Entry, meter: Meter, arguments: Arguments) -> SequenceFrame:
    """Start a library function that applies functions."""
    if not entry.accepts(len(arguments)):
        raise Fault("arity", f"`{entry.name}` takes {entry.arity()} and is given {len(arguments)}")
    try:
        return begin(entry, meter, arguments)
    except MISUSE as problem:
        raise misuse(entry, arguments) from problem


def finish_sequence(frame: SequenceFrame, meter: Meter) -> Any:
    """Give the value of a library function that has applied all it applies."""
    try:
        return frame.finish(meter)
    except MISUSE as problem:
        raise Fault("type-mismatch", f"`{frame.entry.name}` cannot use what the function gave") from problem


def apply(function: Any, meter: Meter, arguments: Arguments) -> Any:
    """Apply what makes no frames: functions of the library, keywords and maps."""
    if type(function) is Entry:
        if not function.accepts(len(arguments)):
            raise Fault("arity", f"`{function.name}` takes {function.arity()} and is given {len(arguments)}")
        implementation = function.implementation
        assert not isinstance(implementation, Applying)
        try:
            return implementation(meter, *arguments) if function.metered else implementation(*arguments)
        except MISUSE as problem:
            raise misuse(function, arguments) from problem
    if type(function) not in (Keyword, dict):
        raise Fault("not-callable", f"{describe(function)} cannot be called")
    if not 1 <= len(arguments) <= 2:
        what = "a keyword" if type(function) is Keyword else "a map"
        raise Fault("arity", f"{what} as a function takes 1 or 2 arguments and is given {len(arguments)}")
    if type(function) is dict:
        return get(function, *arguments)
    try:
        return get(arguments[0], function, *arguments[1:])
    except TypeError as problem:
        raise Fault(
            "type-mismatch", f"{describe(function)} looks into a map, not into {describe(arguments[0])}"
        ) from problem


def misuse(entry: Entry, arguments: Arguments) -> Fault:
    """Say which argument of a library function is not what its signature says."""
    for place, argument in enumerate(arguments):
        problem = mismatch(argument, entry.parameter(place))
        if problem is not None:
            return Fault("type-mismatch", f"`{entry.name}`, argument {place + 1}: {problem}", hint=advice(problem))
    given = ", ".join(describe(argument) for argument in arguments)
    return Fault("type-mismatch", f"`{entry.name}` cannot take {given}")


def make_map(pairs: tuple[tuple[int, int], ...], registers: list[Any]) -> dict[Any, Any]:
    """Make a map of the registers of its keys and values."""
    return {check_key(registers[key]): registers[value] for key, value in pairs}


def cast(value: Any, expected: Any) -> Any:
    """Give a value as its type has it, or fail."""
    value = widen(value, expected)
    problem = mismatch(value, expected)
    if problem is not None:
        raise Fault("type-mismatch", problem, hint=advice(problem))
    return value
