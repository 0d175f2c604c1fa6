"""What a model is asked for a plan, and which model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from commands.ports import ModelRequest, ToolRunner
from commands.services import Services
from domain.kernel.values import digest_json
from domain.models import plan_messages
from domain.rtfs.capability import Capability
from domain.rtfs.card import language_card
from domain.runs.delegation import Rung, asked_next, ladder
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.runs.state import Draft, Run
from domain.runs.task import Task

MODEL_TIMEOUT: Final = 300.0
"""Seconds for one draft, retries included."""


def rungs(services: Services, task: Task) -> tuple[str, ...]:
    """Models that may be asked, in order."""
    offers = services.models.offers()
    return ladder(task, {name: Rung(each.tier, each.price_input + each.price_output) for name, each in offers.items()})


def request_of(services: Services, run: Run) -> ModelRequest:
    """What is asked next in a run."""
    task = run.accepted_task
    first = run.routing.model if run.routing is not None else None
    name = asked_next(rungs(services, task), first, len(run.drafts)) or task.model.name
    return _request(services, task, name, task.goal, run.drafts)


def _request(services: Services, task: Task, model: str, goal: str, drafts: Sequence[Draft] = ()) -> ModelRequest:
    messages = plan_messages(
        goal=goal,
        input_type=task.input,
        output_type=task.output,
        checks=task.checks,
        limits={"tool_calls": task.limits.tool_calls, "seconds": task.limits.seconds},
        card=language_card(capabilities(services.tools, task.tools), task.modules),
        rejected=[(draft.source, draft.rejected or "") for draft in drafts],
    )
    return ModelRequest(model=model, messages=messages, timeout=MODEL_TIMEOUT)


def document_of(request: ModelRequest) -> dict[str, Any]:
    """A request as events hold it: all that the answer depends on."""
    return {"model": request.model, "messages": list(request.messages), "parameters": request.parameters}


def all_but_the_goal(services: Services, task: Task, model: str) -> str:
    """Digest of a task's first question without its goal: model, types, checks, limits, language, tools at versions.

    Raises ``ModelUnavailable``.
    """
    found = capabilities(services.tools, task.tools)
    return digest_json(
        {
            "identity": services.models.identity(model),
            "question": document_of(_request(services, task, model, goal="")),
            "tools": {name: capability.version for name, capability in found.items()},
        }
    )


def capabilities(runner: ToolRunner, tools: tuple[str, ...]) -> dict[str, Capability]:
    """Capabilities of those tools that this worker has."""
    declared = runner.declarations()
    found = {name: declared[name].capability for name in tools if name in declared}
    return found | {name: CONTROLLER_CAPABILITIES[name] for name in tools if name in CONTROLLER_CAPABILITIES}
