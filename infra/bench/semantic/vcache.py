"""vCache's rule, the baseline: a threshold for every entry, learned from that entry's own observations.

Schroeder et al., "vCache: Verified Semantic Prompt Caching", arXiv 2502.03771, section 4. For an entry with
observations (similarity s, right or not): 1. fit the probability of a right answer as 1 / (1 + exp(-g (s - t)));
2. for each e of a grid, take the upper (1 - e) limit t'(e) of the estimate of t (delta method) and with it the lower
limit a(e) = (1 - e) / (1 + exp(-g (s - t'(e)))) of the probability that the answer is right; 3. ask the model with
probability min over e of 1 - delta / (1 - a(e)), which keeps wrong answers below delta of the requests that the entry
is nearest to. As there, every entry starts with the observations (0, wrong) and (1, right), nothing is reused before
six, and a request is stored only if the nearest answer was wrong for it.

Where right and wrong observations are separated, no finite fit exists. The estimate of t is then the middle of the gap,
its variance that of a uniform distribution over it (the paper's authors take theirs from a simulation), and the
steepness that at which a descent would stop, the gradient of the likelihood being below 1e-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Final

FEWEST: Final = 6
_FLAT: Final = 1e8
_STEPS: Final = 50
_GRID: Final = tuple(1e-6 + (1 - 2e-6) * step / 49 for step in range(_STEPS))
_UPPER: Final = tuple(NormalDist().inv_cdf(1 - epsilon) for epsilon in _GRID)


@dataclass(frozen=True, slots=True)
class Fit:
    """What the observations of an entry say of its threshold."""

    threshold: float
    steepness: float
    deviation: float
    """Standard deviation of the estimate of the threshold."""


@dataclass(slots=True)
class Learned:
    """An entry's observations."""

    seen: list[tuple[float, bool]] = field(default_factory=lambda: [(0.0, False), (1.0, True)])
    _fit: Fit | None = None

    def observe(self, similarity: float, *, right: bool) -> None:
        """Add one."""
        self.seen.append((similarity, right))
        self._fit = None

    def asks(self, similarity: float, delta: float) -> float:
        """Probability with which the model is asked, from 0 to 1."""
        if len(self.seen) < FEWEST:
            return 1.0
        if self._fit is None:
            self._fit = fitted(self.seen)
        fit = self._fit
        least = 1.0
        for epsilon, deviations in zip(_GRID, _UPPER, strict=True):
            limit = max(0.0, min(1.0, fit.threshold + deviations * fit.deviation))
            right = (1 - epsilon) * _logistic(fit.steepness, similarity - limit)
            least = min(least, 1 - delta / (1 - right))
        return max(0.0, least)


def fitted(seen: Sequence[tuple[float, bool]]) -> Fit:
    """The most likely threshold and steepness, by Newton's method, and how sure the threshold is."""
    lowest_right = min(similarity for similarity, right in seen if right)
    highest_wrong = max(similarity for similarity, right in seen if not right)
    if lowest_right > highest_wrong:
        gap = lowest_right - highest_wrong
        return Fit((lowest_right + highest_wrong) / 2, 2 * log(_FLAT) / gap, gap / sqrt(12))
    intercept, slope = 0.0, 1.0
    for _ in range(60):
        aa = ab = bb = ga = gb = 0.0
        for similarity, right in seen:
            p = _logistic(1.0, intercept + slope * similarity)
            weight = max(p * (1 - p), 1e-12)
            aa, ab, bb = aa + weight, ab + weight * similarity, bb + weight * similarity**2
            ga, gb = ga + right - p, gb + (right - p) * similarity
        determinant = aa * bb - ab * ab
        if determinant <= 1e-18:
            break
        step_a, step_b = (bb * ga - ab * gb) / determinant, (aa * gb - ab * ga) / determinant
        shorter = min(1.0, 5.0 / max(abs(step_a), abs(step_b), 1e-300))
        intercept, slope = intercept + shorter * step_a, slope + shorter * step_b
        if max(abs(step_a), abs(step_b)) < 1e-10:
            break
    slope = max(slope, 1e-6)
    by_a, by_b = -1 / slope, intercept / slope**2
    variance = (bb * by_a**2 - 2 * ab * by_a * by_b + aa * by_b**2) / max(determinant, 1e-18)
    return Fit(max(0.0, min(1.0, -intercept / slope)), slope, sqrt(max(0.0, variance)))


def _logistic(steepness: float, distance: float) -> float:
    z = steepness * distance
    return 1 / (1 + exp(-z)) if z > -700 else 0.0
