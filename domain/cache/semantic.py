"""Whether an answer may be given again to a like request: similarity proposes, evidence disposes.

The bound is on wrong hits / hits. The threshold of a namespace is the lowest score for which the evidence bounds the
share of wrong answers among proposals at and above it (``confidence.is_bounded``). A known share of the proposals is
explored: the model is asked all the same, a judge compares, and the comparison is an observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import exp, log
from typing import Final, Literal

from domain.cache.confidence import Stratum, is_bounded
from domain.cache.evidence import BINS, EntryEvidence, Evidence, checked_score
from domain.kernel.errors import InvalidInput
from domain.kernel.reuse import Miss

CLOSED: Final = 2.0
"""The threshold of a namespace in which nothing may be reused: above every score."""

SHARPNESS: Final = 8.0
NOBODY: Final = 0.6
"""Constants of ``score_of``, chosen on a development stream that no reported figure is measured on."""

FEWEST: Final = 30
"""Judged proposals in a stratum: bins with fewer are counted together with their neighbours."""

NEIGHBOURS: Final = 10
"""How many near entries a proposal is made of."""

Action = Literal["reuse", "explore", "miss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much may be wrong, and what is paid to know it."""

    bound: float = 0.02
    """Greatest share of hits that may be wrong."""
    trust: float = 0.95
    explore_one_in: int = 10
    """Of proposals that could be reused, one in so many is judged instead."""
    near: float = 0.1
    """So far below the threshold, and everywhere while there is none, all proposals are judged: they cost a model call
    anyway, and what is learned there moves the threshold."""
    judge_one_in: int = 10
    """Of proposals further below, one in so many is judged."""
    floor: float = 0.3
    """Below this score nothing is reused or judged."""
    judged: int = 0
    """Proposals at and above a score that must have been judged before it is a threshold, however right they were."""

    def __post_init__(self) -> None:
        checked_score(self.floor)
        checked_score(self.near)
        if not 0 < self.bound < 1 or not 0.5 <= self.trust < 1:
            raise InvalidInput(
                f"bound {self.bound!r} and trust {self.trust!r}: give above 0 to below 1, 0.5 to below 1"
            )
        if self.explore_one_in < 2 or self.judge_one_in < 1:
            raise InvalidInput(
                f"explore_one_in {self.explore_one_in} and judge_one_in {self.judge_one_in}: give at least 2 and 1"
            )
        if self.judged < 0:
            raise InvalidInput(f"judged {self.judged}: as many proposals cannot have been judged; give 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the index found near a request."""

    entry: str
    """Id of the nearest entry, whose answer is proposed."""
    similarity: float
    """Cosine of the request and that entry, from -1 to 1."""
    agreeing: tuple[float, ...] = ()
    """Similarities of the other near entries whose stored answer equals the proposed one."""
    differing: tuple[float, ...] = ()
    """Similarities of the other near entries whose stored answer is another."""

    def __post_init__(self) -> None:
        for similarity in (self.similarity, *self.agreeing, *self.differing):
            if not -1 <= similarity <= 1:
                raise InvalidInput(f"similarity {similarity!r} is no cosine: it is from -1 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do with a proposal, and why."""

    action: Action
    """``reuse`` the answer; ``explore``: ask the model and have a judge compare; ``miss``: ask the model."""
    reason: Miss | str
    """Of a miss: with which of the reasons it is."""
    score: float
    threshold: float
    """What the score had to reach; ``CLOSED`` where nothing may be reused."""
    stands_for: int = 1
    """Of an exploration: how many proposals its observation stands for."""


def score_of(proposal: Proposal) -> float:
    """How well the neighbourhood supports the proposed answer, from 0 to 1.

    Every near entry votes for its answer with the weight exp(SHARPNESS * similarity), and one vote at the similarity
    ``NOBODY`` is for none of them. The score is the similarity at which a lone entry would have the same odds, so of a
    lone entry it is the similarity itself. Any function would do for the bound; a good one gives more hits.
    """
    if not (proposal.agreeing or proposal.differing):
        return max(0.0, proposal.similarity)
    pro = sum(exp(SHARPNESS * similarity) for similarity in (proposal.similarity, *proposal.agreeing))
    contra = sum(exp(SHARPNESS * similarity) for similarity in (NOBODY, *proposal.differing))
    return min(1.0, max(0.0, NOBODY + log(pro / contra) / SHARPNESS))


def threshold_of(evidence: Evidence, policy: Policy) -> float:
    """Lowest score at which reuse is within the bound, ``CLOSED`` if there is none.

    Takes some milliseconds: keep it until the evidence changes.
    """
    above: list[Stratum] = []
    candidates: list[tuple[float, list[Stratum]]] = []
    for below_top, found in enumerate(evidence.strata(), 1):
        score = (BINS - below_top) / BINS
        if score < policy.floor:
            break
        if not found.judged:
            continue
        above.append(_together(above.pop(), found) if above and above[-1].judged < FEWEST else found)
        candidates.append((score, _evened(above)))
    for score, strata in reversed(candidates):
        judged = sum(stratum.judged for stratum in strata)
        if judged >= policy.judged and is_bounded(strata, policy.bound, policy.trust):
            return score
    return CLOSED


def _evened(strata: list[Stratum]) -> list[Stratum]:
    """The strata as they are now, the last one counted together with the one before if it has too few of its own."""
    *rest, last = strata
    if not rest or last.judged >= FEWEST:
        return [*strata]
    return [*rest[:-1], _together(rest[-1], last)]


def _together(one: Stratum, other: Stratum) -> Stratum:
    return Stratum(one.judged + other.judged, one.wrong + other.wrong, one.cases + other.cases)


def decide(proposal: Proposal, threshold: float, own: EntryEvidence, policy: Policy, request_digest: str) -> Verdict:
    """Reuse, explore or miss. The digest of the request, not chance, says which ones are explored."""
    score = score_of(proposal)
    if score < policy.floor:
        return Verdict(action="miss", reason=Miss("unlike", "not alike"), score=score, threshold=policy.floor)
    needed = max(threshold, _own_threshold(own))
    if score >= needed:
        if _chosen(request_digest, policy.explore_one_in):
            return Verdict(
                action="explore",
                reason="sample of hits",
                score=score,
                threshold=needed,
                stands_for=policy.explore_one_in,
            )
        return Verdict(action="reuse", reason="within the bound", score=score, threshold=needed)
    one_in = 1 if threshold == CLOSED or score >= threshold - policy.near else policy.judge_one_in
    action: Action = "explore" if _chosen(request_digest, one_in) else "miss"
    return Verdict(action=action, reason=_below(score, threshold), score=score, threshold=needed, stands_for=one_in)


def _below(score: float, threshold: float) -> Miss:
    if threshold == CLOSED:
        return Miss("unproven", "nothing may be reused yet")
    if score < threshold:
        return Miss("below", "below the threshold")
    return Miss("refuted", "this entry was wrong at such a score")


def _own_threshold(own: EntryEvidence) -> float:
    return own.highest_wrong + 1 / BINS if own.wrong > own.right else 0.0


def _chosen(request_digest: str, one_in: int) -> bool:
    drawn = int.from_bytes(sha256(f"explore:{request_digest}".encode()).digest()[:8], "big")
    return drawn % one_in == 0
