"""What a run's events add up to: ``evolve`` folds them, and nothing else knows the current state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from domain.runs.events import (
    ApprovalGranted,
    ApprovalRefused,
    ApprovalRequested,
    ModelCallAnswered,
    ModelCallFailed,
    ModelCallRequested,
    OutcomeResolved,
    RunCancelled,
    RunClaimed,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunResumed,
    RunSubmitted,
    TimerFired,
    TimerStarted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallRequested,
    ValueRecorded,
    VerdictReached,
)
from domain.runs.parts import Fault, Level, RunEvent, Savings
from domain.runs.planning import (
    AgentPinned,
    PlanDrafted,
    PlanRejected,
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
    saved: Savings


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
    refusals: Mapping[str, Fault] = field(default_factory=dict)
    """Model calls that failed."""
    program: ProgramCompiled | None = None
    agent: AgentPinned | None = None
    refuted: tuple[ReuseSettled, ...] = ()
    """What was reused and did not do, after each of which the run was routed anew."""
    journal: Mapping[str, Entry] = field(default_factory=dict)
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


class Growing(dict[str, Entry]):
    """A journal that is added to in place, for whoever folds many events and shows no state in between to anyone."""


def evolve(run: Run, event: RunEvent) -> Run:
    """Fold one event into the state. Total: an event without meaning here changes nothing."""
    fold = _FOLDS.get(type(event))
    return run if fold is None else fold(run, event)


def _changed(run: Run, **changes: Any) -> Run:
    # As `dataclasses.replace`, which looks at every field: every event makes a new state.
    new = object.__new__(Run)
    new.__dict__.update(run.__dict__, **changes)
    return new


def _settled(run: Run, key: str, entry: Entry, **changes: Any) -> Run:
    if isinstance(run.journal, Growing):
        run.journal[key] = entry
        return _changed(run, **changes)
    return _changed(run, journal={**run.journal, key: entry}, **changes)


DENIALS: Final = frozenset({"guard.denied", "approval.refused"})
"""Types of the failures of effects that were never done."""


def _tool_call_completed(run: Run, event: ToolCallCompleted) -> Run:
    if event.source == "inherited":
        return _inherited(run, event, Settlement.COMPLETED, result=event.result)
    entry = Entry(Settlement.COMPLETED, event.tool, event.request_digest, _arguments(run, event), event.result)
    return _settled(run, event.effect, entry, spent=_called(run, event.effect), live=True)


def _tool_call_failed(run: Run, event: ToolCallFailed) -> Run:
    if event.source == "inherited":
        settlement = Settlement.DENIED if event.error.type in DENIALS else Settlement.FAILED
        return _inherited(run, event, settlement, error=event.error)
    entry = Entry(Settlement.FAILED, event.tool, event.request_digest, _arguments(run, event), error=event.error)
    return _settled(run, event.effect, entry, spent=_called(run, event.effect), live=True)


def _inherited(
    run: Run,
    event: ToolCallCompleted | ToolCallFailed,
    settlement: Settlement,
    *,
    result: Any = None,
    error: Any = None,
) -> Run:
    entry = Entry(settlement, event.tool, event.request_digest, event.arguments, result, error, inherited=True)
    # It counts as it did for the parent, so that the same program meets the same limits.
    counted = settlement is not Settlement.DENIED and event.tool != "timer.sleep"
    return _settled(run, event.effect, entry, spent=_called(run, event.effect) if counted else run.spent)


def _arguments(run: Run, event: ToolCallCompleted | ToolCallFailed) -> Any:
    before = run.journal.get(event.effect)
    return event.arguments if before is None or before.arguments is None else before.arguments


def _tool_call_requested(run: Run, event: ToolCallRequested) -> Run:
    entry = Entry(Settlement.REQUESTED, event.tool, event.request_digest, event.arguments)
    return _settled(run, event.effect, entry, spent=_called(run, event.effect), live=True)


def _called(run: Run, key: str) -> Spent:
    before = run.journal.get(key)
    if before is not None and before.settlement is not Settlement.APPROVED:
        return run.spent  # it was counted when it was requested
    return Spent(run.spent.tool_calls + 1, run.spent.tokens, run.spent.usd)


def _tool_call_denied(run: Run, event: ToolCallDenied) -> Run:
    fault = Fault(type="guard.denied", message=f"{event.tool} was denied: {event.rule}")
    entry = Entry(Settlement.DENIED, event.tool, event.request_digest, event.arguments, error=fault)
    return _settled(run, event.effect, entry, live=True)


def _outcome_unknown(run: Run, event: ToolCallOutcomeUnknown) -> Run:
    entry = replace(run.journal[event.effect], settlement=Settlement.UNKNOWN)
    return _halted(_settled(run, event.effect, entry), event.effect, event.remaining)


def _outcome_resolved(run: Run, event: OutcomeResolved) -> Run:
    before = run.journal[event.effect]
    if event.outcome == "happened":
        entry = replace(before, settlement=Settlement.COMPLETED, result=event.result, by_person=True)
    elif event.outcome == "failed":
        fault = Fault(type="tool.outcome-unknown", message=event.note or f"{before.tool} did not happen")
        entry = replace(before, settlement=Settlement.FAILED, error=fault, by_person=True)
    else:
        entry = replace(before, settlement=Settlement.APPROVED)
    return _continued(_settled(run, event.effect, entry), event.effect, event.deadline)


def _approval_requested(run: Run, event: ApprovalRequested) -> Run:
    entry = Entry(Settlement.AWAITING_APPROVAL, event.tool, event.request_digest, event.arguments)
    return _halted(_settled(run, event.effect, entry, live=True), event.effect, event.remaining)


def _approval_granted(run: Run, event: ApprovalGranted) -> Run:
    entry = replace(run.journal[event.effect], settlement=Settlement.APPROVED)
    return _continued(_settled(run, event.effect, entry), event.effect, event.deadline)


def _approval_refused(run: Run, event: ApprovalRefused) -> Run:
    fault = Fault(type="approval.refused", message=event.reason or "a person refused it")
    entry = replace(run.journal[event.effect], settlement=Settlement.DENIED, error=fault, by_person=True)
    return _continued(_settled(run, event.effect, entry), event.effect, event.deadline)


def _halted(run: Run, effect: str, remaining: float) -> Run:
    left = remaining if run.remaining is None else run.remaining
    return _changed(run, waiting=run.waiting | {effect}, deadline=None, remaining=left)


def _continued(run: Run, effect: str, deadline: str) -> Run:
    waiting = run.waiting - {effect}
    if waiting or run.paused:
        return _changed(run, waiting=waiting)
    return _changed(run, waiting=waiting, deadline=deadline, remaining=None)


def _value_recorded(run: Run, event: ValueRecorded) -> Run:
    inherited = event.source == "inherited"
    entry = Entry(
        Settlement.COMPLETED, event.kind, event.request_digest, event.arguments, event.result, inherited=inherited
    )
    return _settled(run, event.effect, entry, live=run.live or not inherited)


def _timer_started(run: Run, event: TimerStarted) -> Run:
    entry = Entry(Settlement.SLEEPING, "timer.sleep", event.request_digest, due=event.due)
    return _settled(run, event.effect, entry, live=True)


def _timer_fired(run: Run, event: TimerFired) -> Run:
    return _settled(run, event.effect, replace(run.journal[event.effect], settlement=Settlement.COMPLETED))


def _program_reused(run: Run, event: ProgramReused) -> Run:
    return _changed(run, phase=Phase.EXECUTING, program=event, drafts=(Draft(event.plan),))


def _reuse_settled(run: Run, event: ReuseSettled) -> Run:
    if not event.goes_on:
        return run
    return _changed(
        run,
        phase=Phase.SUBMITTED,
        route=None,
        program=None,
        verdict=None,
        drafts=(),
        answers={},
        asked={},
        journal=Growing() if isinstance(run.journal, Growing) else {},
        refuted=(*run.refuted, event),
    )


def _plan_rejected(run: Run, event: PlanRejected) -> Run:
    drafts = (*run.drafts[:-1], replace(run.drafts[-1], rejected=event.message)) if run.drafts else ()
    return _changed(run, phase=Phase.ROUTED, drafts=drafts)


def _model_call_answered(run: Run, event: ModelCallAnswered) -> Run:
    spent = replace(
        run.spent,
        tokens=run.spent.tokens + event.prompt_tokens + event.completion_tokens,
        usd=run.spent.usd + event.usd,
    )
    live = run.live or event.source != "inherited"
    return _changed(run, answers={**run.answers, event.effect: event}, spent=spent, live=live)


def _resumed(run: Run, event: RunResumed) -> Run:
    if run.waiting:
        return _changed(run, paused=False)
    return _changed(run, paused=False, deadline=event.deadline, remaining=None)


_FOLDS: Final[Mapping[type[RunEvent], Callable[[Run, Any], Run]]] = {
    RunSubmitted: lambda run, e: _changed(
        run, phase=Phase.SUBMITTED, task=e.task, deadline=e.deadline, forked_from=e.forked_from
    ),
    RunClaimed: lambda run, e: _changed(run, claim=Claim(e.worker, e.epoch, e.deadline)),
    RunRouted: lambda run, e: _changed(run, phase=Phase.ROUTED, route=e.route, routing=e),
    PlanDrafted: lambda run, e: _changed(run, phase=Phase.PLANNED, drafts=(*run.drafts, Draft(e.source))),
    PlanRejected: _plan_rejected,
    ProgramCompiled: lambda run, e: _changed(run, phase=Phase.EXECUTING, program=e),
    ProgramReused: _program_reused,
    ReuseSettled: _reuse_settled,
    AgentPinned: lambda run, e: _changed(run, phase=Phase.EXECUTING, agent=e),
    ValueRecorded: _value_recorded,
    ToolCallRequested: _tool_call_requested,
    ToolCallCompleted: _tool_call_completed,
    ToolCallFailed: _tool_call_failed,
    ToolCallDenied: _tool_call_denied,
    ToolCallOutcomeUnknown: _outcome_unknown,
    OutcomeResolved: _outcome_resolved,
    ModelCallRequested: lambda run, e: _changed(run, asked={**run.asked, e.effect: e.request_digest}),
    ModelCallAnswered: _model_call_answered,
    ModelCallFailed: lambda run, e: _changed(run, refusals={**run.refusals, e.effect: e.error}, live=True),
    ApprovalRequested: _approval_requested,
    ApprovalGranted: _approval_granted,
    ApprovalRefused: _approval_refused,
    TimerStarted: _timer_started,
    TimerFired: _timer_fired,
    VerdictReached: lambda run, e: _changed(run, phase=Phase.JUDGED, verdict=e),
    RunPaused: lambda run, e: _changed(
        run, paused=True, deadline=None, remaining=e.remaining if run.remaining is None else run.remaining
    ),
    RunResumed: _resumed,
    RunCompleted: lambda run, e: _changed(run, phase=Phase.COMPLETED, output=e.output),
    RunFailed: lambda run, e: _changed(run, phase=Phase.FAILED, error=e),
    RunCancelled: lambda run, e: _changed(run, phase=Phase.CANCELLED),  # noqa: ARG005  # one shape for all folds
}
