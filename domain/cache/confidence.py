"""How wrong it may really be, given what was seen: exact binomial upper limits, and the same for unequal shares.

The upper limit of Clopper and Pearson (Biometrika 26, 1934) on a proportion after ``wrong`` of ``judged`` is the
``trust`` quantile of Beta(wrong + 1, judged - wrong). Where observations stand for unequal numbers of cases, the rate
is a weighted sum; Fay and Feuer (Statistics in Medicine 16, 1997) bound it by matching mean and variance with one more
event of the greatest weight. Here their two moments parametrise a beta instead of a gamma distribution, so that equal
weights give Clopper and Pearson exactly. The incomplete beta function is the continued fraction of DLMF 8.17.22.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, lgamma, log, log1p
from typing import Final, NamedTuple

from domain.kernel.errors import InvalidInput

_TINY: Final = 1e-300
_ENOUGH: Final = 1e-15
_TERMS: Final = 2_000
"""Of the continued fraction; about the square root of the greater parameter is needed."""


class Stratum(NamedTuple):
    """Cases of one kind, some of which were judged."""

    judged: int
    wrong: int
    cases: int
    """How many cases the judged ones stand for: at least as many."""


def beta_cdf(x: float, a: float, b: float) -> float:
    """Probability that a Beta(a, b) variable is at most x: the regularised incomplete beta function I_x(a, b)."""
    if not (a > 0 and b > 0):
        raise InvalidInput(f"Beta({a:g}, {b:g}) is no distribution: both parameters are above 0")
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    # The fraction converges fast on this side of the mean only; the other side is its mirror image.
    if x * (a + b + 2) < a + 1:
        return min(1.0, front * _fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _fraction(1 - x, b, a) / b)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction, by the method of Lentz as Thompson and Barnett changed it."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            result *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return result


def _away(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with ``beta_cdf(x, a, b) == p``, by bisection to the last bit that matters."""
    low, high = 0.0, 1.0
    while high - low > 1e-15 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def upper_limit(wrong: int, judged: int, trust: float) -> float:
    """Greatest proportion that is not refuted at this trust, from 0 to 1. Nothing judged refutes nothing."""
    _check(wrong, judged, trust)
    return 1.0 if wrong == judged else beta_quantile(trust, wrong + 1, judged - wrong)


def lower_limit(wrong: int, judged: int, trust: float) -> float:
    """Least proportion that is not refuted at this trust, from 0 to 1."""
    _check(wrong, judged, trust)
    return 0.0 if wrong == 0 else beta_quantile(1 - trust, wrong, judged - wrong + 1)


def _check(wrong: int, judged: int, trust: float) -> None:
    if not 0 <= wrong <= judged:
        raise InvalidInput(f"{wrong} wrong of {judged} judged: from 0 to all of them can be wrong")
    if not 0.5 <= trust < 1:
        raise InvalidInput(f"a trust of {trust!r} says nothing: give one from 0.5 to below 1, as 0.95")


def is_bounded(strata: Iterable[Stratum], bound: float, trust: float) -> bool:
    """Whether the share of wrong cases over all strata is at most ``bound``, at this trust.

    Equal to ``upper_limit(wrong, judged, trust) <= bound`` where every judged case stands for as many cases.
    """
    shape = _matched([stratum for stratum in strata if stratum.judged])
    return shape is not None and beta_cdf(bound, *shape) >= trust


def weighted_upper_limit(strata: Iterable[Stratum], trust: float) -> float:
    """Greatest share of wrong cases over all strata that is not refuted at this trust, from 0 to 1."""
    shape = _matched([stratum for stratum in strata if stratum.judged])
    return 1.0 if shape is None else beta_quantile(trust, *shape)


def _matched(strata: list[Stratum]) -> tuple[float, float] | None:
    """Parameters of the beta distribution whose quantiles are the limits; None where nothing is refuted."""
    cases = sum(stratum.cases for stratum in strata)
    if not cases:
        return None
    weights = [stratum.cases / (stratum.judged * cases) for stratum in strata]
    greatest = max(weights)
    rate = sum(weight * stratum.wrong for weight, stratum in zip(weights, strata, strict=True)) + greatest
    spread = sum(weight**2 * stratum.wrong for weight, stratum in zip(weights, strata, strict=True)) + greatest**2
    a, b = rate**2 / spread, rate / spread - rate**2 / spread + 1
    return None if rate > 1 else (a, b)
