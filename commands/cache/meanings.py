"""A question apart: its goal, which is compared by meaning, and everything else, which must be the same."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

import orjson

from domain.cache.keys import CacheKey
from domain.kernel.embedding import Embedding
from domain.kernel.values import bytes_of_text, digest_json

KIND: Final = "answer"
"""What an answer's point in the vector index is labelled with."""

LONGEST_GOAL: Final = 4_000
"""Bytes of a goal in UTF-8: its text is a label of its point. Nobody knows what a longer one is alike to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A question of a run. Its goal may be answered with what another goal was, if all the rest is the same."""

    tenant: str
    namespace: str
    version: str
    """Identity of the model."""
    parameters: str
    """Digest of everything but the goal."""
    goal: str
    run: str
    draw: str
    """Decides which proposals are explored: another one for each run, and nothing that who asks can choose."""

    def key(self, goal: str | None = None) -> CacheKey:
        """What the question is kept by, or what one with another goal and the same rest is. Raises ``InvalidInput``."""
        asked = self.goal if goal is None else goal
        digest = digest_json({"goal": asked, "parameters": self.parameters})
        return CacheKey(self.namespace, "L3", "model", self.version, digest)

    @property
    def labels(self) -> dict[str, str]:
        """What points must have in common."""
        return among(KIND, self.tenant, self.namespace, self.parameters)


def among(kind: str, tenant: str, namespace: str, shared: str) -> dict[str, str]:
    """The label that points have in common with those they are compared with; ``shared``: what must be equal besides.

    One label and not four: an engine checks every further condition on every candidate, and most hold for all of them.
    Among 100,000 points that took six times as long as the search.
    """
    return {"among": orjson.dumps([kind, tenant, namespace, shared]).decode()}


def point_id(tenant: str, entry: str) -> str:
    """Id of an entry's point: tenants may have entries with the same key, and share an index."""
    return str(UUID(hex=sha256(f"{tenant}/{entry}".encode()).hexdigest()[:32]))


def recorded_point(embedder: str, dimensions: int, made_by: str, vector: str) -> Embedding | None:
    """A point as an event has it (Base64); None where another embedder made it, or it has another size.

    Raises ``EmbeddingInvalid``, ``ValueNotDecodable``.
    """
    if made_by != embedder:
        return None
    found = Embedding(made_by, bytes_of_text(vector)).checked()
    return found if found.dimensions == dimensions else None
