"""From the near entries that an index found to one proposal: the nearest that the gates let pass, and who agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.cache.gates import Refusal, Text, refusal
from domain.cache.semantic import NEIGHBOURS, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """An entry near to a request."""

    entry: str
    text: str
    """What was asked when the entry was made."""
    answer: str
    """Digest of its stored answer: equal answers have equal digests."""
    similarity: float
    """Cosine, from -1 to 1."""


def propose(asked: str, near: Sequence[Near]) -> Proposal | Refusal:
    """Propose the nearest entry that no gate refuses; the others vote, whether the gates would let them or not.

    ``near`` is nearest first; entries beyond ``NEIGHBOURS`` are not looked at. Where none passes, the nearest one's
    refusal is the reason.
    """
    voting = near[:NEIGHBOURS]
    if not voting:
        return Refusal("similarity", "nothing is near")
    text = Text(asked)
    first: Refusal | None = None
    for place, found in enumerate(voting):
        refused = refusal(text, found.text)
        if refused is None:
            others = [*voting[:place], *voting[place + 1 :]]
            return Proposal(
                entry=found.entry,
                similarity=found.similarity,
                agreeing=tuple(other.similarity for other in others if other.answer == found.answer),
                differing=tuple(other.similarity for other in others if other.answer != found.answer),
            )
        first = first or refused
    assert first is not None
    return first
