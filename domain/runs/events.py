"""What can happen to a run, one type per way things can go. Shapes here are persisted: they never change, only grow.

``Any`` fields named inputs, arguments, result and output hold encoded values (domain/kernel/values.py).
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from domain.kernel.events import DomainEvent
from domain.runs.task import ForkPoint, Task

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


class RunRouted(RunEvent):
    """How the task will be answered: by a plan it brought, by asking a model, or by an agent."""

    TYPE: ClassVar[str] = "precedent.run.RunRouted.v1"
    ROLE: ClassVar[Role] = "router"
    route: Literal["given-plan", "model", "agent"]
    decision: Decision


class PlanDrafted(RunEvent):
    """A plan exists as source text."""

    TYPE: ClassVar[str] = "precedent.run.PlanDrafted.v1"
    ROLE: ClassVar[Role] = "planner"
    attempt: int
    source: str
    decision: Decision


class PlanRejected(RunEvent):
    """A draft does not compile, or asks for more than the task allows."""

    TYPE: ClassVar[str] = "precedent.run.PlanRejected.v1"
    ROLE: ClassVar[Role] = "compiler"
    attempt: int
    message: str
    decision: Decision


class PinnedEffect(BaseModel):
    """One capability of the effect row, at the version that the program was compiled against."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: str
    version: str
    mode: str


class ProgramCompiled(RunEvent):
    """The plan is a program; its versions are pinned from here on."""

    TYPE: ClassVar[str] = "precedent.run.ProgramCompiled.v1"
    ROLE: ClassVar[Role] = "compiler"
    digest: str
    interface_hash: str
    effects: tuple[PinnedEffect, ...]
    module: str
    """Canonical bytecode, Base64."""
    source_map: str
    """JSON text that gives lines and columns of the plan; not part of the program's meaning."""
    decision: Decision

    def version_of(self, tool: str) -> str | None:
        """The version of a tool to which this program is pinned; None where its effects do not have it."""
        return next((effect.version for effect in self.effects if effect.name == tool), None)


class AgentPinned(RunEvent):
    """An agent pursues the run; its version and those of the tools are pinned from here on."""

    TYPE: ClassVar[str] = "precedent.run.AgentPinned.v1"
    agent: str
    version: str
    digest: str
    """Of the source text of its module, as the worker had it."""
    effects: tuple[PinnedEffect, ...]
    """The tools of the task."""
    decision: Decision

    def version_of(self, tool: str) -> str | None:
        """The version of a tool to which the agent is pinned; None where the task does not list it."""
        return next((effect.version for effect in self.effects if effect.name == tool), None)


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
    ROLE: ClassVar[Role] = "executor"
    effect: str
    tool: str
    version: str
    arguments: Any = None
    """Present where no ``ToolCallRequested`` came before (pure and read effects)."""
    request_digest: str
    result: Any
    result_digest: str
    source: Literal["executed", "person", "inherited"] = "executed"
    """``inherited``: the parent of a fork had this answer; the tool was not called."""
    duration: float
    """Seconds."""
    transcript: str | None = None
    """Content address of what the tool printed."""


class ToolCallFailed(RunEvent):
    """A tool did not answer; the program is told."""

    TYPE: ClassVar[str] = "precedent.run.ToolCallFailed.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"source"})
    ROLE: ClassVar[Role] = "executor"
    effect: str
    tool: str
    version: str
    arguments: Any = None
    request_digest: str
    error: Fault
    duration: float
    transcript: str | None = None
    source: Literal["executed", "inherited"] = "executed"


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
    ROLE: ClassVar[Role] = "planner"
    effect: str
    model: str
    request: Any
    request_digest: str


class ModelCallAnswered(RunEvent):
    """A model answered, at this cost."""

    TYPE: ClassVar[str] = "precedent.run.ModelCallAnswered.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"source"})
    ROLE: ClassVar[Role] = "planner"
    effect: str
    text: str
    served_model: str
    prompt_tokens: int
    completion_tokens: int
    usd: float
    recorded: bool
    duration: float
    source: Literal["executed", "inherited"] = "executed"
    """``inherited``: the parent of a fork had this answer, and paid for it."""


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
    ROLE: ClassVar[Role] = "operator"
    effect: str
    note: str
    deadline: str
    decision: Decision


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
    RunSubmitted, RunClaimed, RunRouted, PlanDrafted, PlanRejected, ProgramCompiled, AgentPinned, ValueRecorded,
    ToolCallRequested, ToolCallCompleted, ToolCallFailed, ToolCallDenied, ToolCallOutcomeUnknown, OutcomeResolved,
    ModelCallRequested, ModelCallAnswered, ModelCallFailed,
    ApprovalRequested, ApprovalGranted, ApprovalRefused, TimerStarted, TimerFired,
    VerdictReached, RunPaused, RunResumed, RunCompleted, RunFailed, RunCancelled,
)  # fmt: skip
