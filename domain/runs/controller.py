"""The deterministic controller: what happens next in a run is a function of its events, never of a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from domain.agents.declaration import Agent
from domain.kernel.values import Json, digest_json
from domain.runs.decide import remaining
from domain.runs.events import RunCompleted, RunFailed, VerdictReached
from domain.runs.parts import Decision, Fault, Lookup, PinnedEffect, PinnedModule
from domain.runs.planning import AgentPinned, PlanDrafted, PlanRejected, ProgramCompiled, RunRouted
from domain.runs.state import Phase, Run
from domain.runs.task import Task


class Step(StrEnum):
    """What the driver must do next."""

    ROUTE = "route"
    DRAFT = "draft"
    PIN = "pin"
    COMPILE = "compile"
    EXECUTE = "execute"
    CONCLUDE = "conclude"
    OVERTIME = "overtime"
    REST = "rest"
    """Nothing until a person or a timer wakes the run."""
    END = "end"


_BY_PHASE: Final = {
    Phase.SUBMITTED: Step.ROUTE,
    Phase.ROUTED: Step.DRAFT,
    Phase.PLANNED: Step.COMPILE,
    Phase.EXECUTING: Step.EXECUTE,
    Phase.JUDGED: Step.CONCLUDE,
}


def next_step(run: Run, now: datetime) -> Step:
    """Decide what comes next."""
    if run.ended or run.phase is Phase.NEW:
        return Step.END
    if run.paused or run.waiting:
        return Step.REST
    if run.phase is not Phase.JUDGED and remaining(run, now) <= 0:
        return Step.OVERTIME
    if run.phase is Phase.ROUTED and run.route == "agent":
        return Step.PIN
    return _BY_PHASE[run.phase]


def route(
    run: Run, models: Collection[str], rungs: Sequence[str] | None = None, lookups: tuple[Lookup, ...] = ()
) -> RunRouted | RunFailed:
    """Choose who answers: the plan or the agent that the task brought, else a model.

    ``models``: those that are configured. ``rungs``: those that may be asked, the first one first; by default the one
    that the task names. ``lookups``: what the levels of reuse said before; none of them answers.
    """
    task = run.accepted_task
    if rungs is None:
        rungs = [task.model.name] if task.model.name in models else []
    if task.agent is not None:
        return _to_agent(task, task.agent)
    if task.plan is not None:
        return _routed(run, "given-plan", ("given-plan",), "the task brings its own plan")
    if rungs:
        chosen = f"model {rungs[0]}"
        left = task.model.name != rungs[0]
        reason = "no plan in the task; its model is " + rungs[0]
        if left:
            reason = f"no plan in the task, which leaves the choice: {rungs[0]} is the first to ask"
        routed = _routed(run, "model", tuple(f"model {name}" for name in models), reason, chosen, lookups)
        return routed.model_copy(update={"model": rungs[0]}) if left else routed
    listed = ", ".join(sorted(models)) or "none"
    return failed(
        "run.no-planner",
        f"the task brings no plan, and model {task.model.name!r} is not configured (configured: {listed})",
        advice="Add a `plan` to the task, or configure the model under `models` in precedent.yaml.",
    )


def to_tool(run: Run, tool: str, lookups: tuple[Lookup, ...]) -> RunRouted:
    """The tool that the task asks for in the tool's own words answers."""
    chosen = f"tool {tool}"
    options = (chosen, f"model {run.accepted_task.model.name}")
    return _routed(run, "tool", options, f"the goal and the types are those of {tool}", chosen, lookups)


def _routed(
    run: Run,
    to: Literal["given-plan", "model", "tool"],
    options: tuple[str, ...],
    reason: str,
    chosen: str | None = None,
    lookups: tuple[Lookup, ...] = (),
) -> RunRouted:
    task = run.accepted_task
    saw = digest_json({"goal": task.goal, "input": task.input, "output": task.output, "plan": task.plan})
    choice = Decision(role="router", chosen=chosen or to, options=options, reason=reason, saw=saw)
    return RunRouted(route=to, decision=choice, lookups=lookups)


def _to_agent(task: Task, agent: str) -> RunRouted:
    saw = digest_json({"goal": task.goal, "input": task.input, "output": task.output, "agent": agent})
    reason = f"the task names the agent {agent}"
    choice = Decision(role="router", chosen=f"agent {agent}", options=(f"agent {agent}",), reason=reason, saw=saw)
    return RunRouted(route="agent", decision=choice)


def pinned(run: Run, agent: Agent, effects: tuple[PinnedEffect, ...]) -> AgentPinned:
    """The agent that pursues the run, as this worker has it."""
    chosen = f"{agent.name} {agent.version}"
    reason = f"this worker has version {agent.version} of the agent that the task names"
    saw = digest_json({"agent": run.accepted_task.agent, "tools": [effect.name for effect in effects]})
    choice = Decision(role="controller", chosen=chosen, options=(chosen,), reason=reason, saw=saw)
    return AgentPinned(agent=agent.name, version=agent.version, digest=agent.digest, effects=effects, decision=choice)


def drafted(run: Run, source: str, author: str) -> PlanDrafted:
    """A plan was written by ``author`` (``task`` or a model)."""
    attempt = len(run.drafts) + 1
    task = run.accepted_task
    saw = digest_json({"goal": task.goal, "attempt": attempt, "rejected": [draft.rejected for draft in run.drafts]})
    reason = "brought by the task" if author == "task" else f"drafted by {author}"
    choice = Decision(role="planner", chosen=f"draft {attempt}", options=(f"draft {attempt}",), reason=reason, saw=saw)
    return PlanDrafted(attempt=attempt, source=source, decision=choice)


def rejected(run: Run, message: str) -> PlanRejected:
    """The newest draft does not compile."""
    attempt = len(run.drafts)
    saw = digest_json(run.drafts[-1].source)
    choice = Decision(role="compiler", chosen="reject", options=("accept", "reject"), reason=message, saw=saw)
    return PlanRejected(attempt=attempt, message=message, decision=choice)


def compiled(
    run: Run,
    *,
    digest: str,
    interface_hash: str,
    effects: tuple[PinnedEffect, ...],
    module: str,
    source_map: str,
    modules: tuple[PinnedModule, ...] = (),
    bounded: int = 0,
) -> ProgramCompiled:
    """The newest draft is a program; ``bounded`` of its calls have a limit of time from its hints."""
    reason = f"compiles; {len(effects)} capabilities within the task's rights"
    if modules:
        reason += f"; {len(modules)} modules of the task at these digests"
    if bounded:
        reason += f"; {bounded} calls bounded in time by the plan"
    saw = digest_json(run.drafts[-1].source)
    choice = Decision(role="compiler", chosen="accept", options=("accept", "reject"), reason=reason, saw=saw)
    return ProgramCompiled(
        digest=digest,
        interface_hash=interface_hash,
        effects=effects,
        module=module,
        source_map=source_map,
        decision=choice,
        modules=modules,
    )


def attempts_left(run: Run) -> bool:
    """Whether another draft may be asked for."""
    return run.route == "model" and len(run.drafts) < run.accepted_task.model.max_attempts


def budget_broken(run: Run) -> RunFailed | None:
    """The model budget that is used up, if one is."""
    limits = run.accepted_task.limits
    if run.spent.tokens >= limits.tokens:
        return failed(
            "limits.tokens",
            f"{run.spent.tokens} tokens are spent of {limits.tokens}",
            advice="Raise limits.tokens in the task, or bring a plan.",
        )
    if run.spent.usd >= limits.usd and run.spent.usd > 0:
        return failed(
            "limits.usd",
            f"{run.spent.usd:.4f} USD are spent of {limits.usd}",
            advice="Raise limits.usd in the task, or choose a cheaper model.",
        )
    return None


def overtime(run: Run) -> RunFailed:
    """The active time is used up."""
    seconds = run.accepted_task.limits.seconds
    return failed(
        "limits.seconds",
        f"the run used up its {seconds:g} seconds of active time",
        advice="Raise limits.seconds in the task, or look in the timeline for what was slow.",
    )


def concluded(verdict: VerdictReached, output: Json) -> RunCompleted | RunFailed:
    """End of a judged run, whose output is given encoded."""
    if verdict.passed:
        return RunCompleted(output=output, output_digest=verdict.decision.saw)
    return failed(
        "critic.rejected",
        f"the critic rejected the output ({verdict.layer}): {'; '.join(verdict.findings)}",
        advice="Correct the plan, the checks or the output type of the task, and submit it again.",
    )


def failed(kind: str, message: str, *, advice: str, effect: str | None = None) -> RunFailed:
    """A run's failure, with the way out."""
    return RunFailed(error=Fault(type=kind, message=message), effect=effect, advice=advice)
