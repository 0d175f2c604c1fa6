"""``tools``: what plans may call, as it is declared, and a way to try one."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from adapters.tools.runner import LocalToolRunner
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.values import Value, encode
from domain.rtfs.capability import Parameter
from domain.rtfs.types import ANY, Type, TypeMismatch, coerce, plain, print_type
from domain.tools import CallContext, ToolDeclaration, ToolFailed
from infra.bootstrap.write_side import tool_runner
from infra.cli.documents import json_of
from infra.cli.errors import print_error
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
    declared = tool_runner(cli.settings()).declarations()
    cli.output.document({"tools": [_document(each) for each in declared.values()]})
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tool", "effects", "takes", "gives"):
        table.add_column(name, no_wrap=name in ("tool", "effects"))
    for each in declared.values():
        capability = each.capability
        takes = ", ".join(_parameter(parameter) for parameter in capability.parameters)
        table.add_row(each.name, capability.effects, Text(takes), Text(print_type(capability.result)))
    cli.output.show(table)
    return DONE


@tools.command(epilog=examples("precedent tools show python.metadata"))
@click.argument("name")
@invoked
def show(cli: Invocation, name: str) -> int:
    """Show the declaration of tool NAME."""
    declaration = _declared(tool_runner(cli.settings()), name)
    cli.output.document(_document(declaration))
    capability = declaration.capability
    table = Table.grid(padding=(0, 2))
    table.add_row("tool", Text(f"{name}, version {capability.version}", style="bold"))
    table.add_row("effects", capability.effects + (", idempotent" if declaration.idempotent else ""))
    for parameter in capability.parameters:
        table.add_row("takes", Text(_parameter(parameter)))
    table.add_row("gives", Text(print_type(capability.result)))
    table.add_row("runs", f"{declaration.isolation}, at most {declaration.timeout:g} s")
    cli.output.show(table, Text(f"\n{capability.doc}"))
    return DONE


@tools.command(
    epilog=examples(
        'precedent tools call fs.read \'{"path": "README.md"}\'',
        'precedent tools call --json python.metadata \'{"site": ".venv", "package": "rich"}\'',
    )
)
@click.argument("name")
@click.argument("arguments", default="{}")
@invoked
def call(cli: Invocation, name: str, arguments: str) -> int:
    """Call tool NAME with ARGUMENTS (a JSON object), here and now, outside of any run.

    For trying a tool: it has its real effects, the guard is not asked, and nothing is recorded.
    """
    runner = tool_runner(cli.settings())
    declaration = _declared(runner, name)
    given = json_of(arguments, "ARGUMENTS")
    if not isinstance(given, dict):
        raise InvalidInput('ARGUMENTS: a JSON object is expected, as in \'{"path": "README.md"}\'')
    types = {parameter.name: parameter.type for parameter in declaration.capability.parameters}
    values = {key: _typed(key, value, types.get(key, ANY)) for key, value in given.items()}
    return complete(_call(cli, runner, name, values))


async def _call(cli: Invocation, runner: LocalToolRunner, name: str, values: dict[str, Any]) -> int:
    context = CallContext(tenant=cli.settings().tenant, run=new_id(), effect="0")
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


def _declared(runner: LocalToolRunner, name: str) -> ToolDeclaration:
    declaration = runner.declarations().get(name)
    if declaration is None:
        raise NotFound(f"there is no tool {name!r}; `precedent tools ls` lists them")
    return declaration


def _parameter(parameter: Parameter) -> str:
    return f"{parameter.name} {print_type(parameter.type)}{'' if parameter.required else ' (optional)'}"


def _document(declaration: ToolDeclaration) -> dict[str, Any]:
    capability = declaration.capability
    return {
        "name": declaration.name,
        "version": capability.version,
        "effects": capability.effects,
        "idempotent": declaration.idempotent,
        "isolation": declaration.isolation,
        "stateful": declaration.stateful,
        "timeout": declaration.timeout,
        "parameters": [
            {"name": each.name, "type": print_type(each.type), "required": each.required}
            for each in capability.parameters
        ],
        "result": print_type(capability.result),
        "doc": capability.doc,
        "tags": declaration.tags,
    }
