"""What people tell runs: approve, refuse, resolve, pause, resume, cancel. Each is one command on the bus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import click

from commands.replays import recorded_events
from domain.kernel.errors import NotFound
from domain.kernel.ids import StreamId
from domain.runs.decide import ApprovalDiffers
from domain.runs.replay import fold
from domain.runs.state import Entry, Settlement
from infra.cli.answers import report_answer
from infra.cli.documents import json_of
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.session import Session, session

SEEN_DIGEST: Final = re.compile(r"(sha256:)?[0-9a-f]{8,64}", re.IGNORECASE)
"""What ``--digest`` takes: enough of a digest that no other request has it by chance."""


@click.command(
    epilog=examples(
        "precedent approve RUN 1/0", "precedent approve RUN 1/0 --digest 5f1c0b6e9a44",
        'precedent approve RUN 1/0 --refuse "wrong folder"',
    )
)  # fmt: skip
@click.argument("run")
@click.argument("key")
@click.option("--refuse", metavar="REASON", help="Do not let it happen; the program is told why.")
@click.option("--note", default="", help="Why you let it happen; kept in the decision ledger.")
@click.option(
    "--digest", metavar="DIGEST", help="Of the request that you saw, or its beginning; without it, of what waits now."
)
@invoked
def approve(cli: Invocation, run: str, key: str, refuse: str | None, note: str, digest: str | None) -> int:
    """Let the effect KEY of RUN happen, which waits for a person.

    `precedent show RUN` lists what waits, with its arguments and the command that approves just that. Where another
    request waits under the same key meanwhile, the approval is refused.
    """
    if refuse is not None and note:
        raise click.UsageError("--note goes with an approval; the reason of a refusal is the value of --refuse")
    if refuse is not None and digest is not None:
        raise click.UsageError("--digest goes with an approval; a refusal is of whatever waits there")
    if digest is not None and not SEEN_DIGEST.fullmatch(digest):
        raise click.UsageError(f"--digest {digest[:80]!r}: give 8 to 64 hexadecimal digits, as `precedent show` does")
    if refuse is None:
        return complete(_approve(cli, run, key, note, digest))
    data = {"effect": key, "reason": refuse}
    return complete(_tell(cli, "RefuseApproval", run, data, lambda run: f"effect {key} of run {run} is refused"))


async def _approve(cli: Invocation, given: str, key: str, note: str, seen: str | None) -> int:
    """Approve what was seen: the digest of the whole request goes with it."""
    async with session(cli, services=True) as connected:
        run = await run_named(connected, given)
        waits = await _waiting(connected, run, key)
        data: dict[str, Any] = {"run": run, "effect": key, "note": note}
        if waits is not None:
            if seen is not None and not waits.request_digest.removeprefix("sha256:").startswith(_bare(seen)):
                raise ApprovalDiffers(
                    f"effect {key} of run {run} asks {waits.tool} for {waits.request_digest} now, which does not begin "
                    f"with {seen}: look at what waits with `precedent show {run}`, and approve that"
                )
            data["digest"] = waits.request_digest
        answer = await connected.send(connected.envelope("GrantApproval", data))
    what = "" if waits is None else f": {waits.tool}, {waits.request_digest}"
    return report_answer(cli.output, answer, f"effect {key} of run {run} may happen{what}")


async def _waiting(connected: Session, run: str, key: str) -> Entry | None:
    """What waits under this key for an approval; None where nothing does, which the answer to the command explains."""
    try:
        events = await recorded_events(connected.store, StreamId(connected.settings.tenant, "run", run))
    except NotFound:
        return None
    entry = fold(events).journal.get(key)
    return entry if entry is not None and entry.settlement is Settlement.AWAITING_APPROVAL else None


def _bare(digest: str) -> str:
    return digest.removeprefix("sha256:").lower()


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
