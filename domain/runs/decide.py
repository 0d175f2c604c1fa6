"""What people may do to runs: ``decide`` turns a command into events, or raises the rule it breaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.values import digest_json, encode, format_time, parse_time
from domain.rtfs.types import Type, coerce
from domain.runs.commands import (
    CancelRun,
    GrantApproval,
    PauseRun,
    RefuseApproval,
    ResolveOutcome,
    ResumeRun,
    RunCommand,
    SubmitRun,
)
from domain.runs.events import (
    ApprovalGranted,
    ApprovalRefused,
    OutcomeResolved,
    RunCancelled,
    RunPaused,
    RunResumed,
    RunSubmitted,
)
from domain.runs.parts import Decision, RunEvent
from domain.runs.state import Phase, Run, Settlement
from domain.runs.task import ForkPoint, Limits, accept


class RunHasEnded(PrecedentError):
    """Nothing can change a run that has ended; ``precedent show`` tells how it did."""

    code = "run.ended"


class RunNotPaused(PrecedentError):
    """Only a paused run can be resumed; ``precedent show`` tells where it is."""

    code = "run.not-paused"


class RunAlreadyPaused(PrecedentError):
    """Resume it, or leave it paused."""

    code = "run.already-paused"


class EffectNotWaiting(PrecedentError):
    """Name an effect that waits: ``precedent show`` lists them."""

    code = "run.effect-not-waiting"


class ApprovalDiffers(PrecedentError):
    """What waits is not what was seen: look at it again before you approve it."""

    code = "run.approval-differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a rule needs beside the run: the time, and what is known of tools."""

    now: datetime
    known_tools: Collection[str]
    result_types: Mapping[str, Type]
    """Declared result type by tool."""
    default_limits: Limits
    """For what a task does not limit itself."""
    known_agents: Collection[str] = ()


def decide(run: Run, command: RunCommand, given: Circumstances) -> list[RunEvent]:
    """Events that a command causes now. Raises a ``PrecedentError`` when a rule forbids it."""
    if not isinstance(command, SubmitRun):
        _require_open(run, command.run)
    return _RULES[type(command)](run, command, given)


def _require_open(run: Run, name: str) -> None:
    if run.phase is Phase.NEW:
        raise NotFound(f"there is no run {name}; `precedent runs` lists them")
    if run.ended:
        raise RunHasEnded(f"run {name} has ended ({run.phase}), so there is nothing to do; see `precedent show {name}`")


def _submit(run: Run, command: SubmitRun, given: Circumstances) -> list[RunEvent]:
    if run.phase is not Phase.NEW:
        raise RunHasEnded("a run with this id exists; use a new command id")
    task = accept(command.task, given.known_tools, given.default_limits, given.known_agents)
    fork = None if command.fork is None else ForkPoint.model_validate(command.fork.model_dump())
    return [RunSubmitted(task=task, deadline=_after(given.now, task.limits.seconds), forked_from=fork)]


def _pause(run: Run, command: PauseRun, given: Circumstances) -> list[RunEvent]:
    if run.paused:
        raise RunAlreadyPaused(f"run {command.run} is paused already; resume it with `precedent resume {command.run}`")
    choice = operator("pause", ("pause", "go on"), command.reason or "asked for", run)
    return [RunPaused(reason=command.reason, remaining=remaining(run, given.now), decision=choice)]


def _resume(run: Run, command: ResumeRun, given: Circumstances) -> list[RunEvent]:
    if not run.paused:
        raise RunNotPaused(f"run {command.run} is not paused")
    choice = operator("resume", ("resume", "stay paused", "cancel"), "asked for", run)
    return [RunResumed(deadline=_after(given.now, remaining(run, given.now)), decision=choice)]


def _cancel(run: Run, command: CancelRun, given: Circumstances) -> list[RunEvent]:  # noqa: ARG001
    choice = operator("cancel", ("cancel", "go on"), command.reason or "asked for", run)
    return [RunCancelled(reason=command.reason, decision=choice)]


def _grant(run: Run, command: GrantApproval, given: Circumstances) -> list[RunEvent]:
    _require_settlement(run, command.effect, Settlement.AWAITING_APPROVAL)
    asked = run.journal[command.effect]
    if command.digest not in (None, asked.request_digest):
        raise ApprovalDiffers(
            f"effect {command.effect} of run {command.run} asks {asked.tool} for {asked.request_digest}, and what you "
            f"approve is {command.digest}: look at what waits now with `precedent show {command.run}`, and approve that"
        )
    choice = operator("approve", ("approve", "refuse"), command.note or "asked for", run)
    deadline = _after(given.now, remaining(run, given.now))
    return [
        ApprovalGranted(
            effect=command.effect,
            note=command.note,
            deadline=deadline,
            decision=choice,
            request_digest=command.digest,
        )
    ]


def _refuse(run: Run, command: RefuseApproval, given: Circumstances) -> list[RunEvent]:
    _require_settlement(run, command.effect, Settlement.AWAITING_APPROVAL)
    choice = operator("refuse", ("approve", "refuse"), command.reason or "asked for", run)
    deadline = _after(given.now, remaining(run, given.now))
    return [ApprovalRefused(effect=command.effect, reason=command.reason, deadline=deadline, decision=choice)]


def _resolve(run: Run, command: ResolveOutcome, given: Circumstances) -> list[RunEvent]:
    _require_settlement(run, command.effect, Settlement.UNKNOWN)
    result: Any = None
    if command.outcome == "happened":
        result = encode(coerce(command.result, _result_type(run.journal[command.effect].tool, given)))
    choice = operator(command.outcome, ("happened", "repeat", "failed"), command.note or "asked for", run)
    return [
        OutcomeResolved(
            effect=command.effect,
            outcome=command.outcome,
            result=result,
            result_digest=digest_json(result) if command.outcome == "happened" else None,
            note=command.note,
            deadline=_after(given.now, remaining(run, given.now)),
            decision=choice,
        )
    ]


def _require_settlement(run: Run, effect: str, wanted: Settlement) -> None:
    entry = run.journal.get(effect)
    if entry is None or entry.settlement is not wanted:
        listed = ", ".join(sorted(run.waiting)) or "none"
        raise EffectNotWaiting(f"effect {effect} is not {wanted}; waiting now: {listed}")


def _result_type(tool: str, given: Circumstances) -> Type:
    if tool not in given.result_types:
        raise NotFound(
            f"this worker does not have {tool}, so it cannot check its result; resolve it where it is listed"
        )
    return given.result_types[tool]


def operator(chosen: str, options: tuple[str, ...], reason: str, run: Run) -> Decision:
    """A person's decision, with a digest of where the run stood."""
    saw = {"phase": run.phase.value, "paused": run.paused, "waiting": sorted(run.waiting), "effects": len(run.journal)}
    return Decision(role="operator", chosen=chosen, options=options, reason=reason, saw=digest_json(saw))


def remaining(run: Run, now: datetime) -> float:
    """Seconds of active time left; never negative."""
    if run.remaining is not None:
        return run.remaining
    assert run.deadline is not None, "time either runs or stands still"
    return max(0.0, (parse_time(run.deadline) - now).total_seconds())


def _after(now: datetime, seconds: float) -> str:
    return format_time(now + timedelta(seconds=seconds))


_RULES: Final[Mapping[type, Callable[[Run, Any, Circumstances], list[RunEvent]]]] = {
    SubmitRun: _submit,
    PauseRun: _pause,
    ResumeRun: _resume,
    CancelRun: _cancel,
    GrantApproval: _grant,
    RefuseApproval: _refuse,
    ResolveOutcome: _resolve,
}
