"""``rtfs``: plans and the language that they are written in. Nothing here needs a server, or makes a run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

import click

from infra.cli.invocation import examples

COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "check": ("compiling", "check", "Say whether a plan compiles."),
    "fmt": ("layout", "fmt", "Lay out plans."),
    "compile": ("compiling", "compile", "Compile a plan; print its program's digest."),
    "disasm": ("compiling", "disasm", "List the instructions of a plan or module."),
    "explain-effects": ("effect_row", "explain_effects", "What a plan may ask of the world, and where."),
    "eval": ("evaluating", "evaluate", "Run an expression or a plan, here and now."),
    "repl": ("repl", "repl", "A dialogue with the language."),
    "doc": ("reference", "doc", "Look up functions and forms."),
}
"""Module, name in it, and line in ``--help``. Only the one that is called is imported."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        assert isinstance(command, click.Command), "the table names commands"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    epilog=examples(
        "precedent rtfs check plan.rtfs",
        "precedent rtfs eval '(reduce + (range 10))'",
        "precedent rtfs repl",
        "precedent rtfs doc reduce",
    ),
)
def rtfs() -> None:
    """Check, lay out, compile, run and explain plans, and look up the language they are written in.

    FILE is a plan (- for stdin) or a task file (*.yaml) that has one. A task's plan is compiled for the task's types
    and tools, a plan alone for any inputs and every tool.
    """
