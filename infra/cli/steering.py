"""What people tell runs: approve, refuse, resolve, pause, resume, cancel. Each is one command on the bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from infra.cli.answers import report_answer
from infra.cli.documents import json_of
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.session import session


@click.command(epilog=examples("precedent approve RUN 1/0", 'precedent approve RUN 1/0 --refuse "wrong folder"'))
@click.argument("run")
@click.argument("key")
@click.option("--refuse", metavar="REASON", help="Do not let it happen; the program is told why.")
@click.option("--note", default="", help="Why you let it happen; kept in the decision ledger.")
@invoked
def approve(cli: Invocation, run: str, key: str, refuse: str | None, note: str) -> int:
    """Let the effect KEY of RUN happen, which waits for a person.

    `precedent show RUN` lists what waits, with its arguments.
    """
    if refuse is not None and note:
        raise click.UsageError("--note goes with an approval; the reason of a refusal is the value of --refuse")
    if refuse is None:
        data = {"effect": key, "note": note}
        return complete(_tell(cli, "GrantApproval", run, data, lambda run: f"effect {key} of run {run} may happen"))
    data = {"effect": key, "reason": refuse}
    return complete(_tell(cli, "RefuseApproval", run, data, lambda run: f"effect {key} of run {run} is refused"))


@click.command(
    epilog=examples(
        "precedent resolve RUN 1/0 --outcome happened --result '{\"id\": 7}'",
        "precedent resolve RUN 1/0 --outcome repeat",
        'precedent resolve RUN 1/0 --outcome failed --note "the mail was never sent"',
    )
)
@click.argument("run")
@click.argument("key")
@click.option(
    "--outcome", required=True, type=click.Choice(["happened", "repeat", "failed"]), help="What became of it."
)
@click.option(
    "--result", metavar="JSON", help="What it gave, required with `happened`: plain JSON of the tool's result type."
)
@click.option("--note", default="", help="How you know; kept in the decision ledger.")
@invoked
def resolve(cli: Invocation, run: str, key: str, outcome: str, result: str | None, note: str) -> int:
    """Say what became of the effect KEY of RUN, whose worker vanished between request and outcome.

    `happened` goes on with the result that you give; `repeat` does it again; `failed` tells the program that it did
    not happen.
    """
    if result is not None and outcome != "happened":
        raise click.UsageError(f"--result goes with --outcome happened, not with {outcome}")
    if result is None and outcome == "happened":
        raise click.UsageError(
            "--outcome happened needs what the tool gave, as in --result '{\"id\": 7}', or --result null for nothing; "
            "`precedent show RUN` names the tool, `precedent tools show TOOL` the type of its result"
        )
    given = None if result is None else json_of(result, "--result")
    data = {"effect": key, "outcome": outcome, "result": given, "note": note}
    return complete(_tell(cli, "ResolveOutcome", run, data, lambda run: f"effect {key} of run {run}: {outcome}"))


@click.command(epilog=examples("precedent pause RUN", 'precedent pause RUN --reason "the disk is full"'))
@click.argument("run")
@click.option("--reason", default="", help="Why; kept in the decision ledger.")
@invoked
def pause(cli: Invocation, run: str, reason: str) -> int:
    """Stop RUN before its next effect. Its time stands still until `precedent resume RUN`."""
    return complete(_tell(cli, "PauseRun", run, {"reason": reason}, lambda run: f"run {run} is paused"))


@click.command(epilog=examples("precedent resume RUN"))
@click.argument("run")
@invoked
def resume(cli: Invocation, run: str) -> int:
    """Go on with RUN where it was paused."""
    return complete(_tell(cli, "ResumeRun", run, {}, lambda run: f"run {run} goes on"))


@click.command(epilog=examples("precedent cancel RUN", 'precedent cancel RUN --reason "no longer needed"'))
@click.argument("run")
@click.option("--reason", default="", help="Why; kept in the decision ledger.")
@invoked
def cancel(cli: Invocation, run: str, reason: str) -> int:
    """End RUN without a result. Effects under way are stopped as far as their isolation allows."""
    return complete(_tell(cli, "CancelRun", run, {"reason": reason}, lambda run: f"run {run} is cancelled"))


async def _tell(cli: Invocation, command: str, run: str, data: dict[str, Any], done: Callable[[str], str]) -> int:
    async with session(cli, services=True) as connected:
        run = await run_named(connected, run)
        answer = await connected.send(connected.envelope(command, {"run": run, **data}))
    return report_answer(cli.output, answer, done(run))
