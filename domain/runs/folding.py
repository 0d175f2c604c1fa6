"""How a run comes of its events: ``evolve`` folds them one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from domain.runs.entries import Journal
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
from domain.runs.parts import Fault, RunEvent
from domain.runs.planning import (
    AgentPinned,
    PlanDrafted,
    PlanRejected,
    ProgramCompiled,
    ProgramReused,
    ReuseSettled,
    RunRouted,
)
from domain.runs.state import Claim, Draft, Entry, Phase, Run, Settlement, Spent


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
    return _changed(run, journal=run.journal.with_entry(key, entry), **changes)


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
        attempts={},
        journal=Journal(),
        refuted=(*run.refuted, event),
    )


def _plan_rejected(run: Run, event: PlanRejected) -> Run:
    drafts = (*run.drafts[:-1], replace(run.drafts[-1], rejected=event.message)) if run.drafts else ()
    return _changed(run, phase=Phase.ROUTED, drafts=drafts)


def _model_call_requested(run: Run, event: ModelCallRequested) -> Run:
    key = event.effect
    return _changed(
        run,
        asked={**run.asked, key: event.request_digest},
        attempts={**run.attempts, key: run.attempts.get(key, 0) + 1},
    )


def _model_call_answered(run: Run, event: ModelCallAnswered) -> Run:
    spent = replace(
        run.spent,
        tokens=run.spent.tokens + (event.prompt_tokens + event.completion_tokens) * (1 + event.lost),
        usd=run.spent.usd + event.usd * (1 + event.lost),
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
    ModelCallRequested: _model_call_requested,
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
