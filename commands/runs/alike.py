"""The first question of a run, answered with what was answered to another question of the same meaning."""

from __future__ import annotations

from commands.cache.meanings import LONGEST_GOAL, Meant
from commands.cache.semantic import Answer, Compile, look_alike, miss
from commands.runs.asking import all_but_the_goal
from commands.runs.comparing import compared_program
from commands.runs.log import RunLog
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Miss
from domain.models import ModelUnavailable
from domain.runs.events import ModelCallAnswered
from domain.runs.parts import Lookup
from domain.runs.state import Run
from domain.runs.task import Task


def wants_alike(task: Task | None) -> bool:
    """Whether a task may be answered so, and its answer be used so."""
    return task is not None and "L3" in task.cache.levels


def meant(services: Services, stream: StreamId, run: Run, model: str) -> Meant:
    """The first question that a run puts to a model, apart. Raises ``ModelUnavailable``."""
    task = run.accepted_task
    return Meant(
        tenant=stream.tenant,
        namespace=task.cache.namespace,
        version=services.models.identity(model),
        parameters=all_but_the_goal(services, task, model),
        goal=task.goal,
        run=stream.id,
        draw=f"{stream.id}@{run.deadline}",
    )


async def answer_alike(
    services: Services, log: RunLog, key: str, model: str, compiled: Compile
) -> tuple[Lookup | None, ModelCallAnswered | None]:
    """What is to be recorded of the look-up, if there was one, and the answer, if there is one."""
    run = log.preview
    if not wants_alike(run.task) or run.drafts:
        return None, None
    reuse = services.reuse
    if reuse is None:
        return miss(Miss("off", "reuse is switched off here")), None
    if (reason := _no_place(run)) is not None:
        return miss(reason), None
    try:
        question = meant(services, log.stream, run, model)
    except ModelUnavailable as error:
        return miss(Miss("failed", str(error))), None
    lookup, found = await look_alike(services, reuse, question, compiled)
    return lookup, None if found is None else _answered(key, lookup, found)


def _no_place(run: Run) -> Miss | None:
    """Why this run is not answered so."""
    for settled in run.refuted:
        if settled.level == "L3":
            return Miss("tried", f"the answer of {settled.entry} was tried and {settled.outcome}")
    if (program := compared_program(run)) is not None and _would_have_run(program):
        return Miss("compared", "the model is asked, so that a program can be compared with it")
    if (size := len(run.accepted_task.goal.encode())) > LONGEST_GOAL:
        return Miss("oversized", f"the goal has {size} bytes: those of up to {LONGEST_GOAL} are compared")
    return None


def _would_have_run(program: Lookup) -> bool:
    """Whether it is in the sample of hits. Others are compared only because the model would be asked anyway."""
    return program.outcome == "shadow" or (program.score or 0.0) >= (program.threshold or 0.0)


def _answered(key: str, lookup: Lookup, found: Answer) -> ModelCallAnswered:
    return ModelCallAnswered(
        effect=key,
        text=found.text,
        served_model=found.served_model,
        prompt_tokens=0,
        completion_tokens=0,
        usd=0.0,
        recorded=found.recorded,
        duration=lookup.duration,
        source="cache",
        saved=found.cost,
        entry=found.entry,
    )
