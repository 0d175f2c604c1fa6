"""``rtfs check``, ``compile`` and ``disasm``: plans without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.bytecode.encoding import MAGIC
from domain.rtfs.program import Program
from infra.cli.documents import DocumentInvalid
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked
from infra.cli.output import counted
from infra.cli.rtfs.plans import file_argument, read_plan


@click.command(
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


@click.command(
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
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("program", program.digest)
    table.add_row("interface", program.interface_hash)
    table.add_row("size", f"{counted(len(program.module), 'byte')}{f', written to {output}' if output else ''}")
    for effect in program.effects:
        table.add_row("may use", f"{effect.name} version {effect.version} ({effect.mode})")
    cli.output.show(table)
    return DONE


@click.command(
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
