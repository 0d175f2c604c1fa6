"""Which event goes to which projection. Everything that readers see follows from this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from projections.cache_entries import CACHE_ENTRIES, CACHE_WITHDRAWALS
from projections.ledger import LEDGER
from projections.programs import PROGRAMS
from projections.projection import Projection
from projections.reuse import REUSE
from projections.runs import RUNS
from projections.timeline import TIMELINE

CATALOG: Final[Mapping[str, tuple[Projection, ...]]] = {
    "precedent.run.RunSubmitted.v1": (RUNS, TIMELINE, REUSE),
    "precedent.run.RunClaimed.v1": (RUNS, TIMELINE),
    "precedent.run.RunRouted.v1": (RUNS, LEDGER, TIMELINE, REUSE),
    "precedent.run.PlanDrafted.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.PlanRejected.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ProgramCompiled.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ProgramReused.v1": (RUNS, LEDGER, TIMELINE, PROGRAMS),
    "precedent.run.ReuseSettled.v1": (RUNS, TIMELINE, PROGRAMS, REUSE),
    "precedent.run.ShadowCompared.v1": (RUNS, TIMELINE, PROGRAMS, REUSE),
    "precedent.run.AgentPinned.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ValueRecorded.v1": (RUNS, TIMELINE),
    "precedent.run.ToolCallRequested.v1": (RUNS, TIMELINE),
    "precedent.run.ToolCallCompleted.v1": (RUNS, TIMELINE, REUSE),
    "precedent.run.ToolCallFailed.v1": (RUNS, TIMELINE, REUSE),
    "precedent.run.ToolCallDenied.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ToolCallOutcomeUnknown.v1": (RUNS, TIMELINE),
    "precedent.run.OutcomeResolved.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ModelCallRequested.v1": (RUNS, TIMELINE, REUSE),
    "precedent.run.ModelCallAnswered.v1": (RUNS, TIMELINE, REUSE),
    "precedent.run.ModelCallFailed.v1": (RUNS, TIMELINE),
    "precedent.run.ApprovalRequested.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ApprovalGranted.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.ApprovalRefused.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.TimerStarted.v1": (RUNS, TIMELINE),
    "precedent.run.TimerFired.v1": (RUNS, TIMELINE),
    "precedent.run.VerdictReached.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.RunPaused.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.RunResumed.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.run.RunCompleted.v1": (RUNS, TIMELINE),
    "precedent.run.RunFailed.v1": (RUNS, TIMELINE),
    "precedent.run.RunCancelled.v1": (RUNS, LEDGER, TIMELINE),
    "precedent.program.ProgramProposed.v1": (PROGRAMS,),
    "precedent.program.ProgramProven.v1": (PROGRAMS,),
    "precedent.program.ProgramPublished.v1": (PROGRAMS,),
    "precedent.program.ProgramRefused.v1": (PROGRAMS,),
    "precedent.program.ProgramDemoted.v1": (PROGRAMS,),
    "precedent.program.ProgramContradicted.v1": (PROGRAMS,),
    "precedent.program.ProgramReinstated.v1": (PROGRAMS,),
    "precedent.program.ProgramSuperseded.v1": (PROGRAMS,),
    "precedent.program.ProgramRevoked.v1": (PROGRAMS,),
    "precedent.cache.CacheEntryPublished.v1": (CACHE_ENTRIES,),
    "precedent.cache.CacheEntryDisputed.v1": (CACHE_ENTRIES,),
    "precedent.cache.CacheEntryInvalidated.v1": (CACHE_ENTRIES,),
    "precedent.cache.CacheInvalidated.v1": (CACHE_WITHDRAWALS,),
    "precedent.cache.ReuseJudged.v1": (REUSE,),
    "precedent.cache.CacheTuned.v1": (REUSE,),
}

PROJECTIONS: Final[Mapping[str, Projection]] = {
    projection.name: projection for row in CATALOG.values() for projection in row
}
"""Every projection by its name."""
