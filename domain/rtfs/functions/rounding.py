"""Numbers as integers and as floats: rounded, cut, and read from what else they may be given as."""

from __future__ import annotations

import math
from typing import Any, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.functions.numbers import NUMBER, check_numbers, fitting
from domain.rtfs.functions.text import parse_float, parse_int
from domain.rtfs.metering import Fault

_CONVERTED: Final = "[:union :int :float :string :bool]"


def _rounded(value: Any, rounding: Any) -> int:
    check_numbers(value)
    if not math.isfinite(value):
        raise Fault("invalid-argument", f"{value} has no nearest integer")
    rounded = int(rounding(value))
    if INT_MIN <= rounded <= INT_MAX:
        return rounded
    return fitting(rounded, f"it is {value} as an integer; keep it as a float")


def round_half_even(value: Any, digits: Any = None) -> Any:
    """Round to the nearest integer, or to so many decimals; a half goes to the even neighbour."""
    if digits is None:
        return _rounded(value, round)
    if type(digits) is not int or not 0 <= digits <= 15:
        raise TypeError
    check_numbers(value)
    return round(value, digits)


def to_float(value: Any) -> float:
    """Give the nearest float of a number, of a boolean, or of what is written in a string."""
    if type(value) is str:
        return float(_written(parse_float(value), value, "float"))
    if type(value) is not bool:
        check_numbers(value)
    return float(value)


def to_int(value: Any) -> int:
    """Give the integer within a number, of a boolean, or of what is written in a string."""
    if type(value) is str:
        return int(_written(parse_int(value), value, "int"))
    return int(value) if type(value) is bool else _rounded(value, math.trunc)


def _written(value: Any, text: str, kind: str) -> Any:
    if value is None:
        raise Fault(
            "invalid-argument",
            f"{text!r:.80} is not written as a value of :{kind} is; `parse-{kind}` gives nil instead",
        )
    return value


ROUNDING: Final = (
    Entry(
        "floor",
        f"[:fn [{NUMBER}] :int]",
        "Largest integer not above.",
        lambda value: _rounded(value, math.floor),
        "(floor 2.7) => 2",
        edges=(
            "(floor -2.5) => -3",
            "(floor ##NaN) !! invalid-argument",
            "(floor 1e30) !! integer-overflow",
        ),
    ),
    Entry(
        "ceil",
        f"[:fn [{NUMBER}] :int]",
        "Smallest integer not below.",
        lambda value: _rounded(value, math.ceil),
        "(ceil 2.1) => 3",
        edges=(
            "(ceil -2.5) => -2",
            "(ceil ##Inf) !! invalid-argument",
            "(ceil 1e30) !! integer-overflow",
        ),
    ),
    Entry(
        "round",
        f"[:fn [{NUMBER} & :int] {NUMBER}]",
        "Nearest integer, or to so many decimals (0 to 15); a half goes to the even neighbour.",
        round_half_even,
        "[(round 2.6) (round 2.345 1)] => [3 2.3]",
        optional=1,
        edges=(
            "[(round 2.5) (round 3.5) (round 7 2)] => [2 4 7]",
            "(round ##Inf) !! invalid-argument",
            "(round -1e30) !! integer-overflow",
        ),
    ),
    Entry(
        "int",
        f"[:fn [{_CONVERTED}] :int]",
        "As an integer: a number without its fraction, the integer written in a string, 1 for true and 0 for false.",
        to_int,
        "(int 2.9) => 2",
        edges=(
            '[(int -2.9) (int " 42 ") (int false)] => [-2 42 0]',
            '(int "2.9") !! invalid-argument',
            "(int ##NaN) !! invalid-argument",
            "(int 1e30) !! integer-overflow",
        ),
    ),
    Entry(
        "float",
        f"[:fn [{_CONVERTED}] :float]",
        "As a float: a number, the number written in a string, 1.0 for true and 0.0 for false.",
        to_float,
        "(float 2) => 2.0",
        edges=('[(float "1.5") (float true)] => [1.5 1.0]', '(float "x") !! invalid-argument'),
    ),
)
