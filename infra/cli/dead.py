"""``dead``: messages that nobody could handle, kept with their reason."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from adapters.nats.dead_letters import DeadLetter, dead_letters, exhume, retry
from domain.kernel.values import text_of_bytes
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.session import session

number = click.argument("number", type=WholeNumber(min=1))


@click.group(epilog=examples("precedent dead ls", "precedent dead show 3", "precedent dead retry 3"))
def dead() -> None:
    """Messages that nobody could handle: list them, look at one, try one again.

    NUMBER is the first column of `precedent dead ls`.
    """


@dead.command("ls", epilog=examples("precedent dead ls", "precedent dead ls --json"))
@invoked
def ls(cli: Invocation) -> int:
    """List dead letters, the oldest first."""
    return complete(_ls(cli))


@dead.command(
    "show",
    short_help="Show a dead letter with its payload.",
    epilog=examples("precedent dead show 3", "precedent dead show 3 --json"),
)
@number
@invoked
def show(cli: Invocation, number: int) -> int:
    """Show dead letter NUMBER of `precedent dead ls`, with its payload."""
    return complete(_show(cli, number))


@dead.command(
    "retry", short_help="Send a dead letter again, and forget it here.", epilog=examples("precedent dead retry 3")
)
@number
@invoked
def again(cli: Invocation, number: int) -> int:
    """Send dead letter NUMBER of `precedent dead ls` to where it was first sent, and forget it here.

    Nobody waits for its answer.
    """
    return complete(_retry(cli, number))


async def _ls(cli: Invocation) -> int:
    async with session(cli, services=False) as connected:
        letters = [letter async for letter in dead_letters(connected.connection)]
    cli.output.document({"dead": [_document(letter) for letter in letters]})
    cli.output.show(_table(letters) if letters else "no dead letters")
    return DONE


async def _show(cli: Invocation, sequence: int) -> int:
    async with session(cli, services=False) as connected:
        letter = await exhume(connected.connection, sequence)
    cli.output.document(_document(letter))
    cli.output.show(
        Text(f"{letter.sequence}  {letter.time}  sent to {letter.origin}"),
        Text(letter.reason, style="red"),
        Text(letter.payload.decode("utf-8", "backslashreplace")),
    )
    return DONE


async def _retry(cli: Invocation, sequence: int) -> int:
    async with session(cli, services=True) as connected:
        letter = await exhume(connected.connection, sequence)
        await retry(connected.connection, letter)
    cli.output.document({"sequence": sequence, "origin": letter.origin, "sent": True})
    cli.output.show(f"sent again to {letter.origin}")
    return DONE


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {
        "sequence": letter.sequence,
        "origin": letter.origin,
        "time": letter.time,
        "reason": letter.reason,
        "payload": text_of_bytes(letter.payload),
    }


def _table(letters: list[DeadLetter]) -> Table:
    table = Table("number", "time", "sent to", "reason", box=None, pad_edge=False, header_style="bold")
    for letter in letters:
        table.add_row(str(letter.sequence), letter.time, letter.origin, Text(letter.reason))
    return table
