"""A precedent in place of a model: how a run is routed to a published program, and what becomes of what is reused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from domain.kernel.reuse import Cost
from domain.kernel.values import digest_json
from domain.runs.critic import is_about
from domain.runs.events import VerdictReached
from domain.runs.folding import DENIALS
from domain.runs.parts import Decision, Lookup, PinnedEffect, RunEvent
from domain.runs.planning import ProgramReused, ReuseSettled, RunRouted
from domain.runs.state import Phase, Precedent, Run, Settlement

HARMLESS: Final = frozenset({"pure", "read"})
"""Modes of effects after which another program may begin anew: nothing was changed."""

LONGEST_REASON: Final = 1_000
"""Characters of a reason on the record."""


def routed_to_program(run: Run, entry: str, reason: str, lookups: tuple[Lookup, ...]) -> RunRouted:
    """A published program answers."""
    task = run.accepted_task
    saw = digest_json({"goal": task.goal, "input": task.input, "output": task.output, "plan": task.plan})
    chosen = f"program {entry}"
    choice = Decision(
        role="router", chosen=chosen, options=(chosen, f"model {task.model.name}"), reason=reason, saw=saw
    )
    return RunRouted(route="program", decision=choice, lookups=lookups)


def reused(
    run: Run,
    *,
    entry: str,
    digest: str,
    effects: tuple[PinnedEffect, ...],
    interface: str,
    module: str,
    source_map: str,
    plan: str,
    saved: Cost,
) -> ProgramReused:
    """The program that answers, pinned as it was published. ``module``: Base64."""
    reason = f"published, signed by a trusted key; {len(effects)} capabilities within the task's rights"
    saw = digest_json({"entry": entry, "goal": run.accepted_task.goal})
    choice = Decision(role="router", chosen="accept", options=("accept", "reject"), reason=reason, saw=saw)
    return ProgramReused(
        digest=digest,
        interface_hash=interface,
        effects=effects,
        module=module,
        source_map=source_map,
        decision=choice,
        entry=entry,
        plan=plan,
        saved=saved,
    )


def settled_by(run: Run, precedent: Precedent, verdict: VerdictReached) -> ReuseSettled:
    """What the critic's verdict says of what was reused."""
    if not verdict.passed:
        return settled_badly(run, precedent, "refuted", why_refuted(verdict))
    return ReuseSettled(
        entry=precedent.entry,
        outcome="succeeded",
        reason="the critic accepts its output",
        goes_on=False,
        saved=precedent.saved,
        level=precedent.level,
    )


def why_refuted(verdict: VerdictReached) -> str:
    """What the critic found, in one line."""
    return f"{verdict.layer}: {'; '.join(verdict.findings)}"


def settled_badly(
    run: Run, precedent: Precedent, outcome: Literal["failed", "refuted", "revoked"], reason: str
) -> ReuseSettled:
    """It did not do. The run goes on without it, unless it has changed something in the world."""
    return ReuseSettled(
        entry=precedent.entry,
        outcome=outcome,
        reason=reason[:LONGEST_REASON],
        goes_on=not _traces(run),
        saved=Cost(),
        level=precedent.level,
    )


def tool_refused(run: Run, outcome: Literal["failed", "refuted"], reason: str) -> ReuseSettled | None:
    """The tool in whose own words the task asks did not do: the next target of the delegation has its turn.

    None where no tool was chosen so, or where it has changed something in the world.
    """
    if run.route != "tool" or run.routing is None or _traces(run):
        return None
    return ReuseSettled(
        entry=run.routing.decision.chosen.removeprefix("tool "),
        outcome=outcome,
        reason=reason[:LONGEST_REASON],
        goes_on=True,
        saved=Cost(),
        level="L1",
    )


def is_refused(run: Run, tool: str) -> bool:
    """Whether the tool was chosen by its own words in this run already, and did not do."""
    return any((each.level, each.entry) == ("L1", tool) for each in run.refuted)


def refutations(run: Run) -> list[ReuseSettled]:
    """What was reused in this run and refuted by the critic, the last one too if the run ended with it."""
    found = [each for each in run.refuted if each.outcome == "refuted"]
    if run.precedent is not None and run.verdict is not None and not run.verdict.passed:
        found.append(settled_by(run, run.precedent, run.verdict))
    return found


def failed_checks(run: Run, events: Iterable[RunEvent]) -> Mapping[str, tuple[str, ...]]:
    """By what was reused and refuted: the postconditions that its output failed; none where its type was wrong."""
    found: dict[str, tuple[str, ...]] = {}
    findings: tuple[str, ...] = ()
    for event in events:
        if isinstance(event, VerdictReached):
            findings = event.findings if event.layer == "postconditions" else ()
        elif isinstance(event, ReuseSettled) and event.outcome == "refuted":
            found[event.entry] = findings
    if run.precedent is not None:
        found.setdefault(run.precedent.entry, findings)
    checks = run.accepted_task.checks
    return {entry: tuple(check for check in checks if any(map(is_about(check), said))) for entry, said in found.items()}


def outdone(run: Run) -> list[ReuseSettled]:
    """Programs that stopped in this run, where another one did well; not those that were denied what they asked for."""
    if run.phase is not Phase.COMPLETED:
        return []
    return [
        each
        for each in run.refuted
        if (each.level, each.outcome) == ("L4", "failed") and not each.reason.startswith(tuple(DENIALS))
    ]


def paid(run: Run) -> Cost:
    """What it took to come to the run's plan, drafts that were rejected included."""
    seconds = sum(answer.duration for answer in run.answers.values())
    return Cost(tokens=run.spent.tokens, usd=run.spent.usd, seconds=seconds)


def _traces(run: Run) -> list[str]:
    mode = {effect.name: effect.mode for effect in run.program.effects} if run.program is not None else {}
    return [
        key
        for key, entry in run.journal.items()
        if entry.settlement is not Settlement.DENIED and mode.get(entry.tool, "external") not in HARMLESS
    ]
