"""From a task to a program: the plan is brought or asked of a model, then compiled against the task's rights."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Final

from commands.ports import ModelAnswer, ModelRequest, ToolRunner
from commands.runs.alike import answer_alike
from commands.runs.asking import capabilities, document_of, request_of
from commands.runs.calling import Caller
from commands.runs.inheriting import Parent
from commands.runs.log import RunLog
from commands.services import Services
from domain.kernel.values import digest_json, text_of_bytes
from domain.models import ModelUnavailable, PlanNotFound, extract_plan
from domain.rtfs.capability import Capability
from domain.rtfs.modules import resolver_of
from domain.rtfs.program import Program, compile_program
from domain.rtfs.source import LocatedError
from domain.rtfs.types import parse_type
from domain.runs.controller import attempts_left, budget_broken, compiled, drafted, failed, pinned, rejected
from domain.runs.delegation import plan_of, tool_for
from domain.runs.events import ModelCallAnswered, ModelCallFailed, ModelCallRequested
from domain.runs.hints import bounded_calls, check_hints
from domain.runs.parts import Fault, PinnedEffect, PinnedModule, RunEvent
from domain.runs.planning import ProgramCompiled
from domain.runs.state import Run
from domain.runs.task import Task

NO_PROGRAM: Final = "Correct the plan; `precedent rtfs check` shows the same messages."


async def draft_plan(services: Services, log: RunLog, caller: Caller, parent: Parent) -> None:
    """Stage the next draft, or the run's failure when there can be none."""
    run = log.preview
    if run.route in ("given-plan", "tool"):
        _draft_given(services, log, run)
        return
    if not attempts_left(run):
        last = run.drafts[-1].rejected or ""
        message = f"{len(run.drafts)} drafts were rejected; the last one: {last}"
        log.stage(failed("plan.rejected", message, advice="Bring a plan, or allow more model.max_attempts."))
        return
    answer = await _answer(services, log, caller, parent, f"plan/{len(run.drafts) + 1}")
    if answer is None:
        return
    try:
        source = extract_plan(answer.text)
    except PlanNotFound as error:
        log.stage(drafted(log.preview, answer.text, answer.served_model))
        log.stage(rejected(log.preview, str(error)))
    else:
        log.stage(drafted(log.preview, source, answer.served_model))


def _draft_given(services: Services, log: RunLog, run: Run) -> None:
    task = run.accepted_task
    if run.drafts:
        log.stage(failed("plan.rejected", run.drafts[-1].rejected or "rejected", advice=NO_PROGRAM))
    elif run.route == "given-plan":
        log.stage(drafted(run, task.plan or "", "task"))
    elif (found := tool_for(task, capabilities(services.tools, task.tools))) is not None:
        log.stage(drafted(run, plan_of(task, found), f"the words of {found.name}"))
    else:
        message = "the tool to which the run was routed is not here any more"
        log.stage(failed("plan.rejected", message, advice="Submit the task again."))


async def _answer(
    services: Services, log: RunLog, caller: Caller, parent: Parent, key: str
) -> ModelCallAnswered | None:
    run = log.preview
    if key in run.answers:
        return run.answers[key]
    if key in run.refusals:
        advice = "Check the model under `models` in precedent.yaml and submit the task again, or bring a plan."
        log.stage(failed("model.unavailable", run.refusals[key].message, effect=key, advice=advice))
        return None
    broken = budget_broken(run)
    if broken is not None:
        log.stage(broken)
        return None
    request = request_of(services, run)
    document = document_of(request)
    digest = digest_json(document)
    requested = ModelCallRequested(effect=key, model=request.model, request=document, request_digest=digest)
    known: ModelCallAnswered | None = await parent.model_answer(key, digest)
    question = None
    if known is None:
        question, lookup, known = await caller.exact.model(key, request.model, digest)
        lookups = () if lookup is None else (lookup,)
        if known is None:
            alike, known = await answer_alike(services, log, key, request.model, partial(compile_answer, services, run))
            lookups = lookups if alike is None else (*lookups, alike)
        requested = requested.model_copy(update={"lookups": lookups})
    lost = run.attempts.get(key, 0)
    log.stage(requested)  # again where a worker vanished: each call is on the record, and charged
    if known is not None:
        log.stage(known)
        return known
    caller.renew_claim()
    await log.commit()
    await caller.hold_claim()
    await caller.watch([caller.exact.ask(question, requested, lambda: _ask(services, key, request, lost))])
    await log.commit()
    return log.run.answers.get(key)


async def _ask(services: Services, key: str, request: ModelRequest, lost: int) -> RunEvent:
    began = services.clock.monotonic()
    try:
        answer = await services.models.ask(request)
    except ModelUnavailable as error:
        fault = Fault(type=error.code, message=str(error))
        return ModelCallFailed(effect=key, error=fault, duration=services.clock.monotonic() - began)
    return _answered(key, answer, services.clock.monotonic() - began, lost)


def _answered(key: str, answer: ModelAnswer, duration: float, lost: int) -> ModelCallAnswered:
    return ModelCallAnswered(
        effect=key,
        text=answer.text,
        served_model=answer.served_model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        usd=answer.usd,
        recorded=answer.recorded,
        duration=duration,
        lost=lost,
    )


def compile_draft(services: Services, log: RunLog) -> None:
    """Stage the newest draft's program, or its rejection with the compiler's message."""
    run = log.preview
    try:
        log.stage(program_of(services.tools, run))
    except LocatedError as error:
        log.stage(rejected(run, error.render()))


def program_of(tools: ToolRunner, run: Run) -> ProgramCompiled:
    """The newest draft as a program that is pinned to the tools that are here. Raises ``LocatedError``."""
    program = compile_plan(tools, run.accepted_task, run.drafts[-1].source)
    return compiled(
        run,
        digest=program.digest,
        interface_hash=program.interface_hash,
        effects=pinned_effects(program),
        module=text_of_bytes(program.module),
        source_map=program.source_map.encode().decode(),
        modules=tuple(PinnedModule(name=each.name, digest=each.digest) for each in program.imports),
        bounded=bounded_calls(program.module),
    )


def compile_plan(tools: ToolRunner, task: Task, source: str) -> Program:
    """A plan as a program of this task, with the tools that are here. Raises ``LocatedError``."""
    allowed = tuple(capabilities(tools, task.tools).values())
    return _compiled(source, task.input, task.output, allowed, tuple(sorted(task.modules.items())))


def compile_answer(services: Services, run: Run, text: str) -> Program:
    """A model's answer as a program of this run's task. Raises ``PlanNotFound``, ``LocatedError``."""
    return compile_plan(services.tools, run.accepted_task, extract_plan(text))


@lru_cache(maxsize=1024)  # the same task is often run again, and compiling is pure
def _compiled(
    source: str,
    input_type: str,
    output_type: str,
    allowed: tuple[Capability, ...],
    modules: tuple[tuple[str, str], ...],
) -> Program:
    resolver = resolver_of(dict(modules))
    program = compile_program(
        source,
        parameters={"inputs": parse_type(input_type)},
        output=parse_type(output_type),
        capabilities={capability.name: capability for capability in allowed},
        modules=resolver,
    )
    check_hints(program, source, resolver)
    return program


def pin_agent(services: Services, log: RunLog) -> None:
    """Stage the agent that the task names, at the versions that this worker has of it and of its tools."""
    run = log.preview
    task = run.accepted_task
    found = capabilities(services.tools, task.tools).values()
    effects = tuple(PinnedEffect(name=each.name, version=each.version, mode=each.effects) for each in found)
    log.stage(pinned(run, services.agents.agents()[task.agent or ""], effects))


def pinned_effects(program: Program) -> tuple[PinnedEffect, ...]:
    """What a program may do, at the versions that it was compiled against."""
    return tuple(PinnedEffect(name=e.name, version=e.version, mode=e.mode) for e in program.effects)
