"""Numbers: 64-bit integers whose overflow is an error, and binary64 floats."""

from __future__ import annotations

from typing import Any, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault

_NUMBERS: Final = (int, float)
NUMBER: Final = "[:union :int :float]"
"""The type of numbers."""


def fitting(value: int, hint: str | None = None) -> int:
    """Refuse an integer that needs more than 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("integer-overflow", f"the integer {value} needs more than 64 bits", hint=hint)


def check_numbers(*values: Any) -> None:
    """Refuse what is no number; booleans are none."""
    for value in values:
        if type(value) not in _NUMBERS:
            raise TypeError


def add2(left: Any, right: Any) -> Any:
    """Add two numbers."""
    if type(left) is int and type(right) is int:
        value = left + right
        return value if INT_MIN <= value <= INT_MAX else fitting(value)
    check_numbers(left, right)
    return left + right


def subtract2(left: Any, right: Any) -> Any:
    """Subtract a number from another."""
    if type(left) is int and type(right) is int:
        value = left - right
        return value if INT_MIN <= value <= INT_MAX else fitting(value)
    check_numbers(left, right)
    return left - right


def multiply2(left: Any, right: Any) -> Any:
    """Multiply two numbers."""
    check_numbers(left, right)
    value = left * right
    return fitting(value) if type(value) is int else value


def divide2(left: Any, right: Any) -> Any:
    """Divide a number by another: an integer where it is exact, else a float."""
    check_numbers(left, right)
    _nonzero(left, right)
    if type(left) is int and type(right) is int and left % right == 0:
        return fitting(left // right)
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
    return fitting(value if (left < 0) == (right < 0) else -value)


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
    check_numbers(value)
    return fitting(abs(value)) if type(value) is int else abs(value)


def least(*values: Any) -> Any:
    """Give the smallest number."""
    check_numbers(*values)
    return min(values)


def greatest(*values: Any) -> Any:
    """Give the largest number."""
    check_numbers(*values)
    return max(values)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _number(value: Any) -> Any:
    check_numbers(value)
    return value


NUMBERS: Final = (
    Entry(
        "+",
        f"[:fn [& {NUMBER}] {NUMBER}]",
        "Sum. Without arguments it is 0; a sum of integers that needs more than 64 bits is an error.",
        add,
        "(+ 1 2 3) => 6",
        binary=add2,
        edges=(
            "[(+) (+ 2) (+ 1 2.5)] => [0 2 3.5]",
            "(+ 9223372036854775807 1) !! integer-overflow",
        ),
    ),
    Entry(
        "-",
        f"[:fn [{NUMBER} & {NUMBER}] {NUMBER}]",
        "Difference; of a single number, its negation.",
        subtract,
        "(- 7 2) => 5",
        binary=subtract2,
        edges=(
            "[(- 3) (- 10 5 2) (- 1 2.5)] => [-3 3 -1.5]",
            "(- -9223372036854775808) !! integer-overflow",
        ),
    ),
    Entry(
        "*",
        f"[:fn [& {NUMBER}] {NUMBER}]",
        "Product. Without arguments it is 1.",
        multiply,
        "(* 2 3 4) => 24",
        binary=multiply2,
        edges=(
            "[(*) (* 1.5 2)] => [1 3.0]",
            "(* 9223372036854775807 2) !! integer-overflow",
        ),
    ),
    Entry(
        "/",
        f"[:fn [{NUMBER} & {NUMBER}] {NUMBER}]",
        ("Quotient: an integer where the division of integers is exact, else a float. A single number is inverted."),
        divide,
        "[(/ 6 3) (/ 1 2)] => [2 0.5]",
        binary=divide2,
        edges=(
            "[(/ 2) (/ 10 2 2) (/ 1.0 3)] => [0.5 2.5 0.3333333333333333]",
            "(/ 1 0) !! division-by-zero",
            "(/ -9223372036854775808 -1) !! integer-overflow",
        ),
    ),
    Entry(
        "quot",
        "[:fn [:int :int] :int]",
        "Integer division towards zero.",
        quotient,
        "(quot -7 2) => -3",
        edges=(
            "(quot 1 0) !! division-by-zero",
            "(quot -9223372036854775808 -1) !! integer-overflow",
        ),
    ),
    Entry(
        "rem",
        "[:fn [:int :int] :int]",
        "What `quot` leaves; it has the sign of the dividend.",
        remainder,
        "(rem -7 2) => -1",
        edges=(
            "(rem 7 -2) => 1",
            "(rem 1 0) !! division-by-zero",
        ),
    ),
    Entry(
        "mod",
        "[:fn [:int :int] :int]",
        "Remainder with the sign of the divisor.",
        modulo,
        "(mod -7 2) => 1",
        edges=(
            "[(mod 7 -2) (mod 6 3)] => [-1 0]",
            "(mod 1 0) !! division-by-zero",
        ),
    ),
    Entry(
        "inc",
        f"[:fn [{NUMBER}] {NUMBER}]",
        "One more.",
        lambda value: add2(value, 1),
        "(inc 1) => 2",
        edges=(
            "(inc 1.5) => 2.5",
            "(inc 9223372036854775807) !! integer-overflow",
        ),
    ),
    Entry(
        "dec",
        f"[:fn [{NUMBER}] {NUMBER}]",
        "One less.",
        lambda value: subtract2(value, 1),
        "(dec 1) => 0",
        edges=(
            "(dec 0) => -1",
            "(dec -9223372036854775808) !! integer-overflow",
        ),
    ),
    Entry(
        "min",
        f"[:fn [{NUMBER} & {NUMBER}] {NUMBER}]",
        "Smallest.",
        least,
        "(min 3 1 2) => 1",
        edges=("(min 2 1.5) => 1.5",),
    ),
    Entry(
        "max",
        f"[:fn [{NUMBER} & {NUMBER}] {NUMBER}]",
        "Largest.",
        greatest,
        "(max 3 1 2) => 3",
        edges=("(max -1) => -1",),
    ),
    Entry(
        "abs",
        f"[:fn [{NUMBER}] {NUMBER}]",
        "Magnitude.",
        absolute,
        "(abs -3) => 3",
        edges=(
            "(abs -1.5) => 1.5",
            "(abs -9223372036854775808) !! integer-overflow",
        ),
    ),
    Entry(
        "even?",
        "[:fn [:int] :bool]",
        "Is it even?",
        lambda value: _integer(value) % 2 == 0,
        "(even? 4) => true",
        edges=("(even? -3) => false",),
    ),
    Entry(
        "odd?",
        "[:fn [:int] :bool]",
        "Is it odd?",
        lambda value: _integer(value) % 2 == 1,
        "(odd? 4) => false",
        edges=("(odd? -3) => true",),
    ),
    Entry(
        "zero?",
        f"[:fn [{NUMBER}] :bool]",
        "Is it zero?",
        lambda value: _number(value) == 0,
        "(zero? 0) => true",
        edges=("(zero? -0.0) => true",),
    ),
    Entry(
        "pos?",
        f"[:fn [{NUMBER}] :bool]",
        "Is it above zero?",
        lambda value: _number(value) > 0,
        "(pos? 1) => true",
        edges=("(pos? 0) => false",),
    ),
    Entry(
        "neg?",
        f"[:fn [{NUMBER}] :bool]",
        "Is it below zero?",
        lambda value: _number(value) < 0,
        "(neg? 1) => false",
        edges=("(neg? -0.5) => true",),
    ),
)
