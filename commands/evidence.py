"""What this process knows of how likeness relates to right answers, by namespace and level, from what it has heard."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Final

from domain.cache.events import CACHE_EVENTS, ReuseJudged
from domain.cache.evidence import EntryEvidence, Evidence, Observation
from domain.cache.semantic import CLOSED, Policy, threshold_of
from domain.kernel.events import EventCatalog, Recorded
from domain.runs.parts import EvidenceTerms

CATALOG: Final = EventCatalog(CACHE_EVENTS)

Scope = tuple[str, str, str]
"""Tenant, namespace, level."""


@cache
def terms_of(policy: Policy) -> EvidenceTerms:
    """The policy as it is recorded beside what it decided."""
    return EvidenceTerms(**asdict(policy))


@dataclass(slots=True)
class EvidenceBook:
    """A fold over ``ReuseJudged`` events, and the thresholds that follow from it."""

    policy: Policy = field(default_factory=Policy)
    _known: dict[Scope, Evidence] = field(default_factory=dict)
    _own: dict[tuple[str, str], EntryEvidence] = field(default_factory=dict)
    """By tenant and entry, as many as were judged. None is forgotten: what was wrong must not be taken for unknown."""
    _thresholds: dict[Scope, float] = field(default_factory=dict)

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``. Raises ``InvalidInput``."""
        event = CATALOG.decode(recorded)
        if isinstance(event, ReuseJudged):
            self.observe(recorded.stream.tenant, event)

    def observe(self, tenant: str, event: ReuseJudged) -> None:
        """Fold in one judgement. Raises ``InvalidInput``."""
        seen = Observation(
            score=max(0.0, min(1.0, event.score)),
            correct=event.correct,
            stands_for=event.stands_for,
            source=event.source,
            reusable=event.reusable,
            judge=event.judge,
        )
        scope = (tenant, event.namespace, event.level)
        self._known[scope] = self._known.get(scope, Evidence(bound=self.policy.bound)).observe(seen)
        self._thresholds.pop(scope, None)
        own = (tenant, event.entry)
        self._own[own] = self._own.get(own, EntryEvidence()).observe(seen)

    def threshold(self, tenant: str, namespace: str, level: str, otherwise: float = CLOSED) -> float:
        """The score from which on reuse is within the bound.

        ``otherwise`` holds until evidence moves it: down when the evidence bounds a lower score, up when an answer at
        or above it was wrong.
        """
        scope = (tenant, namespace, level)
        known = self._known.get(scope)
        if known is None:
            return otherwise
        if scope not in self._thresholds:
            self._thresholds[scope] = threshold_of(known, self.policy)
        found = self._thresholds[scope]
        return found if found < otherwise or self._refuted(known, otherwise) else otherwise

    def own(self, tenant: str, entry: str) -> EntryEvidence:
        """What is known of one entry."""
        return self._own.get((tenant, entry), EntryEvidence())

    @staticmethod
    def _refuted(known: Evidence, from_score: float) -> bool:
        strata = list(known.strata())
        above = strata[: max(0, round((1 - from_score) * len(strata)))]
        return any(stratum.wrong for stratum in above)
