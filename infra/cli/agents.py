"""``agents``: the agents written in Python that tasks may name, as they are declared."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from domain.agents.declaration import Agent
from domain.agents.suspects import suspects
from domain.kernel.errors import NotFound
from infra.bootstrap.agents import agents_of
from infra.cli.errors import meant
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked


@click.group(epilog=examples("precedent agents ls", "precedent agents show docs.links"))
def agents() -> None:
    """The agents of the configured modules; a task names one in place of a plan."""


@agents.command(epilog=examples("precedent agents ls", "precedent agents ls --json"))
@invoked
def ls(cli: Invocation) -> int:
    """List every agent with its version and module."""
    listed = agents_of(cli.settings())
    cli.output.document({"agents": [_document(each) for each in listed.values()]})
    if not listed:
        cli.output.note("no agents: list their modules under `agents` in precedent.yaml (docs/agents.md)")
        return DONE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("agent", "version", "module", "does"):
        table.add_column(name, no_wrap=name != "does")
    for each in listed.values():
        table.add_row(each.name, each.version, each.module, Text(each.doc.partition("\n")[0]))
    cli.output.show(table)
    return DONE


@agents.command(
    short_help="One agent, and what in it may not replay.", epilog=examples("precedent agents show docs.links")
)
@click.argument("name")
@invoked
def show(cli: Invocation, name: str) -> int:
    """Show agent NAME, and the places of its module at which two executions may differ."""
    listed = agents_of(cli.settings())
    if name not in listed:
        raise NotFound(f"no agent is named {name}; {meant(name, listed)}`precedent agents ls` lists them")
    agent = listed[name]
    cli.output.document(_document(agent))
    table = Table.grid(padding=(0, 2))
    table.add_row("agent", Text(f"{agent.name}, version {agent.version}", style="bold"))
    table.add_row("module", Text(f"{agent.module}, {agent.digest}"))
    found = suspects(agent.source)
    for number, each in enumerate(found):
        table.add_row("" if number else "suspects", Text(str(each)))
    cli.output.show(table, Text(f"\n{agent.doc}"))
    return DONE


def _document(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "version": agent.version,
        "module": agent.module,
        "digest": agent.digest,
        "doc": agent.doc,
        "suspects": [
            {"line": each.line, "uses": each.what, "instead": each.instead} for each in suspects(agent.source)
        ],
    }
