"""``rtfs``: check, compile and disassemble plans without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.bytecode.encoding import MAGIC
from domain.rtfs.capability import Capability
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import Type
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.runs.task import Limits, TaskFile, TaskInvalid, accept
from infra.bootstrap.write_side import tool_runner
from infra.cli.documents import DocumentInvalid, task_of, text_of
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked
from infra.cli.output import counted
from infra.settings import Settings

TASK_FILES = (".yaml", ".yml")

file_argument = click.argument("file", metavar="FILE")


@click.group(
    epilog=examples(
        "precedent rtfs check plan.rtfs",
        "precedent rtfs check examples/word-count.yaml",
        "precedent rtfs disasm plan.rtfs",
    )
)
def rtfs() -> None:
    """Check, compile and disassemble plans.

    FILE is a plan (- for stdin) or a task file (*.yaml) that has one. A task's plan is compiled for the task's types
    and tools, a plan alone for any inputs and every tool.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan's text and what it is compiled for."""

    source: str
    input: Type | None
    output: Type | None
    capabilities: Mapping[str, Capability]

    def compiled(self) -> Program:
        """The program. Raises ``ReadError``, ``CompileError``."""
        return compile_program(
            self.source,
            parameters={} if self.input is None else {"inputs": self.input},
            output=self.output,
            capabilities=self.capabilities,
        )


@rtfs.command(
    short_help="Say whether a plan compiles.",
    epilog=examples("precedent rtfs check plan.rtfs", "precedent rtfs check task.yaml --json"),
)
@file_argument
@invoked
def check(cli: Invocation, file: str) -> int:
    """Say whether the plan in FILE compiles, and the checks of its task; if not, where and why."""
    program = read_plan(file, cli.settings()).compiled()
    cli.output.document({"file": file, **_document(program)})
    names = ", ".join(effect.name for effect in program.effects) or "nothing"
    cli.output.show(Text.assemble(("compiles", "green"), f"  may use: {names}"))
    return DONE


@rtfs.command(
    short_help="Compile a plan; print its program's digest.",
    epilog=examples("precedent rtfs compile plan.rtfs -o plan.rtfsb", "precedent rtfs compile task.yaml --json"),
)
@file_argument
@click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the module's bytes there.")
@invoked
def compile(cli: Invocation, file: str, output: Path | None) -> int:  # noqa: A001  # the command's name
    """Compile the plan in FILE; print the program's digest, effects and size."""
    program = read_plan(file, cli.settings()).compiled()
    if output is not None:
        _write(output, program.module)
    cli.output.document({"file": file, **_document(program)})
    table = Table.grid(padding=(0, 2))
    table.add_row("program", program.digest)
    table.add_row("interface", program.interface_hash)
    table.add_row("size", f"{counted(len(program.module), 'byte')}{f', written to {output}' if output else ''}")
    for effect in program.effects:
        table.add_row("may use", f"{effect.name} version {effect.version} ({effect.mode})")
    cli.output.show(table)
    return DONE


@rtfs.command(
    short_help="List the instructions of a plan or module.",
    epilog=examples("precedent rtfs disasm plan.rtfs", "precedent rtfs disasm plan.rtfsb"),
)
@file_argument
@invoked
def disasm(cli: Invocation, file: str) -> int:
    """List the instructions of FILE: a plan, a task file, or a module that `rtfs compile -o` wrote."""
    module = _module(file)
    if module is None:
        program = read_plan(file, cli.settings()).compiled()
        listing = disassemble(program.module, program.source_map)
    else:
        listing = disassemble(module)
    cli.output.document({"file": file, "listing": listing.splitlines()})
    cli.output.show(Text(listing, end=""))
    return DONE


def read_plan(file: str, settings: Settings) -> Plan:
    """The plan in a file; a task is accepted as a worker would. Raises ``DocumentInvalid``, ``TaskInvalid``."""
    text = text_of(file)
    declared = tool_runner(settings).declarations()
    known = {**{name: each.capability for name, each in declared.items()}, **CONTROLLER_CAPABILITIES}
    if not file.endswith(TASK_FILES):
        return Plan(source=text, input=None, output=None, capabilities=known)
    task = accept(TaskFile.read(task_of(text, file)), known, Limits())
    if task.plan is None:
        raise TaskInvalid(
            f"{file}: the task brings no plan, so there is nothing to compile before a planner drafts one"
        )
    return Plan(
        source=task.plan,
        input=task.input_type,
        output=task.output_type,
        capabilities={name: known[name] for name in task.tools},
    )


def _module(file: str) -> bytes | None:
    """Bytes of a compiled module; None for a text."""
    if file == "-" or not Path(file).is_file():
        return None
    data = Path(file).read_bytes()
    return data if data.startswith(MAGIC) else None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DocumentInvalid(f"{path}: {error.strerror}; name a file that can be written") from None


def _document(program: Program) -> dict[str, Any]:
    return {
        "digest": program.digest,
        "interface": program.interface_hash,
        "bytes": len(program.module),
        "effects": [{"name": each.name, "version": each.version, "mode": each.mode} for each in program.effects],
    }
