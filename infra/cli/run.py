"""``run`` and ``submit``: a task file becomes a run; ``run`` follows it live from the log and prints what it gave."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from rich.rule import Rule
from rich.text import Text

from commands.handle import Answer, CommandEnvelope
from commands.ports import Selection
from domain.kernel.ids import Positions
from domain.runs.state import Phase, Run
from domain.runs.task import TaskInvalid
from infra.bootstrap.agents import agents_of
from infra.bootstrap.tools import tool_runner
from infra.cli.answers import document_of, report_answer, tell_refusal
from infra.cli.documents import task_of, text_of
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, NO
from infra.cli.hinting import hint_of
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.results import plain_output, render_result
from infra.cli.rtfs.modules import with_modules
from infra.cli.session import Session, session
from infra.cli.watching import Watch
from projections.applying import closing

task_argument = click.argument("task", metavar="TASK.yaml")


@click.command(
    epilog=examples(
        "precedent run examples/word-count.yaml",
        "precedent run --json examples/word-count.yaml | jq .output",
        "precedent run --every examples/licences.yaml",
    )
)
@task_argument
@click.option("--every", is_flag=True, help="Show each event; else repeated answers of one tool are counted.")
@invoked
def run(cli: Invocation, task: str, *, every: bool) -> int:
    """Submit the task in TASK.yaml (- for stdin), show what happens as it happens, and print the result.

    What is shown comes from the log itself. Effects that wait for a person show the command that lets them go on.
    docs/tasks.md describes the file. Exit code 0: completed. 1: failed or cancelled.
    """
    return complete(_run(cli, read_task(task), every=every))


@click.command(
    epilog=examples("precedent submit examples/word-count.yaml", "precedent submit --json task.yaml | jq .run")
)
@task_argument
@invoked
def submit(cli: Invocation, task: str) -> int:
    """Submit the task in TASK.yaml (- for stdin) and print the id of its run, without waiting for the result."""
    return complete(_submit(cli, read_task(task)))


def read_task(file: str) -> dict[str, Any]:
    """The task in a file, with the modules beside it that its plan imports.

    Raises ``DocumentInvalid``, ``TaskInvalid`` with every wrong field.
    """
    return with_modules(task_of(text_of(file), file), Path(file).parent)


async def _submit(cli: Invocation, task: dict[str, Any]) -> int:
    async with session(cli, services=True) as connected:
        envelope = connected.envelope("SubmitRun", {"task": task})
        answer = await connected.send(envelope)
    if answer.outcome != "accepted":
        _say_if_the_worker_lags(cli, connected, task, answer)
        return report_answer(cli.output, answer, "")
    cli.output.document({"run": envelope.id, "position": answer.position})
    cli.output.show_line(envelope.id)
    cli.output.note(f"submitted; see it: `precedent show {envelope.id}`")
    if connected.own:
        cli.output.warn("nothing drives the run any more; it goes on when a worker runs: `precedent up --detach`")
    return DONE


async def _run(cli: Invocation, task: dict[str, Any], *, every: bool) -> int:
    async with session(cli, services=True) as connected:
        code, document = await run_task(cli, connected, task, every=every)
    cli.output.document(document)
    return code


async def run_task(
    cli: Invocation,
    connected: Session,
    task: dict[str, Any],
    *,
    every: bool = False,
    fork: dict[str, Any] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Submit a task, follow its run to its end, show its result; give the exit code and the JSON document."""
    envelope = connected.envelope("SubmitRun", {"task": task} | ({} if fork is None else {"fork": fork}))
    after = await connected.store.end()
    answer = await connected.send(envelope)
    if answer.outcome != "accepted":
        _say_if_the_worker_lags(cli, connected, task, answer)
        return tell_refusal(cli.output, answer), document_of(answer)
    cli.output.show(Rule(f"run {envelope.id}", align="left", style="dim"))
    watch = Watch(cli.output, every=every)
    try:
        with watch:
            await follow(connected, envelope.id, after, watch)
    except asyncio.CancelledError:
        _say_what_remains(cli, connected, envelope)
        raise
    return _show_end(cli, envelope.id, watch), _document(envelope.id, watch)


async def follow(connected: Session, run: str, after: Positions, watch: Watch) -> None:
    """Show a run's events until it has ended."""
    selection = Selection(tenant=connected.settings.tenant, category="run", stream=run)
    async with closing(connected.store.follow(after, selection)) as batches:
        async for batch in batches:
            for event in batch:
                watch.see(event, run)
            if watch.run.ended:
                return


def _say_if_the_worker_lags(cli: Invocation, connected: Session, task: dict[str, Any], answer: Answer) -> None:
    """Workers read the configuration when they start: what was configured since then is nothing to them."""
    if connected.own or answer.error is None or answer.error.code != TaskInvalid.code:
        return
    said, settings = answer.error.message, cli.settings()
    asked = {"tool": task.get("tools", ()), "agent": [task["agent"]] if task.get("agent") else ()}
    known = {"tool": tool_runner(settings).declarations(), "agent": agents_of(settings)}
    lacking = [
        name for kind in asked for name in asked[kind] if name in known[kind] and f"{name!r} is no {kind}" in said
    ]
    if lacking:
        cli.output.warn(
            f"{lacking[0]} is configured here, but the worker that runs was started without it: "
            "restart it with `precedent down` and `precedent up --detach`"
        )


def _say_what_remains(cli: Invocation, connected: Session, envelope: CommandEnvelope) -> None:
    if connected.own:
        cli.output.warn(f"run {envelope.id} is kept and goes on when a worker runs: `precedent up --detach`")
    else:
        cli.output.warn(f"run {envelope.id} goes on without you")
    cli.output.warn(f"see it: `precedent show {envelope.id}`; end it: `precedent cancel {envelope.id}`")


def _show_end(cli: Invocation, run: str, watch: Watch) -> int:
    """Show what an ended run gave and used; give the exit code."""
    ended = watch.run
    if ended.phase is Phase.COMPLETED:
        cli.output.show(Rule("result", align="left", style="green"), render_result(ended.output))
    cli.output.show(Rule(style="dim"), _summary(run, watch))
    if ended.error is not None:
        where = f" at effect {ended.error.effect}" if ended.error.effect is not None else ""
        told = _above(ended.error.error.message) if _is_shown(cli, ended) else ended.error.error.message
        tell_error(cli.output, f"run {run} failed{where} ({ended.error.error.type}): {told}")
        if (hint := hint_of(ended)) is not None:
            cli.output.warn(f"hint: {hint}")
        cli.output.warn(as_note(ended.error.advice))
    elif ended.phase is Phase.CANCELLED:
        tell_error(cli.output, f"run {run} was cancelled")
    return DONE if ended.phase is Phase.COMPLETED else NO


def _is_shown(cli: Invocation, ended: Run) -> bool:
    """Whether the whole message stands above already: that of the compiler does, below the plan."""
    assert ended.error is not None, "only failed runs come here"
    return not cli.output.as_json and bool(ended.drafts) and ended.drafts[-1].rejected == ended.error.error.message


def _above(message: str) -> str:
    first, _, rest = message.partition("\n")
    return f"{first} (shown above)" if rest else first


def as_note(advice: str) -> str:
    """A recorded sentence as what stands behind ``note:``."""
    words = advice.removesuffix(".")
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def _document(run: str, watch: Watch) -> dict[str, Any]:
    ended = watch.run
    document: dict[str, Any] = {"run": run, "status": ended.phase, "usage": usage(watch)}
    if ended.phase is Phase.COMPLETED:
        type_ = ended.accepted_task.output
        document |= {"output": plain_output(ended.output), "type": type_, "value": ended.output}
    if ended.error is not None:
        error = ended.error
        document["error"] = {**error.error.model_dump(), "effect": error.effect, "advice": error.advice}
    return document


def usage(watch: Watch) -> dict[str, Any]:
    """What a run used."""
    spent = watch.run.spent
    return {
        "seconds": watch.elapsed.seconds,
        "waited": watch.elapsed.waited,
        "events": watch.events,
        "tool_calls": watch.elapsed.tool_calls,
        "inherited": watch.elapsed.inherited,
        "model_calls": watch.model_calls,
        "tokens": spent.tokens,
        "usd": spent.usd,
    }


def calls_in_words(made: int, inherited: int) -> str:
    """``3 tool calls``; of a fork with how many answers it has from its parent."""
    return f"{counted(made, 'tool call')}{f' and {inherited} inherited' if inherited else ''}"


def _summary(run: str, watch: Watch) -> Text:
    used = usage(watch)
    parts = [
        str(watch.elapsed),
        counted(used["events"], "event"),
        calls_in_words(used["tool_calls"], used["inherited"]),
        counted(used["model_calls"], "model call"),
        counted(used["tokens"], "token"),
        f"{used['usd']:.4f} USD",
    ]
    return Text(
        f"{watch.run.phase}  {' · '.join(parts)}\nall of it: precedent show {run}; again: precedent replay {run}",
        style="dim",
    )
