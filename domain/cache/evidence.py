"""What is known of how likeness relates to right answers: counts by score, for a namespace and for each entry.

An observation is one proposal of which it is known whether the entry's answer was right. Evidence is a fold over
observations, bounded in memory, in which their order within a window does not matter. Windows let it follow a world
that changes: it always rests on the last ``WINDOW`` to ``2 * WINDOW`` observations.

A world that turns at once is not waited for: an alarm multiplies, over the judged sample of hits, how much likelier
each outcome is if ten times too many were wrong than if only as many as allowed were, and never lets the product fall
below one (the CUSUM of Page, Biometrika 41, 1954; as an e-detector its mean time to a false alarm is at least
``ALARM`` such samples: Shin, Ramdas and Rinaldo, arXiv 2203.03532). When it reaches ``ALARM``, all evidence is dropped
and the namespace is closed until it has earned trust anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, Literal

from domain.cache.confidence import Stratum
from domain.kernel.errors import InvalidInput

BINS: Final = 200
"""Scores are counted in steps of 0.005."""

WINDOW: Final = 8_192
"""Observations after which a new window begins and the window before the last is forgotten."""

ALARM: Final = 1_000.0
_TEN_TIMES: Final = 10
_WHOLE: Final = 10
"""A sample that stands for so many hits counts as one in the alarm; one that stands for fewer counts in part."""

Source = Literal["exploration", "feedback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One proposal whose answer was judged."""

    score: float
    """What ``semantic.score_of`` gave the proposal, from 0 to 1."""
    correct: bool
    stands_for: int = 1
    """How many proposals like it this one stands for: N, where one in N was judged."""
    source: Source = "exploration"
    reusable: bool = False
    """Whether the proposal was reused, or would have been had it not been sampled."""
    judge: str
    """Who compared, by name and version: a model, a rule, a person."""

    def __post_init__(self) -> None:
        checked_score(self.score)
        if self.stands_for < 1:
            raise InvalidInput(f"an observation stands for {self.stands_for} proposals: at least for itself")


def checked_score(score: float) -> float:
    """The score itself, if it is one. Raises ``InvalidInput``."""
    if not (isfinite(score) and 0 <= score <= 1):
        raise InvalidInput(f"score {score!r} is none: scores are numbers from 0 to 1")
    return score


def bin_of(score: float) -> int:
    """Where a score is counted: bin i holds scores from i / BINS to below (i + 1) / BINS, the last one 1 too."""
    return min(BINS - 1, int(score * BINS))


_NONE: Final = (0,) * BINS


@dataclass(frozen=True, slots=True)
class Window:
    """Counts by bin."""

    judged: tuple[int, ...] = _NONE
    wrong: tuple[int, ...] = _NONE
    cases: tuple[int, ...] = _NONE
    """Proposals that the judged ones stand for."""

    def observe(self, seen: Observation) -> Window:
        """Count one more."""
        at = bin_of(seen.score)
        return Window(
            _added(self.judged, at, 1),
            self.wrong if seen.correct else _added(self.wrong, at, 1),
            _added(self.cases, at, seen.stands_for),
        )


def _added(counts: tuple[int, ...], at: int, more: int) -> tuple[int, ...]:
    return (*counts[:at], counts[at] + more, *counts[at + 1 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known in a namespace."""

    bound: float = 0.02
    """Share of wrong hits that the alarm is about; that of the policy."""
    current: Window = Window()
    before: Window = Window()
    judged: int = 0
    """Observations in the current window."""
    suspicion: float = 1.0
    """The product of the alarm."""
    alarms: int = 0
    """How often all evidence was dropped."""

    def observe(self, seen: Observation) -> Evidence:
        """Fold in one more observation.

        Who speaks up is no sample: feedback that an answer was right is of its entry alone and changes nothing here;
        feedback that one was wrong counts as an observation, which can only make reuse stricter.
        """
        if seen.source == "feedback" and seen.correct:
            return self
        suspicion = self._suspicion(seen) if seen.reusable else self.suspicion
        if suspicion >= ALARM:
            return Evidence(bound=self.bound, alarms=self.alarms + 1)
        grown = self.current.observe(replace(seen, stands_for=1) if seen.source == "feedback" else seen)
        if self.judged + 1 < WINDOW:
            return replace(self, current=grown, judged=self.judged + 1, suspicion=suspicion)
        return replace(self, current=Window(), before=grown, judged=0, suspicion=suspicion)

    def _suspicion(self, seen: Observation) -> float:
        many = min(0.5, _TEN_TIMES * self.bound)
        likelier = (1 - many) / (1 - self.bound) if seen.correct else many / self.bound
        return max(1.0, self.suspicion * float(likelier ** min(1.0, seen.stands_for / _WHOLE)))

    def strata(self) -> Iterator[Stratum]:
        """Counts by bin, the highest scores first."""
        both = (self.current, self.before)
        for at in range(BINS - 1, -1, -1):
            yield Stratum(
                sum(window.judged[at] for window in both),
                sum(window.wrong[at] for window in both),
                sum(window.cases[at] for window in both),
            )


@dataclass(frozen=True, slots=True)
class EntryEvidence:
    """What is known of one entry."""

    right: int = 0
    wrong: int = 0
    highest_wrong: float = 0.0
    """Highest score at which it was wrong."""

    def observe(self, seen: Observation) -> EntryEvidence:
        """Fold in one more observation of this entry, in any order."""
        if seen.correct:
            return replace(self, right=self.right + 1)
        return replace(self, wrong=self.wrong + 1, highest_wrong=max(self.highest_wrong, seen.score))
