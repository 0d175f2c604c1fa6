"""Answers of level L3 are judged: those that were given by the critic, those that are explored by the model's own.

What was wrong for a goal that was only like its own is wrong at such a likeness, which the evidence of the entry says;
for its own goal it stays. What was wrong for its own goal is withdrawn.

An explored answer is right where its plan is the model's (``same-program/1``: the same bytecode), or gives the same
output and makes the same changes on what the run recorded (``same-output/1``). It is wrong otherwise, also where it
asks for what the run did not: what was not shown to be right must not count in favour of reuse. A fault says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commands.cache.judgements import append_judgement, withdraw
from commands.cache.semantic import COMPILER, Answer, EntryUnusable, usable
from commands.runs.alike import meant
from commands.runs.breathing import in_slices
from commands.runs.log import CATALOG, RunLog
from commands.runs.planning import compile_answer, pinned_effects
from commands.services import Services
from domain.cache.events import ReuseJudged
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.reuse import Cost
from domain.kernel.values import decode, text_of_bytes
from domain.models import PlanNotFound
from domain.rtfs.program import Program
from domain.rtfs.source import LocatedError
from domain.runs.events import ModelCallRequested
from domain.runs.parts import Lookup
from domain.runs.reuse import refutations, reused
from domain.runs.shadow import comparing_beside
from domain.runs.state import Phase, Run

logger = logging.getLogger(__name__)

CRITIC: Final = "critic/1"
"""Judge: the task's output type and checks."""

SAME_PROGRAM: Final = "same-program/1"
SAME_OUTPUT: Final = "same-output/1"

History = Sequence[tuple[str, object]]
"""Time and event, in order."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A look-up that found something, and for which model."""

    model: str
    lookup: Lookup


async def recorded_history(services: Services, log: RunLog) -> History:
    """A run's events as the log has them. Raises ``ServiceUnreachable``."""
    stored = (await services.store.load(log.stream)).events
    return [(each.time, CATALOG.decode(each)) for each in stored]


async def judge_answers(services: Services, log: RunLog, history: History) -> None:
    """Put what an ended run tells of reused answers among the evidence. Doing it twice changes nothing.

    Raises ``ServiceUnreachable``.
    """
    run, tenant = log.run, log.stream.tenant
    looked = [
        Looked(event.model, lookup)
        for _, event in history
        if isinstance(event, ModelCallRequested)
        for lookup in event.lookups
        if lookup.level == "L3" and lookup.entry is not None
    ]
    for settled in refutations(run):
        hits = [each for each in looked if (each.lookup.outcome, each.lookup.entry) == ("hit", settled.entry)]
        if settled.level == "L3" and hits:
            judged = _judged(log, hits[-1].lookup, CRITIC, correct=False, source_is_feedback=True)
            await append_judgement(services, tenant, judged, actor="agent:critic")
            if hits[-1].lookup.is_of_same_goal:
                await withdraw(services, tenant, settled.entry, settled.reason, log.stream.id)
    explored = [each for each in looked if each.lookup.outcome == "explore"]
    if not explored or run.phase is not Phase.COMPLETED or run.precedent is not None or run.program is None:
        return
    found = await _compared(services, log, explored[-1])
    if found is not None:
        judge, correct = found
        judged = _judged(log, explored[-1].lookup, judge, correct=correct)
        await append_judgement(services, tenant, judged, actor="agent:critic")


def _judged(log: RunLog, lookup: Lookup, judge: str, *, correct: bool, source_is_feedback: bool = False) -> ReuseJudged:
    score, threshold = lookup.score or 0.0, lookup.threshold
    return ReuseJudged(
        namespace=log.run.accepted_task.cache.namespace,
        level="L3",
        entry=lookup.entry or "",
        score=score,
        correct=correct,
        judge=judge,
        # The critic sees all hits and tells only of wrong ones: that is no sample, and counts as what people say.
        source="feedback" if source_is_feedback else "exploration",
        stands_for=1 if source_is_feedback else lookup.stands_for,
        run=log.stream.id,
        reusable=not source_is_feedback and threshold is not None and score >= threshold,
    )


async def _compared(services: Services, log: RunLog, explored: Looked) -> tuple[str, bool] | None:
    """Judge, and whether the answer was right; None where a fault kept it from being compared."""
    run, reuse, entry = log.run, services.reuse, explored.lookup.entry
    if reuse is None or entry is None:
        return None
    try:
        question = meant(services, log.stream, run, explored.model)
        answer = await usable(services, reuse, question, entry)
    except ServiceUnreachable:
        raise
    except EntryUnusable as reason:
        logger.info("the answer of %s is not judged after run %s: %s", entry, log.stream.id, reason)
        return None
    except PrecedentError as error:
        logger.warning("the answer of %s is not judged after run %s: %s", entry, log.stream.id, error)
        return None
    try:
        program = compile_answer(services, run, answer.text)
    except (PlanNotFound, LocatedError):
        return COMPILER, False
    return await _beside(run, answer, program)


async def _beside(run: Run, answer: Answer, program: Program) -> tuple[str, bool]:
    """The two executed on one record, with pauses: a worker that is told to end, or to do something else, can."""
    assert run.program is not None, "a completed run has one"
    if program.digest == run.program.digest:
        return SAME_PROGRAM, True
    other = reused(
        run,
        entry=answer.entry,
        digest=program.digest,
        effects=pinned_effects(program),
        interface=program.interface_hash,
        module=text_of_bytes(program.module),
        source_map=program.source_map.encode().decode(),
        plan="",
        saved=Cost(),
    )
    compared = await in_slices(comparing_beside(run, other, decode(run.output)))
    return SAME_OUTPUT, compared.agreed is True
