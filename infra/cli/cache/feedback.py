"""``cache feedback``: a person says whether what a run was given again was right."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import click
from rich.text import Text

from commands.handle import Answer
from commands.repeats import REUSED
from domain.kernel.errors import NotFound
from infra.cli.answers import document_of, tell_answer
from infra.cli.cache.entries import ID
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.session import Session, session
from projections.reuse import ReuseRow, lookups_of_run

BY_MEANING: Final = ("L3", "L4")
"""Levels that learn from judgements; those below answer the very same question."""


@click.command(
    short_help="Say whether what a run was given again was right.",
    epilog=examples(
        "precedent cache feedback RUN --right",
        'precedent cache feedback RUN --wrong --reason "that was another customer"',
    ),
)
@click.argument("run")
@click.option("--wrong/--right", "is_wrong", default=None, help="Whether what was reused was wrong, or right.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the log.")
@invoked
def feedback(cli: Invocation, run: str, reason: str, *, is_wrong: bool | None) -> int:
    """Say whether what RUN was given again, in place of a model or a tool, was right.

    What was found by its meaning (L3, L4) is judged: that moves the threshold of its namespace. What was wrong is not
    given any more: an entry of the cache is invalidated, a program demoted; an answer to a goal that was only like its
    own stays for its own. Saying the same twice changes nothing.
    """
    if is_wrong is None:
        raise click.UsageError("say --wrong or --right")
    return complete(_feedback(cli, run, reason, is_wrong=is_wrong))


async def _feedback(cli: Invocation, given: str, reason: str, *, is_wrong: bool) -> int:
    async with session(cli, services=True) as connected:
        run = await run_named(connected, given)
        hits = await _hits(connected, run)
        told = [
            (command, data, await _send(connected, run, command, data))
            for hit in hits
            for command, data in commands_of(hit, reason, is_wrong=is_wrong)
        ]
    cli.output.document({"run": run, "answers": [document_of(answer) | {"command": name} for name, _, answer in told]})
    if not told:
        cli.output.show(Text("nothing to do: it was the very same question, which no judgement changes", "green"))
        return DONE
    return max([_tell(cli, name, data, answer) for name, data, answer in told])


def _tell(cli: Invocation, name: str, data: dict[str, Any], answer: Answer) -> int:
    words = _words(name, data)
    if name == "JudgeReuse" and answer.error is not None and answer.error.code == REUSED:
        cli.output.show(Text(f"nothing to do: {words} already, in other words or by somebody else", "green"))
        return DONE
    return tell_answer(cli.output, answer, words, twice=True)


async def _hits(connected: Session, run: str) -> Sequence[ReuseRow]:
    """What the run was given again. Raises ``NotFound``."""
    await connected.read_up_to(await connected.store.end())
    async with connected.database.transaction() as transaction:
        found = await lookups_of_run(transaction, connected.settings.tenant, run)
    hits = [row for row in found if row.outcome == "hit" and row.entry]
    if not hits:
        raise NotFound(f"run {run} was given nothing again; `precedent show {run}` tells what it asked and why")
    return hits


def commands_of(hit: ReuseRow, reason: str, *, is_wrong: bool) -> list[tuple[str, dict[str, Any]]]:
    """What a verdict on a hit asks for.

    A judgement has what was wrong withdrawn too, with words of its own: so it comes after the person's.
    """
    commands: list[tuple[str, dict[str, Any]]] = []
    if is_wrong and hit.level == "L4":
        because = reason or f"a person found it wrong in run {hit.run}"
        commands.append(("DemoteProgram", {"program": hit.entry, "reason": because, "run": hit.run}))
    elif is_wrong and hit.level not in BY_MEANING and ID.fullmatch(hit.entry or ""):
        commands.append(("InvalidateEntry", {"entry": hit.entry, "reason": reason}))
    if hit.level in BY_MEANING:
        judged = {"level": hit.level, "entry": hit.entry, "score": 1.0 if hit.score is None else hit.score}
        data = {"namespace": hit.namespace, "run": hit.run, **judged, "correct": not is_wrong, "reason": reason}
        commands.append(("JudgeReuse", data))
    return commands


async def _send(connected: Session, run: str, command: str, data: dict[str, Any]) -> Answer:
    """The same verdict on the same reuse is the same command, which has one effect however often it is sent."""
    envelope = connected.envelope(command, data)
    if command == "JudgeReuse":
        same = f"{envelope.tenant}/{run}/{data['entry']}/{data['correct']}"
        envelope = envelope.model_copy(update={"id": sha256(same.encode()).hexdigest()[:32]})
    return await connected.send(envelope)


def _words(command: str, data: dict[str, Any]) -> str:
    if command == "JudgeReuse":
        return f"{data['level']} {data['entry']} is judged {'right' if data['correct'] else 'wrong'}"
    if command == "DemoteProgram":
        return f"program {data['program']} is demoted"
    return f"entry {data['entry']} is not given any more"
