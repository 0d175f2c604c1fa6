"""What a run is after its events; ``folding.evolve`` makes it, and nothing else knows the current state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from domain.kernel.reuse import Cost
from domain.runs.entries import Journal
from domain.runs.events import (
    ModelCallAnswered,
    RunFailed,
    VerdictReached,
)
from domain.runs.parts import Fault, Level
from domain.runs.planning import (
    AgentPinned,
    ProgramCompiled,
    ProgramReused,
    ReuseSettled,
    RunRouted,
)
from domain.runs.task import ForkPoint, Task


class Phase(StrEnum):
    """How far a run has come. Being paused and waiting for a person are beside it."""

    NEW = "new"
    SUBMITTED = "submitted"
    ROUTED = "routed"
    PLANNED = "planned"
    EXECUTING = "executing"
    JUDGED = "judged"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})


class Settlement(StrEnum):
    """What the journal knows of one effect."""

    REQUESTED = "requested"
    COMPLETED = "completed"
    FAILED = "failed"
    DENIED = "denied"
    UNKNOWN = "unknown"
    AWAITING_APPROVAL = "awaiting approval"
    APPROVED = "approved"
    SLEEPING = "sleeping"


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect in the journal."""

    settlement: Settlement
    tool: str
    request_digest: str
    arguments: Any = None
    """Encoded, by parameter name."""
    result: Any = None
    """Encoded, when completed."""
    error: Fault | None = None
    due: str | None = None
    by_person: bool = False
    """Whether a person settled it, so that its result needs no trace of an execution."""
    inherited: bool = False
    """Whether the parent of a fork settled it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who drives the run, and until when without a further word."""

    worker: str
    epoch: int
    deadline: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What the run has used so far."""

    tool_calls: int = 0
    tokens: int = 0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Draft:
    """One plan, and why it was rejected, if it was."""

    source: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Precedent:
    """What answers in place of the model: a program, or the answer to another question of the same meaning."""

    level: Level
    entry: str
    saved: Cost


@dataclass(frozen=True)
class Run:
    """State of one run."""

    phase: Phase = Phase.NEW
    paused: bool = False
    task: Task | None = None
    forked_from: ForkPoint | None = None
    live: bool = False
    """Whether it has asked anything of the world itself; a fork that has inherits no more."""
    route: str | None = None
    routing: RunRouted | None = None
    deadline: str | None = None
    """End of the active time; None while it stands still."""
    remaining: float | None = None
    """Seconds of active time left while it stands still."""
    claim: Claim | None = None
    drafts: tuple[Draft, ...] = ()
    answers: Mapping[str, ModelCallAnswered] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    """Model calls requested: effect key -> request digest."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """How often each was requested; all but the last are lost where none of them is answered."""
    refusals: Mapping[str, Fault] = field(default_factory=dict)
    """Model calls that failed."""
    program: ProgramCompiled | None = None
    agent: AgentPinned | None = None
    refuted: tuple[ReuseSettled, ...] = ()
    """What was reused and did not do, after each of which the run was routed anew."""
    journal: Journal = field(default_factory=Journal)
    waiting: frozenset[str] = frozenset()
    """Effects that wait for a person."""
    spent: Spent = Spent()
    verdict: VerdictReached | None = None
    output: Any = None
    error: RunFailed | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.phase in ENDED

    @property
    def reused(self) -> ProgramReused | None:
        """The published program that it executes, if it does not execute one of its own."""
        return self.program if isinstance(self.program, ProgramReused) else None

    @property
    def precedent(self) -> Precedent | None:
        """What answers in place of the model, by its likeness and not because the very same was asked before."""
        if (program := self.reused) is not None:
            return Precedent("L4", program.entry, program.saved)
        answer = self.answers.get(f"plan/{len(self.drafts)}")
        if answer is None or answer.entry is None or answer.source != "cache":
            return None
        return Precedent("L3", answer.entry, answer.saved)

    @property
    def pinned(self) -> ProgramCompiled | AgentPinned | None:
        """What the run executes: a program, or an agent."""
        return self.program or self.agent

    @property
    def accepted_task(self) -> Task:
        """The task; only after submission."""
        assert self.task is not None, "a run has a task from its first event on"
        return self.task


EMPTY: Final = Run()
