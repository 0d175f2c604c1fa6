"""What can happen to a run, one type per way things can go. Shapes here are persisted: they never change, only grow.

``Any`` fields named inputs, arguments, result and output hold encoded values (domain/kernel/values.py).
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from domain.kernel.reuse import Cost
from domain.runs.parts import Decision, Fault, Lookup, Role, RunEvent
from domain.runs.planning import (
    AgentPinned,
    PlanDrafted,
    PlanRejected,
    ProgramCompiled,
    ProgramReused,
    ReuseSettled,
    RunRouted,
    ShadowCompared,
)
from domain.runs.task import ForkPoint, Task


class RunSubmitted(RunEvent):
    """A task was accepted."""

    TYPE: ClassVar[str] = "precedent.run.RunSubmitted.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"forked_from"})
    ROLE: ClassVar[Role] = "operator"
    task: Task
    deadline: str
    """When the active time is used up, unless the run waits or is paused in between."""
    forked_from: ForkPoint | None = None


class RunClaimed(RunEvent):
    """A worker drives the run until the deadline. A higher epoch ends every earlier claim."""

    TYPE: ClassVar[str] = "precedent.run.RunClaimed.v1"
    worker: str
    epoch: int
    deadline: str


class ValueRecorded(RunEvent):
    """The worker gave an agent a value of the moment, as time or chance; recorded, so that a replay gives the same."""

    TYPE: ClassVar[str] = "precedent.run.ValueRecorded.v1"
    ROLE: ClassVar[Role] = "executor"
    effect: str
    kind: Literal["ctx.now", "ctx.random", "ctx.uuid", "ctx.log", "ctx.patched"]
    arguments: Any
    request_digest: str
    result: Any
    source: Literal["executed", "inherited"] = "executed"
    """``inherited``: the parent of a fork was given it."""


class ToolCallRequested(RunEvent):
    """A write or external call is about to happen: recorded first, so that a crash cannot hide it."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallRequested.v1"
    ROLE: ClassVar[Role] = "executor"
    effect: str
    tool: str
    version: str
    arguments: Any
    request_digest: str


class ToolCallCompleted(RunEvent):
    """A tool answered."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallCompleted.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"lookups", "saved"})
    ROLE: ClassVar[Role] = "executor"
    effect: str
    tool: str
    version: str
    arguments: Any = None
    """Present where no ``ToolCallRequested`` came before (pure and read effects)."""
    request_digest: str
    result: Any
    result_digest: str
    source: Literal["executed", "person", "inherited", "cache"] = "executed"
    """``inherited``: the parent of a fork had this answer; ``cache``: an entry had it. The tool was not called."""
    duration: float
    """Seconds."""
    transcript: str | None = None
    """Content address of what the tool printed."""
    lookups: tuple[Lookup, ...] = ()
    """What the levels of reuse said; empty where none was asked."""
    saved: Cost = Cost()
    """What the answer had cost when it was given first, where the tool was not called now."""


class ToolCallFailed(RunEvent):
    """A tool did not answer; the program is told."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallFailed.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"source", "lookups", "saved"})
    ROLE: ClassVar[Role] = "executor"
    effect: str
    tool: str
    version: str
    arguments: Any = None
    request_digest: str
    error: Fault
    duration: float
    transcript: str | None = None
    source: Literal["executed", "inherited", "cache"] = "executed"
    """``cache``: a pure tool is known to fail so, and was not called."""
    lookups: tuple[Lookup, ...] = ()
    """What the levels of reuse said; empty where none was asked."""
    saved: Cost = Cost()
    """What the failure had cost when it came first, where the tool was not called now."""


class ToolCallDenied(RunEvent):
    """The guard refused an effect; the program is told."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallDenied.v1"
    ROLE: ClassVar[Role] = "guard"
    effect: str
    tool: str
    arguments: Any = None
    request_digest: str
    rule: str
    decision: Decision


class ToolCallOutcomeUnknown(RunEvent):
    """A worker vanished between request and outcome of an effect that must not be repeated: a person decides."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallOutcomeUnknown.v1"
    effect: str
    tool: str
    remaining: float
    """Seconds of active time left; the clock stands while a person decides."""


class OutcomeResolved(RunEvent):
    """A person said what to do about an unknown outcome; ``repeat`` does the effect again."""

    TYPE: ClassVar[str] = "precedent.run.OutcomeResolved.v1"
    ROLE: ClassVar[Role] = "operator"
    effect: str
    outcome: Literal["happened", "repeat", "failed"]
    result: Any = None
    result_digest: str | None = None
    note: str
    deadline: str
    decision: Decision


class ModelCallRequested(RunEvent):
    """A model is about to be asked."""

    TYPE: ClassVar[str] = "precedent.run.ModelCallRequested.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"lookups"})
    ROLE: ClassVar[Role] = "planner"
    effect: str
    model: str
    request: Any
    request_digest: str
    lookups: tuple[Lookup, ...] = ()
    """What the levels of reuse said; empty where none was asked."""


class ModelCallAnswered(RunEvent):
    """A model answered, at this cost."""

    TYPE: ClassVar[str] = "precedent.run.ModelCallAnswered.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"source", "saved", "entry", "lost"})
    ROLE: ClassVar[Role] = "planner"
    effect: str
    text: str
    served_model: str
    prompt_tokens: int
    completion_tokens: int
    usd: float
    recorded: bool
    duration: float
    source: Literal["executed", "inherited", "cache"] = "executed"
    """``inherited``: the parent of a fork had this answer, and paid for it; ``cache``: an entry had it."""
    saved: Cost = Cost()
    """What the answer had cost when it was given first, where it was not paid for now."""
    entry: str | None = None
    """The cache entry that had it, where that answers another question of the same meaning (L3)."""
    lost: int = 0
    """Calls under the same key before this one whose answers were lost with their workers. They were paid for too: the
    run is charged for each as for this one, since nobody knows what they cost."""


class ModelCallFailed(RunEvent):
    """A model could not be asked."""

    TYPE: ClassVar[str] = "precedent.run.ModelCallFailed.v1"
    ROLE: ClassVar[Role] = "planner"
    effect: str
    error: Fault
    duration: float


class ApprovalRequested(RunEvent):
    """An effect waits for a person."""

    TYPE: ClassVar[str] = "precedent.run.ApprovalRequested.v1"
    ROLE: ClassVar[Role] = "guard"
    effect: str
    tool: str
    arguments: Any
    request_digest: str
    remaining: float
    decision: Decision


class ApprovalGranted(RunEvent):
    """A person let the effect happen."""

    TYPE: ClassVar[str] = "precedent.run.ApprovalGranted.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"request_digest"})
    ROLE: ClassVar[Role] = "operator"
    effect: str
    note: str
    deadline: str
    decision: Decision
    request_digest: str | None = None
    """Of the request that the person saw; None where a client did not say."""


class ApprovalRefused(RunEvent):
    """A person did not let the effect happen."""

    TYPE: ClassVar[str] = "precedent.run.ApprovalRefused.v1"
    ROLE: ClassVar[Role] = "operator"
    effect: str
    reason: str
    deadline: str
    decision: Decision


class TimerStarted(RunEvent):
    """The program sleeps until ``due``."""

    TYPE: ClassVar[str] = "precedent.run.TimerStarted.v1"
    ROLE: ClassVar[Role] = "executor"
    effect: str
    due: str
    request_digest: str


class TimerFired(RunEvent):
    """The program wakes."""

    TYPE: ClassVar[str] = "precedent.run.TimerFired.v1"
    ROLE: ClassVar[Role] = "executor"
    effect: str


class VerdictReached(RunEvent):
    """The critic judged the output; ``layer`` decided."""

    TYPE: ClassVar[str] = "precedent.run.VerdictReached.v1"
    ROLE: ClassVar[Role] = "critic"
    passed: bool
    layer: Literal["output-type", "postconditions"]
    findings: tuple[str, ...]
    decision: Decision


class RunPaused(RunEvent):
    """A person paused the run."""

    TYPE: ClassVar[str] = "precedent.run.RunPaused.v1"
    ROLE: ClassVar[Role] = "operator"
    reason: str
    remaining: float
    decision: Decision


class RunResumed(RunEvent):
    """A person resumed the run."""

    TYPE: ClassVar[str] = "precedent.run.RunResumed.v1"
    ROLE: ClassVar[Role] = "operator"
    deadline: str
    decision: Decision


class RunCompleted(RunEvent):
    """The run ended with a result."""

    TYPE: ClassVar[str] = "precedent.run.RunCompleted.v1"
    output: Any
    output_digest: str


class RunFailed(RunEvent):
    """The run ended without a result."""

    TYPE: ClassVar[str] = "precedent.run.RunFailed.v1"
    error: Fault
    effect: str | None = None
    """Key of the effect that failed, if one did."""
    advice: str
    """What a person can do."""


class RunCancelled(RunEvent):
    """A person ended the run."""

    TYPE: ClassVar[str] = "precedent.run.RunCancelled.v1"
    ROLE: ClassVar[Role] = "operator"
    reason: str
    decision: Decision


RUN_EVENTS: Final[tuple[type[RunEvent], ...]] = (
    RunSubmitted, RunClaimed, RunRouted, PlanDrafted, PlanRejected, ProgramCompiled, ProgramReused, ReuseSettled,
    ShadowCompared, AgentPinned, ValueRecorded,
    ToolCallRequested, ToolCallCompleted, ToolCallFailed, ToolCallDenied, ToolCallOutcomeUnknown, OutcomeResolved,
    ModelCallRequested, ModelCallAnswered, ModelCallFailed,
    ApprovalRequested, ApprovalGranted, ApprovalRefused, TimerStarted, TimerFired,
    VerdictReached, RunPaused, RunResumed, RunCompleted, RunFailed, RunCancelled,
)  # fmt: skip
