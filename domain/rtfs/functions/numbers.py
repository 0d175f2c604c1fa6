"""Numbers: 64-bit integers whose overflow is an error, and binary64 floats."""

from __future__ import annotations

import math
from typing import Any, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault

_NUMBERS: Final = (int, float)
_NUMBER: Final = "[:union :int :float]"


def _fit(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("integer-overflow", f"the integer {value} needs more than 64 bits")


def _need(*values: Any) -> None:
    """Refuse what is no number; booleans are none."""
    for value in values:
        if type(value) not in _NUMBERS:
            raise TypeError


def add2(left: Any, right: Any) -> Any:
    """Add two numbers."""
    if type(left) is int and type(right) is int:
        value = left + right
        return value if INT_MIN <= value <= INT_MAX else _fit(value)
    _need(left, right)
    return left + right


def subtract2(left: Any, right: Any) -> Any:
    """Subtract a number from another."""
    if type(left) is int and type(right) is int:
        value = left - right
        return value if INT_MIN <= value <= INT_MAX else _fit(value)
    _need(left, right)
    return left - right


def multiply2(left: Any, right: Any) -> Any:
    """Multiply two numbers."""
    _need(left, right)
    value = left * right
    return _fit(value) if type(value) is int else value


def divide2(left: Any, right: Any) -> Any:
    """Divide a number by another: an integer where it is exact, else a float."""
    _need(left, right)
    _nonzero(left, right)
    if type(left) is int and type(right) is int and left % right == 0:
        return _fit(left // right)
    return left / right


def _nonzero(left: Any, right: Any) -> None:
    if right == 0:
        raise Fault("division-by-zero", f"{left} is divided by zero")


def add(*values: Any) -> Any:
    """Add any number of numbers."""
    total: Any = 0
    for value in values:
        total = add2(total, value)
    return total


def subtract(first: Any, *others: Any) -> Any:
    """Subtract, or negate a single number."""
    if not others:
        return subtract2(0, first)
    for other in others:
        first = subtract2(first, other)
    return first


def multiply(*values: Any) -> Any:
    """Multiply any number of numbers."""
    total: Any = 1
    for value in values:
        total = multiply2(total, value)
    return total


def divide(first: Any, *others: Any) -> Any:
    """Divide, or invert a single number."""
    if not others:
        return divide2(1, first)
    for other in others:
        first = divide2(first, other)
    return first


def quotient(left: Any, right: Any) -> int:
    """Divide integers, cutting towards zero."""
    _need_integers(left, right)
    value = abs(left) // abs(right)
    return _fit(value if (left < 0) == (right < 0) else -value)


def remainder(left: Any, right: Any) -> int:
    """Give what ``quot`` leaves; it has the sign of the dividend."""
    return int(left - right * quotient(left, right))


def modulo(left: Any, right: Any) -> int:
    """Give the remainder that has the sign of the divisor."""
    _need_integers(left, right)
    return int(left % right)


def _need_integers(left: Any, right: Any) -> None:
    if type(left) is not int or type(right) is not int:
        raise TypeError
    _nonzero(left, right)


def absolute(value: Any) -> Any:
    """Give the magnitude."""
    _need(value)
    return _fit(abs(value)) if type(value) is int else abs(value)


def least(*values: Any) -> Any:
    """Give the smallest number."""
    _need(*values)
    return min(values)


def greatest(*values: Any) -> Any:
    """Give the largest number."""
    _need(*values)
    return max(values)


def _rounded(value: Any, rounding: Any) -> int:
    _need(value)
    if not math.isfinite(value):
        raise Fault("invalid-argument", f"{value} has no nearest integer")
    return _fit(rounding(value))


def round_half_even(value: Any, digits: Any = None) -> Any:
    """Round to the nearest integer, or to so many decimals; a half goes to the even neighbour."""
    if digits is None:
        return _rounded(value, round)
    if type(digits) is not int or not 0 <= digits <= 15:
        raise TypeError
    _need(value)
    return round(value, digits)


def square_root(value: Any) -> float:
    """Give the square root, correctly rounded as IEEE-754 has it."""
    _need(value)
    if value < 0:
        raise Fault("invalid-argument", f"{value} has no square root")
    return math.sqrt(value)


def to_float(value: Any) -> float:
    """Give the nearest float."""
    _need(value)
    return float(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _number(value: Any) -> Any:
    _need(value)
    return value


NUMBERS: Final = (
    Entry("+", f"[:fn [& {_NUMBER}] {_NUMBER}]", "Sum.", add, "(+ 1 2 3) => 6", binary=add2),
    Entry(
        "-",
        f"[:fn [{_NUMBER} & {_NUMBER}] {_NUMBER}]",
        "Difference, or negation.",
        subtract,
        "(- 7 2) => 5",
        binary=subtract2,
    ),
    Entry("*", f"[:fn [& {_NUMBER}] {_NUMBER}]", "Product.", multiply, "(* 2 3 4) => 24", binary=multiply2),
    Entry(
        "/",
        f"[:fn [{_NUMBER} & {_NUMBER}] {_NUMBER}]",
        "Quotient: an integer where exact, else a float.",
        divide,
        "[(/ 6 3) (/ 1 2)] => [2 0.5]",
        binary=divide2,
    ),
    Entry("quot", "[:fn [:int :int] :int]", "Integer division towards zero.", quotient, "(quot -7 2) => -3"),
    Entry("rem", "[:fn [:int :int] :int]", "What `quot` leaves.", remainder, "(rem -7 2) => -1"),
    Entry("mod", "[:fn [:int :int] :int]", "Remainder with the sign of the divisor.", modulo, "(mod -7 2) => 1"),
    Entry("inc", f"[:fn [{_NUMBER}] {_NUMBER}]", "One more.", lambda value: add2(value, 1), "(inc 1) => 2"),
    Entry("dec", f"[:fn [{_NUMBER}] {_NUMBER}]", "One less.", lambda value: subtract2(value, 1), "(dec 1) => 0"),
    Entry("min", f"[:fn [{_NUMBER} & {_NUMBER}] {_NUMBER}]", "Smallest.", least, "(min 3 1 2) => 1"),
    Entry("max", f"[:fn [{_NUMBER} & {_NUMBER}] {_NUMBER}]", "Largest.", greatest, "(max 3 1 2) => 3"),
    Entry("abs", f"[:fn [{_NUMBER}] {_NUMBER}]", "Magnitude.", absolute, "(abs -3) => 3"),
    Entry(
        "floor",
        f"[:fn [{_NUMBER}] :int]",
        "Largest integer not above.",
        lambda value: _rounded(value, math.floor),
        "(floor 2.7) => 2",
    ),
    Entry(
        "ceil",
        f"[:fn [{_NUMBER}] :int]",
        "Smallest integer not below.",
        lambda value: _rounded(value, math.ceil),
        "(ceil 2.1) => 3",
    ),
    Entry(
        "round",
        f"[:fn [{_NUMBER} & :int] {_NUMBER}]",
        "Nearest integer, or so many decimals; halves go to even.",
        round_half_even,
        "[(round 2.6) (round 2.345 1)] => [3 2.3]",
        optional=1,
    ),
    Entry("sqrt", f"[:fn [{_NUMBER}] :float]", "Square root.", square_root, "(sqrt 9) => 3.0"),
    Entry("float", f"[:fn [{_NUMBER}] :float]", "As a float.", to_float, "(float 2) => 2.0"),
    Entry(
        "int",
        f"[:fn [{_NUMBER}] :int]",
        "Cut to an integer.",
        lambda value: _rounded(value, math.trunc),
        "(int 2.9) => 2",
    ),
    Entry("even?", "[:fn [:int] :bool]", "Is it even?", lambda value: _integer(value) % 2 == 0, "(even? 4) => true"),
    Entry("odd?", "[:fn [:int] :bool]", "Is it odd?", lambda value: _integer(value) % 2 == 1, "(odd? 4) => false"),
    Entry("zero?", f"[:fn [{_NUMBER}] :bool]", "Is it zero?", lambda value: _number(value) == 0, "(zero? 0) => true"),
    Entry(
        "pos?", f"[:fn [{_NUMBER}] :bool]", "Is it above zero?", lambda value: _number(value) > 0, "(pos? 1) => true"
    ),
    Entry(
        "neg?", f"[:fn [{_NUMBER}] :bool]", "Is it below zero?", lambda value: _number(value) < 0, "(neg? 1) => false"
    ),
)
