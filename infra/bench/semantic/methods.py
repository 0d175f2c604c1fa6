"""The rules that are compared. Each is asked about one request after the other, and told what the model answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, Protocol

from domain.cache.evidence import EntryEvidence, Evidence, Observation
from domain.cache.gates import Refusal
from domain.cache.proposing import Near, propose
from domain.cache.semantic import CLOSED, NEIGHBOURS, Policy, Proposal, Verdict, decide, threshold_of
from infra.bench.semantic.vcache import Learned

JUDGE: Final = "equality"

Action = Literal["reuse", "ask", "judge"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a method does with a request."""

    action: Action
    """``reuse`` the entry's answer; ``ask`` the model; or ask it and have the two answers compared."""
    entry: str = ""


class Method(Protocol):
    """One rule and what it has learned."""

    @property
    def name(self) -> str:
        """As it is shown."""
        ...

    @property
    def neighbours(self) -> int:
        """How many near entries it looks at."""
        ...

    def choose(self, asked: str, near: Sequence[Near], draw: str) -> Choice:
        """Decide about one request. ``draw`` is different for every request."""
        ...

    def learn(self, *, right: bool) -> bool:
        """Hear whether the entry of the last choice was right; give whether the request is to be stored."""
        ...


@dataclass(slots=True)
class Fixed:
    """Reuse the nearest from a fixed similarity on."""

    threshold: float
    neighbours: int = 1

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"fixed {self.threshold:g}"

    def choose(self, asked: str, near: Sequence[Near], draw: str) -> Choice:  # noqa: ARG002
        """Compare the similarity."""
        if near and near[0].similarity >= self.threshold:
            return Choice("reuse", near[0].entry)
        return Choice("ask")

    def learn(self, *, right: bool) -> bool:  # noqa: ARG002
        """Store everything."""
        return True


@dataclass(slots=True)
class VCache:
    """See ``vcache``."""

    delta: float = 0.02
    name: str = "vCache, 2 %"
    neighbours: int = 1
    _learned: dict[str, Learned] = field(default_factory=dict)
    _last: Near | None = None

    def choose(self, asked: str, near: Sequence[Near], draw: str) -> Choice:  # noqa: ARG002
        """Ask with the probability that the nearest entry's observations demand."""
        self._last = near[0] if near else None
        if self._last is None:
            return Choice("ask")
        asks = self._learned.setdefault(self._last.entry, Learned()).asks(self._last.similarity, self.delta)
        drawn = int.from_bytes(sha256(draw.encode()).digest()[:8], "big") / 2**64
        return Choice("judge" if drawn <= asks else "reuse", self._last.entry)

    def learn(self, *, right: bool) -> bool:
        """Add the observation; store what the nearest entry could not answer."""
        if self._last is None:
            return True
        self._learned[self._last.entry].observe(max(0.0, self._last.similarity), right=right)
        return not right


@dataclass(slots=True)
class Bounded:
    """The product's own rule: ``domain.cache``."""

    name: str = "Precedent"
    policy: Policy = field(default_factory=Policy)
    gated: bool = True
    voting: bool = True
    """Whether the answers of other near entries are looked at."""
    neighbours: int = NEIGHBOURS
    evidence: Evidence = field(default_factory=Evidence)
    threshold: float = CLOSED
    _own: dict[str, EntryEvidence] = field(default_factory=dict)
    _last: tuple[Proposal, Verdict] | None = None

    def choose(self, asked: str, near: Sequence[Near], draw: str) -> Choice:
        """Propose, then decide by the evidence."""
        self._last = None
        proposal = self._proposed(asked, near)
        if isinstance(proposal, Refusal):
            return Choice("ask")
        own = self._own.get(proposal.entry, EntryEvidence())
        verdict = decide(proposal, self.threshold, own, self.policy, draw)
        if verdict.action == "miss":
            return Choice("ask")
        self._last = (proposal, verdict)
        return Choice("reuse" if verdict.action == "reuse" else "judge", proposal.entry)

    def _proposed(self, asked: str, near: Sequence[Near]) -> Proposal | Refusal:
        if self.gated:
            found = propose(asked, near)
        elif near:
            first, *others = near[:NEIGHBOURS]
            found = Proposal(
                entry=first.entry,
                similarity=first.similarity,
                agreeing=tuple(other.similarity for other in others if other.answer == first.answer),
                differing=tuple(other.similarity for other in others if other.answer != first.answer),
            )
        else:
            return Refusal("similarity", "nothing is near")
        if self.voting or isinstance(found, Refusal):
            return found
        return Proposal(entry=found.entry, similarity=found.similarity)

    def learn(self, *, right: bool) -> bool:
        """Fold the observation in and move the threshold."""
        if self._last is None:
            return True
        proposal, verdict = self._last
        seen = Observation(
            score=verdict.score,
            correct=right,
            stands_for=verdict.stands_for,
            reusable=verdict.score >= verdict.threshold,
            judge=JUDGE,
        )
        self.evidence = self.evidence.observe(seen)
        self._own[proposal.entry] = self._own.get(proposal.entry, EntryEvidence()).observe(seen)
        self.threshold = threshold_of(self.evidence, self.policy)
        return True


PRODUCT: Final = "Precedent"


def compared() -> list[Method]:
    """Give all methods of the report, each with nothing learned."""
    return [
        *(Fixed(threshold) for threshold in (0.8, 0.9, 0.95, 0.99)),
        VCache(),
        Bounded(name="Precedent, by similarity alone", voting=False),
        Bounded(name="Precedent, without gates", gated=False),
        Bounded(name=PRODUCT),
    ]
