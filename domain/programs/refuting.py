"""What follows for a program when the critic refutes its output: whose word counts, and for whom.

Whoever submits a task chooses its checks. Were each failed check the end of a program, anybody could keep everybody
from reusing anything by asking for what cannot hold. So a program is wrong for all

1. where its output is not of its type: its interface promises that;
2. where it fails a check by which it was proven;
3. where it fails any check of a run whose submitter proved it, or may demote (``Policy.demoters``).

Else it fails what only this task asks for: it answers no task with that check any more, and all others as before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domain.programs.events import ProgramContradicted, ProgramDemoted
from domain.programs.policy import Policy
from domain.programs.state import Program, Status

MOST_CONTRADICTED: Final = 256
"""Postconditions that are kept of one program: who asks for ever new ones cannot make its stream grow for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """What the critic found wrong, in which run, and whose that was."""

    run: str
    by: str
    """Who submitted the run, as ``user:alice``."""
    failed: tuple[str, ...]
    """Digests of the postconditions that did not hold; none where the output was not of its type."""
    reason: str


def refuted(program: Program, refutation: Refutation, policy: Policy) -> ProgramDemoted | ProgramContradicted | None:
    """The event that follows; None where nothing does."""
    if program.status is not Status.VERIFIED:
        return None
    if not refutation.failed or _counts_for_all(program, refutation, policy):
        return ProgramDemoted(reason=refutation.reason, run=refutation.run)
    new = tuple(check for check in refutation.failed if check not in program.contradicted)
    if not new or len(program.contradicted) + len(new) > MOST_CONTRADICTED:
        return None
    return ProgramContradicted(run=refutation.run, by=refutation.by, checks=new, reason=refutation.reason)


def _counts_for_all(program: Program, refutation: Refutation, policy: Policy) -> bool:
    proven = {check for proof in program.proofs for check in proof.held}
    own = refutation.by and refutation.by in {proof.by for proof in program.proofs}
    return bool(own) or policy.may_demote(refutation.by) or not proven.isdisjoint(refutation.failed)
