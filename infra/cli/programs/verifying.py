"""``programs verify``: published programs against what was signed for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from infra.cli.exits import DONE, TAMPERED
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import Output, counted
from infra.cli.programs.checking import Checked, Checking, checking
from infra.cli.programs.naming import program_named
from infra.cli.session import Session, session
from projections.program_rows import ProgramRow, list_programs

PAGE = 200
"""Programs that are read at a time."""

program_keys_option = click.option(
    "--key",
    "keys",
    metavar="KEY|FILE",
    multiple=True,
    help="A key whose signatures count, or a file that holds it; may be repeated. Default: those that the settings "
    "trust, and this deployment's own.",
)


@click.command(
    short_help="Say whether programs are as they were signed.",
    epilog=examples(
        "precedent programs verify 5b0c8b51",
        "precedent programs verify --all",
        "precedent programs verify --all --key other.key --json",
    ),
)
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every program of the tenant.")
@program_keys_option
@invoked
def verify(cli: Invocation, names: tuple[str, ...], keys: tuple[str, ...], *, everything: bool) -> int:
    """Check signature, evidence, bytecode, interface and effect row of programs, and their rows in the index.

    The statement is checked against trusted keys; the bytes are fetched from the content store. Programs that were not
    published have nothing to verify. Whether a program is in use is not asked here: `precedent programs show` tells.

    Exit code 0: all is as it was signed. 4: something is not, and what it is is said.
    """
    if everything == bool(names):
        raise click.UsageError("name programs, or say --all")
    return complete(_verify(cli, names, keys))


async def _verify(cli: Invocation, names: tuple[str, ...], keys: tuple[str, ...]) -> int:
    async with session(cli, services=False) as connected, checking(connected, keys) as check:
        rows = [await program_named(connected, name) for name in names] or await _all(connected)
        checked = await _checked(cli.output, check, rows)
    wrong = [each for each in checked if each.wrong]
    cli.output.document({"sound": not wrong, "programs": [_document(each) for each in checked]})
    cli.output.show(*_rendered(checked, wrong))
    return TAMPERED if wrong else DONE


async def _checked(output: Output, check: Checking, rows: Sequence[ProgramRow]) -> list[Checked]:
    checked = []
    with output.progress("verify programs") as bar:
        for number, row in enumerate(rows):
            bar(number, len(rows))
            checked.append(await check.check(row))
    return checked


async def _all(connected: Session) -> list[ProgramRow]:
    await connected.read_up_to(await connected.store.end())
    rows: list[ProgramRow] = []
    while True:
        async with connected.database.transaction() as transaction:
            page = await list_programs(
                transaction, connected.settings.tenant, after=rows[-1].id if rows else "", limit=PAGE
            )
        rows += page
        if len(page) < PAGE:
            return rows


def _document(checked: Checked) -> dict[str, Any]:
    return {
        "id": checked.row.id,
        "status": checked.row.validation_status,
        "published": checked.published,
        "sound": not checked.wrong if checked.published else None,
        "wrong": dict(checked.wrong),
    }


def _rendered(checked: Sequence[Checked], wrong: Sequence[Checked]) -> list[Text | Table]:
    published = sum(each.published for each in checked)
    rest = f"; {counted(len(checked) - published, 'other')} not published" if len(checked) > published else ""
    if not wrong:
        return [Text.assemble(("as signed", "bold green"), f"  {counted(published, 'program')}{rest}")]
    table = Table("program", "what", "", box=None, pad_edge=False, header_style="bold")
    for each in wrong:
        for number, (step, message) in enumerate(each.wrong.items()):
            table.add_row("" if number else each.row.id, step, Text(message))
    head = Text.assemble(("not as signed", "bold red"), f"  {len(wrong)} of {counted(published, 'program')}{rest}")
    return [head, table]
