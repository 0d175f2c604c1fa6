"""How wrong it may really be, given what was seen.

1. An upper limit on a proportion after ``wrong`` of ``judged``: the ``trust`` quantile of Beta(wrong + 1, judged -
   wrong) (Clopper and Pearson, Biometrika 26, 1934). It is for looking once, so reports use it.
2. A test that may be looked at after every observation, so thresholds are moved by it: the likelihood of what was seen,
   averaged over all rates below the bound, against its likelihood at the bound. While the rate is at the bound or
   above, that ratio is a supermartingale that starts at one, so the probability that it ever reaches 1 / (1 - trust)
   is at most 1 - trust (Ville; Robbins, Annals of Mathematical Statistics 41, 1970).
3. Where observations stand for unequal numbers of cases, the rate is a weighted sum. Fay and Feuer (Statistics in
   Medicine 16, 1997) match its mean and variance with one more event of the greatest weight; the match gives the
   equal-weight counts that would say as much. With equal weights it changes nothing; otherwise it is an approximation.

The incomplete beta function is the continued fraction of DLMF 8.17.22.
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
    """Whether the share of wrong cases over all strata is at most ``bound``, at this trust, however often it is asked.

    One more right answer never turns a yes into a no, one more wrong answer never a no into a yes.
    """
    if not 0 < bound < 1:
        raise InvalidInput(f"bound {bound!r} is none: give one above 0 and below 1")
    counts = _matched([stratum for stratum in strata if stratum.judged])
    if counts is None:
        return False
    wrong, judged = counts
    # No rate below the bound explains more wrong answers than that better than the bound itself.
    return wrong < bound * judged and log_ratio(wrong, judged, bound) >= -log1p(-trust)


def log_ratio(wrong: float, judged: float, bound: float) -> float:
    """Logarithm of the likelihood averaged over rates from 0 to ``bound``, divided by the likelihood at ``bound``."""
    below = beta_cdf(bound, wrong + 1, judged - wrong + 1)
    if below < _TINY:
        return float("-inf")
    averaged = lgamma(wrong + 1) + lgamma(judged - wrong + 1) - lgamma(judged + 2) + log(below) - log(bound)
    return averaged - wrong * log(bound) - (judged - wrong) * log1p(-bound)


def _matched(strata: list[Stratum]) -> tuple[float, float] | None:
    """Wrong and judged in equal weights that say as much; None where too little was judged to say anything."""
    cases = sum(stratum.cases for stratum in strata)
    if not cases:
        return None
    weights = [stratum.cases / (stratum.judged * cases) for stratum in strata]
    greatest = max(weights)
    rate = sum(weight * stratum.wrong for weight, stratum in zip(weights, strata, strict=True)) + greatest
    spread = sum(weight**2 * stratum.wrong for weight, stratum in zip(weights, strata, strict=True)) + greatest**2
    if rate >= 1:
        return None
    return rate**2 / spread - 1, rate / spread
