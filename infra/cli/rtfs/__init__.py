"""``rtfs``: plans and the language that they are written in. Nothing here needs a server, or makes a run."""

from __future__ import annotations

import click

from infra.cli.invocation import examples
from infra.cli.rtfs.compiling import check, compile, disasm  # noqa: A004  # the command's name
from infra.cli.rtfs.effect_row import explain_effects
from infra.cli.rtfs.evaluating import evaluate
from infra.cli.rtfs.layout import fmt
from infra.cli.rtfs.reference import doc
from infra.cli.rtfs.repl import repl


@click.group(
    epilog=examples(
        "precedent rtfs check plan.rtfs",
        "precedent rtfs eval '(reduce + (range 10))'",
        "precedent rtfs repl",
        "precedent rtfs doc reduce",
    )
)
def rtfs() -> None:
    """Check, lay out, compile, run and explain plans, and look up the language they are written in.

    FILE is a plan (- for stdin) or a task file (*.yaml) that has one. A task's plan is compiled for the task's types
    and tools, a plan alone for any inputs and every tool.
    """


for command in (check, fmt, compile, disasm, explain_effects, evaluate, repl, doc):
    rtfs.add_command(command)
