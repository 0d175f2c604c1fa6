"""Powers, roots and factorials: correctly rounded by our own rules, since machines differ in theirs."""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.functions.numbers import NUMBER, check_numbers, fitting
from domain.rtfs.metering import Fault

_EXACT: Final = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Digits enough to round to the nearest float."""

_BITS: Final = 64
"""With so large an exponent no power of an integer beyond one fits."""

_MOST_FACTORIAL: Final = 20
_WHOLE: Final = 2**53
"""From here on every float is a whole number, and even."""


def square_root(value: Any) -> float:
    """Give the square root, correctly rounded as IEEE-754 has it."""
    check_numbers(value)
    if value < 0:
        raise Fault("invalid-argument", f"{value} has no square root")
    return math.sqrt(value)


def power(base: Any, exponent: Any) -> Any:
    """Raise a number to a power: integers to an integer while the exponent is not negative."""
    check_numbers(base, exponent)
    if type(base) is int and type(exponent) is int and exponent >= 0:
        return _whole_power(base, exponent)
    return _float_power(float(base), float(exponent))


def _whole_power(base: int, exponent: int) -> int:
    if base in (0, 1, -1):
        return int(base ** min(exponent, 2 + exponent % 2))
    product = int(base ** min(exponent, _BITS))
    if INT_MIN <= product <= INT_MAX:
        return product
    product = base
    while INT_MIN <= product <= INT_MAX:
        product *= base
    hint = f"it comes up in {base} to the power of {exponent}; (pow {base}.0 {exponent}) gives a float"
    return fitting(product, hint)


def _float_power(base: float, exponent: float) -> float:
    """As IEEE-754 has it; correctly rounded where the result is neither exact nor special."""
    special = exponent == 0 or base == 1 or not (math.isfinite(base) and math.isfinite(exponent))
    if base == 0 and exponent < 0:
        raise Fault("division-by-zero", f"{base} cannot be raised to {exponent}")
    if special or base == 0:
        return math.pow(base, exponent)
    if base < 0 and not exponent.is_integer():
        raise Fault("invalid-argument", f"{base} has no power {exponent}")
    magnitude = float(_EXACT.power(Decimal(abs(base)), Decimal(exponent)))
    odd = base < 0 and abs(exponent) < _WHOLE and exponent % 2 == 1
    return -magnitude if odd else magnitude


def factorial(value: Any) -> int:
    """Give the product of the integers from 1 up to one."""
    if type(value) is not int:
        raise TypeError
    if value < 0:
        raise Fault("invalid-argument", f"{value} has no factorial")
    if value > _MOST_FACTORIAL:
        raise Fault("integer-overflow", f"the factorial of {value} needs more than 64 bits")
    return fitting(math.factorial(value))


POWERS: Final = (
    Entry(
        "sqrt",
        f"[:fn [{NUMBER}] :float]",
        "Square root, correctly rounded.",
        square_root,
        "(sqrt 9) => 3.0",
        edges=("(sqrt 2) => 1.4142135623730951", "(sqrt -1) !! invalid-argument"),
    ),
    Entry(
        "pow",
        f"[:fn [{NUMBER} {NUMBER}] {NUMBER}]",
        "Power: of integers an integer, unless the exponent is negative; else a float, correctly rounded.",
        power,
        "(pow 2 10) => 1024",
        edges=(
            "[(pow 2 -1) (pow 2.0 3) (pow 2 0.5) (pow 0 0) (pow -8.0 3)] => [0.5 8.0 1.4142135623730951 1 -512.0]",
            "(pow 10.0 400) => ##Inf",
            "(pow 10 19) !! integer-overflow",
            "(pow 0 -1) !! division-by-zero",
            "(pow -8.0 0.5) !! invalid-argument",
        ),
    ),
    Entry(
        "factorial",
        "[:fn [:int] :int]",
        "Product of the integers from 1 up to this one, which is at most 20.",
        factorial,
        "(factorial 5) => 120",
        edges=("(factorial 0) => 1", "(factorial 21) !! integer-overflow", "(factorial -1) !! invalid-argument"),
    ),
)
