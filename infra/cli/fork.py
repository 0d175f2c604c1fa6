"""``fork``: a new run that inherits what another was answered in its first events, with something changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from rich.text import Text

from commands.replays import known_events, recorded
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.values import encode
from domain.rtfs.types import coerce, plain
from domain.runs.inheritance import history_digest
from domain.runs.replay import fold
from domain.runs.task import Task
from infra.cli.documents import text_of
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.output import counted
from infra.cli.rtfs.modules import with_modules
from infra.cli.run import run_task
from infra.cli.session import session


@click.command(
    epilog=examples(
        "precedent fork RUN --at 12",
        "precedent fork RUN --at 12 --set inputs.site=.venv --set inputs.deep=true",
        "precedent fork RUN --at 12 --plan other.rtfs",
        "precedent fork RUN --at 1 --model larger",
        "precedent fork RUN --at 12 --agent acme.research",
    )
)
@click.argument("run")
@click.option(
    "--at", type=WholeNumber(min=1), metavar="N", help="Inherit what the first N events settled. Default: all of them."
)
@click.option("--set", "changes", multiple=True, metavar="inputs.PATH=VALUE", help="Change an input; may be repeated.")
@click.option("--plan", metavar="FILE", help="Follow this plan (- for stdin) instead.")
@click.option("--model", metavar="NAME", help="Ask this configured model for the plan.")
@click.option("--agent", metavar="NAME", help="Have this agent do it instead.")
@click.option("--every", is_flag=True, help="Show each event; else repeated answers of one tool are counted.")
@invoked
def fork(
    cli: Invocation,
    run: str,
    at: int | None,
    changes: tuple[str, ...],
    plan: str | None,
    model: str | None,
    agent: str | None,
    *,
    every: bool,
) -> int:
    """Begin a new run of RUN's task that inherits what RUN was answered in its first N events; follow it to its end.

    An answer is inherited while the new run asks just what RUN asked, at the same effect key: nothing is called or
    paid for again. From the first request that differs on, and beyond N, everything is done anew.
    """
    if sum(each is not None for each in (plan, model, agent)) > 1:
        raise click.UsageError("--plan brings the plan, --model asks for one, --agent needs none; give one of them")
    text, folder = (None, None) if plan is None else (text_of(plan), Path(plan).parent)
    instead = Instead(plan=text, folder=folder, model=model, agent=agent)
    return complete(_fork(cli, run, at, changes, instead, every=every))


async def _fork(
    cli: Invocation, name: str, at: int | None, changes: Sequence[str], instead: Instead, *, every: bool
) -> int:
    async with session(cli, services=True) as connected:
        name = await run_named(connected, name)
        stored = await recorded(connected.store, connected.run(name))
        at = len(stored) if at is None else at
        if at > len(stored):
            raise NotFound(f"run {name} has {counted(len(stored), 'event')}; --at {at} is beyond them")
        parent = fold(known_events(stored)).accepted_task
        task = changed_task(parent, changes, instead)
        for new in sorted(set(task["inputs"]) - set(plain(parent.input_values))):
            cli.output.warn(f"inputs.{new} is new: run {name} has no input of this name")
        task = task if instead.folder is None else with_modules(task, instead.folder)
        digest = history_digest(event.body for event in stored[:at])
        cli.output.note(f"a fork of run {name} after its event {at} of {len(stored)}")
        point = {"run": name, "at": at, "digest": digest}
        code, document = await run_task(cli, connected, task, every=every, fork=point)
    cli.output.document({**document, "forked_from": point})
    if "run" in document:
        cli.output.show(Text(f"beside its parent: precedent diff {name} {document['run']}", style="dim"))
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What does a fork's task in place of what did its parent's: at most one of these, the parent's own with none."""

    plan: str | None = None
    """Its text."""
    folder: Path | None = None
    """Where its modules are."""
    model: str | None = None
    """Its name in the configuration."""
    agent: str | None = None
    """Its name."""


def changed_task(task: Task, changes: Sequence[str], instead: Instead) -> dict[str, Any]:
    """The task of a fork, as a task file has it. Raises ``InvalidInput``."""
    document = task.model_dump(mode="json", exclude={"inputs"})
    inputs = plain(task.input_values)
    if encode(coerce(inputs, task.input_type)) != task.inputs:
        raise InvalidInput("the inputs of this run cannot be written as plain JSON, so it cannot be forked")
    for change in changes:
        _set(inputs, change)
    document["inputs"] = inputs
    if instead != Instead():
        document["plan"], document["agent"] = instead.plan, instead.agent
    if instead.agent is not None:
        document["modules"] = {}
    if instead.model is not None:
        document["model"] = {**document["model"], "name": instead.model}
    return document


def _set(inputs: Any, change: str) -> None:
    path, equals, text = change.partition("=")
    first, *steps = path.split(".")
    if not equals or first != "inputs" or not steps or not all(steps):
        raise InvalidInput(f"--set {change[:80]}: give inputs.PATH=VALUE, as in --set inputs.site=.venv")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    place = inputs
    for number, step in enumerate(steps[:-1], start=1):
        place = _into(place, step, change, ".".join(steps[:number]))
    if isinstance(place, dict):
        place[steps[-1]] = value
    elif isinstance(place, list) and steps[-1].isdecimal() and int(steps[-1]) < len(place):
        place[int(steps[-1])] = value
    else:
        raise InvalidInput(f"--set {change[:80]}: there is no {steps[-1]} to be set in the inputs")


def _into(place: Any, step: str, change: str, path: str) -> Any:
    if isinstance(place, dict) and step in place:
        return place[step]
    if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
        return place[int(step)]
    raise InvalidInput(f"--set {change[:80]}: the inputs have no {path}")
