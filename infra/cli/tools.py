"""``tools``: what plans may call, as it is declared, and a way to try one.

Beside the tools stand the effects that the controller itself answers: a task lists both alike.
"""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from adapters.tools.runner import LocalToolRunner
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.values import Value, encode
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.types import ANY, Type, TypeMismatch, coerce, plain, print_type
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.tools import CallContext, ToolDeclaration, ToolFailed
from infra.bootstrap.tools import tool_runner
from infra.cli.documents import json_of
from infra.cli.errors import meant, print_error
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.results import render_result
from infra.cli.session import new_id


@click.group(
    epilog=examples(
        "precedent tools ls",
        "precedent tools show fs.read",
        'precedent tools call fs.read \'{"path": "README.md"}\'',
    )
)
def tools() -> None:
    """The tools that plans may call: those that come with Precedent, and those of the configured modules."""


@tools.command(epilog=examples("precedent tools ls", "precedent tools ls --json"))
@invoked
def ls(cli: Invocation) -> int:
    """List every tool with its signature and effects."""
    listed = _listed(tool_runner(cli.settings()))
    cli.output.document({"tools": [_document(each) for each in listed.values()]})
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tool", "effects", "takes", "gives"):
        table.add_column(name, no_wrap=name in ("tool", "effects"))
    for capability in map(_capability, listed.values()):
        takes = ", ".join(_parameter(parameter) for parameter in capability.parameters)
        table.add_row(capability.name, capability.effects, Text(takes), Text(print_type(capability.result)))
    cli.output.show(table)
    return DONE


@tools.command(epilog=examples("precedent tools show python.metadata"))
@click.argument("name")
@invoked
def show(cli: Invocation, name: str) -> int:
    """Show the declaration of tool NAME."""
    offered = _offered(tool_runner(cli.settings()), name)
    cli.output.document(_document(offered))
    capability = _capability(offered)
    idempotent = isinstance(offered, ToolDeclaration) and offered.idempotent
    table = Table.grid(padding=(0, 2))
    table.add_row("tool", Text(f"{name}, version {capability.version}", style="bold"))
    table.add_row("effects", capability.effects + (", idempotent" if idempotent else ""))
    for parameter in capability.parameters:
        table.add_row("takes", Text(_parameter(parameter)))
    table.add_row("gives", Text(print_type(capability.result)))
    if isinstance(offered, ToolDeclaration):
        table.add_row("runs", f"{offered.isolation}, at most {offered.timeout:g} s")
    else:
        table.add_row("runs", "nowhere: the run's controller answers it itself")
    cli.output.show(table, Text(f"\n{capability.doc}"))
    return DONE


@tools.command(
    short_help="Call a tool here and now, outside of any run.",
    epilog=examples(
        'precedent tools call fs.read \'{"path": "README.md"}\'',
        'precedent tools call --json python.packages \'{"site": ".venv"}\'',
    ),
)
@click.argument("name")
@click.argument("arguments", default="{}")
@click.option("--inputs", default="{}", metavar="JSON", help="For a tool with state: of the run that it is made for.")
@invoked
def call(cli: Invocation, name: str, arguments: str, inputs: str) -> int:
    """Call tool NAME with ARGUMENTS (a JSON object), here and now, outside of any run.

    For trying a tool: it has its real effects, the guard is not asked, and nothing is recorded.
    """
    runner = tool_runner(cli.settings())
    declaration = _offered(runner, name)
    if not isinstance(declaration, ToolDeclaration):
        raise InvalidInput(f"{name} is answered by the controller of a run, so it can be called by a plan only")
    given, made_of = json_of(arguments, "ARGUMENTS"), json_of(inputs, "--inputs")
    if not isinstance(given, dict):
        raise InvalidInput('ARGUMENTS: a JSON object is expected, as in \'{"path": "README.md"}\'')
    if not isinstance(made_of, dict):
        raise InvalidInput('--inputs: a JSON object is expected, as in \'{"items": ["a"]}\'')
    types = {parameter.name: parameter.type for parameter in declaration.capability.parameters}
    values = {key: _typed(key, value, types.get(key, ANY)) for key, value in given.items()}
    return complete(_call(cli, runner, name, values, made_of))


async def _call(
    cli: Invocation, runner: LocalToolRunner, name: str, values: dict[str, Any], inputs: dict[str, Any]
) -> int:
    context = CallContext(tenant=cli.settings().tenant, run=new_id(), effect="0")
    runner.open_run(context.run, inputs)
    outcome = await runner.run(name, values, context)
    if isinstance(outcome, ToolFailed):
        return print_error(outcome.type, f"{outcome.type}: {outcome.message}", as_json=cli.output.as_json)
    cli.output.document({"tool": name, "result": plain(outcome.value), "value": encode(outcome.value)})
    cli.output.show(render_result(encode(outcome.value)))
    return DONE


def _typed(name: str, value: Any, expected: Type) -> Value:
    try:
        return coerce(value, expected)
    except TypeMismatch as error:
        raise InvalidInput(f"ARGUMENTS, {name}: {error}") from None


def _listed(runner: LocalToolRunner) -> dict[str, ToolDeclaration | Capability]:
    offered: dict[str, ToolDeclaration | Capability] = {**runner.declarations(), **CONTROLLER_CAPABILITIES}
    return dict(sorted(offered.items()))


def _offered(runner: LocalToolRunner, name: str) -> ToolDeclaration | Capability:
    listed = _listed(runner)
    if name not in listed:
        raise NotFound(f"there is no tool {name!r}; {meant(name, listed)}see `precedent tools ls`")
    return listed[name]


def _capability(offered: ToolDeclaration | Capability) -> Capability:
    return offered.capability if isinstance(offered, ToolDeclaration) else offered


def _parameter(parameter: Parameter) -> str:
    return f"{parameter.name} {print_type(parameter.type)}{'' if parameter.required else ' (optional)'}"


def _document(offered: ToolDeclaration | Capability) -> dict[str, Any]:
    capability = _capability(offered)
    if isinstance(offered, ToolDeclaration):
        names = ("idempotent", "isolation", "stateful", "momentary", "timeout", "tags")
        run_as = {name: getattr(offered, name) for name in names}
    else:
        run_as = {"idempotent": True, "isolation": "controller", "stateful": False, "momentary": True}
        run_as |= {"timeout": None, "tags": ()}
    return {
        "name": capability.name,
        "version": capability.version,
        "effects": capability.effects,
        **run_as,
        "parameters": [
            {"name": each.name, "type": print_type(each.type), "required": each.required}
            for each in capability.parameters
        ],
        "result": print_type(capability.result),
        "doc": capability.doc,
    }
