"""A published program in place of a model: how the run is routed to it, and what becomes of it there."""

from __future__ import annotations

from typing import Final, Literal

from domain.kernel.values import digest_json
from domain.runs.events import VerdictReached
from domain.runs.parts import Decision, Lookup, PinnedEffect, Savings
from domain.runs.planning import ProgramReused, ReuseSettled, RunRouted
from domain.runs.state import Run, Settlement

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
    saved: Savings,
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


def settled_by(run: Run, program: ProgramReused, verdict: VerdictReached) -> ReuseSettled:
    """What the critic's verdict says of the program that was reused."""
    if not verdict.passed:
        return settled_badly(
            run, program, "refuted", f"{verdict.layer}: {'; '.join(verdict.findings)}"[:LONGEST_REASON]
        )
    reason = "the critic accepts its output"
    return ReuseSettled(entry=program.entry, outcome="succeeded", reason=reason, goes_on=False, saved=program.saved)


def settled_badly(
    run: Run, program: ProgramReused, outcome: Literal["failed", "refuted", "revoked"], reason: str
) -> ReuseSettled:
    """It did not do. The run goes on without it, unless it has changed something in the world."""
    return ReuseSettled(
        entry=program.entry, outcome=outcome, reason=reason, goes_on=not _traces(run, program), saved=Savings()
    )


def _traces(run: Run, program: ProgramReused) -> list[str]:
    mode = {effect.name: effect.mode for effect in program.effects}
    return [
        key
        for key, entry in run.journal.items()
        if entry.settlement is not Settlement.DENIED and mode.get(entry.tool, "external") not in HARMLESS
    ]
