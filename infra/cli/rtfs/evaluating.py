"""``rtfs eval``: run an expression or a plan here and now, outside of any run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from domain.kernel.errors import InvalidInput
from domain.kernel.values import Value
from domain.rtfs import vm
from domain.rtfs.types import ANY, Type, TypeMismatch, coerce, infer
from infra.cli.documents import json_of, text_of
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, NO
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.rtfs.evaluation import (
    Evaluated,
    Evaluator,
    document_of,
    refused,
    shown_error,
    shown_request,
    shown_value,
)
from infra.cli.rtfs.modules import modules_beside
from infra.cli.rtfs.plans import Plan, is_file, known_capabilities, read_plan
from infra.settings import Settings


@click.command(
    "eval",
    epilog=examples(
        "precedent rtfs eval '(reduce + (range 10))'",
        'precedent rtfs eval plan.rtfs --inputs \'{"site": ".venv"}\'',
        "precedent rtfs eval task.yaml --inputs @inputs.json",
        "precedent rtfs eval --call '(call :fs.stat {:path \"README.md\"})'",
    ),
)
@click.argument("given", metavar="EXPRESSION|FILE")
@click.option("--inputs", metavar="JSON|@FILE", help="What `inputs` is, as plain JSON; without it a task's own, or {}.")
@click.option("--call", "calls", is_flag=True, help="Make effects that are pure or read; the tools are called.")
@invoked
def evaluate(cli: Invocation, given: str, inputs: str | None, calls: bool) -> int:
    """Compile EXPRESSION, or the plan in FILE (*.rtfs, a task file, or - for stdin), run it, and print its value.

    It stops at its first effect and shows what it would ask, unless --call is given. What writes is never made here:
    submit a task for that. Nothing is recorded.
    """
    settings = cli.settings()
    plan = with_inputs(_plan(given, settings), inputs)
    evaluator = Evaluator(
        settings, plan.capabilities, calls, plan.modules, told=lambda request: _tell(cli, request, plan)
    )
    return complete(_evaluate(cli, evaluator, plan))


def _plan(given: str, settings: Settings) -> Plan:
    if is_file(given):
        return read_plan(given, settings)
    return Plan(source=given, capabilities=known_capabilities(settings), modules=modules_beside(Path()))


def with_inputs(plan: Plan, inputs: str | None) -> Plan:
    """The plan with these inputs, of its task's type where there is one. Raises ``InvalidInput``."""
    if inputs is None:
        value, input_type = ({}, infer({})) if plan.rights is None else (plan.inputs, plan.input)
    else:
        text = text_of(inputs[1:]) if inputs.startswith("@") else inputs
        tree: Any = json_of(text, inputs if inputs.startswith("@") else "--inputs")
        value, input_type = _typed(tree, plan.input)
    return replace(plan, input=input_type, inputs=value)


def _typed(tree: Any, expected: Type) -> tuple[Value, Type]:
    input_type = infer(tree) if expected == ANY else expected
    try:
        return coerce(tree, input_type), input_type
    except TypeMismatch as error:
        raise InvalidInput(f"--inputs: {error}") from None


def _tell(cli: Invocation, request: vm.EffectRequest, plan: Plan) -> None:
    cli.output.note(f"calls {shown_request(request, plan.capabilities[request.capability])}")


async def _evaluate(cli: Invocation, evaluator: Evaluator, plan: Plan) -> int:
    ended = await evaluator.run(plan.compiled(), plan.source, {"inputs": plan.inputs})
    cli.output.document(document_of(ended, evaluator))
    return show(cli, evaluator, ended)


def show(cli: Invocation, evaluator: Evaluator, ended: Evaluated) -> int:
    """Show how an evaluation ended; give the exit code."""
    step = ended.step
    if isinstance(step, vm.Finished):
        cli.output.show(Text(shown_value(step.value)))
        return DONE
    if isinstance(step, vm.Trapped):
        tell_error(cli.output, shown_error(ended))
        return NO
    for request in step.requests:
        cli.output.show(Text(f"asks  {shown_request(request, evaluator.capabilities[request.capability])}"))
    tell_error(cli.output, f"stopped before it: {evaluator.why_not(refused(step, evaluator))}")
    return NO
