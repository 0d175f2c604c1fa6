"""What events of runs are made of. Shapes here are persisted: they never change, only grow."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from domain.kernel.events import DomainEvent
from domain.kernel.reuse import MissCode

Role = Literal["router", "planner", "compiler", "guard", "executor", "critic", "operator", "controller"]


class Decision(BaseModel):
    """Who chose what, among which options, why, and the digest of what was seen."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    role: Role
    chosen: str
    options: tuple[str, ...]
    reason: str
    saw: str


class Fault(BaseModel):
    """What went wrong: a stable type and a message for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: str
    message: str


class RunEvent(DomainEvent):
    """An event of a run. ``ROLE`` decides it."""

    ROLE: ClassVar[Role] = "controller"


class PinnedModule(BaseModel):
    """The text of a module that a program was compiled with."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: str
    digest: str


class PinnedEffect(BaseModel):
    """One capability of the effect row, at the version that the program was compiled against."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: str
    version: str
    mode: str


Level = Literal["L1", "L2", "L3", "L4"]
"""What is reused: a delegation, an exact answer, the answer to a question of the same meaning, a program."""


class EvidenceTerms(BaseModel):
    """Terms under which evidence decided: how much may be wrong, and what is paid to know it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    bound: float
    trust: float
    explore_one_in: int
    judge_one_in: int
    near: float
    floor: float
    judged: int


class Lookup(BaseModel):
    """What one level of reuse had to say: every hit, and every miss with its reason."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    ADDED: ClassVar[frozenset[str]] = frozenset({"threshold", "stands_for", "code", "terms"})
    level: Level
    outcome: Literal["hit", "miss", "explore", "shadow"]
    """``explore`` and ``shadow``: something was found that might answer, and the model is asked all the same, to
    compare."""
    reason: str
    entry: str | None = None
    """Id of the cache entry or program that was found."""
    score: float | None = None
    """How well it fits, where it was found by its meaning: of level L4 the cosine similarity."""
    threshold: float | None = None
    """What the score had to reach, where evidence says so; above 1 where nothing could."""
    stands_for: int = 1
    """Of what is compared: how many look-ups like it this one stands for, where one in so many is."""
    tier: Literal["process", "shared", "database", "log"] | None = None
    """Where it was found."""
    duration: float = 0.0
    """Seconds."""
    code: MissCode | None = None
    """Of a miss: which of the reasons it is; None in what was written before there were codes."""
    terms: EvidenceTerms | None = None
    """Where evidence decided: the terms that held."""

    @property
    def is_of_same_goal(self) -> bool:
        """Of a hit: whether it answered the very goal that it was made for, for which no evidence is needed."""
        return self.outcome == "hit" and self.threshold is None
