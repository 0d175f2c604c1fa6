"""``programs revoke``, ``demote``, ``reinstate`` and ``supersede``: one command on the bus each.

They take effect through the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click

from infra.cli.answers import report_answer
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.programs.naming import module_named, program_named
from infra.cli.session import Session, session

_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the log, and shown to all.")


@click.command(
    short_help="Never run a module again.",
    epilog=examples(
        'precedent programs revoke 5b0c8b51 --reason "it leaks"',
        'precedent programs revoke sha256:9f2c… --reason "compiled with a wrong tool"',
    ),
)
@click.argument("module", metavar="MODULE|ID")
@_reason
@invoked
def revoke(cli: Invocation, module: str, reason: str) -> int:
    """Never run MODULE again, whatever it is offered for; running programs of it stop at their next effect.

    MODULE is the digest of a module, or a program that has it. Every program with this module is revoked, also one that
    is found only later. There is no way back: a corrected program has another module.
    """

    async def data(connected: Session) -> dict[str, Any]:
        return {"module": await module_named(connected, module), "reason": reason}

    return complete(_tell(cli, "RevokeProgram", data, lambda told: f"module {told['module']} is revoked"))


@click.command(
    epilog=examples(
        'precedent programs demote 5b0c8b51 --reason "it forgets the tax"',
        'precedent programs demote 5b0c8b51 --run 01KB0Q3V5Y --reason "a wrong total"',
    )
)
@click.argument("program", metavar="ID")
@_reason
@click.option("--run", metavar="RUN", help="The run in which it was wrong.")
@invoked
def demote(cli: Invocation, program: str, reason: str, run: str | None) -> int:
    """Do not use program ID in place of a model any more. Others with the same module are not touched."""

    async def data(connected: Session) -> dict[str, Any]:
        return {"program": (await program_named(connected, program)).id, "reason": reason, "run": run}

    return complete(_tell(cli, "DemoteProgram", data, lambda told: f"program {told['program']} is demoted"))


@click.command(epilog=examples('precedent programs reinstate 5b0c8b51 --reason "the check was wrong"'))
@click.argument("program", metavar="ID")
@_reason
@invoked
def reinstate(cli: Invocation, program: str, reason: str) -> int:
    """Use program ID again, which was demoted.

    It takes runs since then that came to the same program and did well, with different inputs: as many as
    `programs.reinstated_after` says. `precedent programs show ID` tells how many there are. Who may publish may do it.
    """

    async def data(connected: Session) -> dict[str, Any]:
        return {"program": (await program_named(connected, program)).id, "reason": reason}

    return complete(_tell(cli, "ReinstateProgram", data, lambda told: f"program {told['program']} is used again"))


@click.command(epilog=examples('precedent programs supersede 5b0c8b51 --by 77e1a2c4 --reason "a faster one"'))
@click.argument("program", metavar="ID")
@click.option("--by", "other", required=True, metavar="ID", help="The program that answers in its place.")
@_reason
@invoked
def supersede(cli: Invocation, program: str, other: str, reason: str) -> int:
    """Let another program answer in place of program ID."""

    async def data(connected: Session) -> dict[str, Any]:
        old, new = await program_named(connected, program), await program_named(connected, other)
        if old.id == new.id:
            raise click.UsageError("a program cannot be superseded by itself; --by names another")
        return {"program": old.id, "by": new.id, "reason": reason}

    return complete(
        _tell(cli, "SupersedeProgram", data, lambda told: f"{told['by']} answers in place of {told['program']}")
    )


async def _tell(
    cli: Invocation,
    command: str,
    data_of: Callable[[Session], Awaitable[dict[str, Any]]],
    done: Callable[[dict[str, Any]], str],
) -> int:
    async with session(cli, services=True) as connected:
        data = await data_of(connected)
        answer = await connected.send(connected.envelope(command, data))
    # Whoever supersedes one that is withdrawn already, or reinstates what cannot be, has not got what was asked for.
    return report_answer(cli.output, answer, done(data), twice=command in ("RevokeProgram", "DemoteProgram"))
