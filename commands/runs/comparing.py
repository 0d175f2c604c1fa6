"""Explored and shadowed hits: the program that would have answered is compared with the model's, and judged."""

from __future__ import annotations

from typing import Final

from commands.cache.judgements import append_judgement
from commands.programs.retrieving import accepted
from commands.runs.breathing import in_slices
from commands.runs.log import CATALOG, RunLog
from commands.runs.routing import as_reused, wanted_by
from commands.services import Services
from domain.cache.events import ReuseJudged
from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value
from domain.runs.parts import Lookup
from domain.runs.planning import ShadowCompared
from domain.runs.shadow import comparing_beside
from domain.runs.state import Phase, Run

JUDGE: Final = "same-output/1"
"""Rule that compares: outputs have the same bytes."""


def compared_program(run: Run) -> Lookup | None:
    """The look-up that found a program with which the model's is compared."""
    beside = ("explore", "shadow")
    return next(
        (
            each
            for each in (run.routing.lookups if run.routing else ())
            if each.level == "L4" and each.outcome in beside
        ),
        None,
    )


async def stage_comparison(services: Services, log: RunLog, output: Value) -> None:
    """Stage how the program that would have answered does on this run's record. A fault compares nothing."""
    run = log.preview
    lookup = compared_program(run)
    if lookup is None or lookup.entry is None or services.reuse is None or run.precedent is not None:
        return
    try:
        wanted = wanted_by(services, log.stream.tenant, run.accepted_task)
        found = await accepted(services, services.reuse, lookup.entry, lookup.score or 0.0, wanted)
        log.stage(await in_slices(comparing_beside(run, as_reused(run, found), output)))
    except PrecedentError as error:
        log.stage(ShadowCompared(entry=lookup.entry, agreed=None, reason=f"{error.code}: {error}"[:1_000]))


async def judge_compared(services: Services, log: RunLog) -> None:
    """Put the comparison of an ended run among the evidence. Doing it twice changes nothing."""
    run = log.run
    lookup = compared_program(run)
    if lookup is None or run.phase is not Phase.COMPLETED or run.task is None:
        return
    stored = (await services.store.load(log.stream)).events
    events = [event for each in stored if isinstance(event := CATALOG.decode(each), ShadowCompared)]
    if not events or events[-1].agreed is None:
        return
    judged = ReuseJudged(
        namespace=run.task.cache.namespace,
        level="L4",
        entry=events[-1].entry,
        score=lookup.score or 0.0,
        correct=events[-1].agreed,
        judge=JUDGE,
        source="exploration",
        stands_for=lookup.stands_for,
        run=log.stream.id,
    )
    await append_judgement(services, log.stream.tenant, judged, actor="agent:critic")
