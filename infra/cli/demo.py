"""``demo``: a real task, its run and its replay, on one screen."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from shutil import which
from typing import Any, Final

import click
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from commands.ports import Selection
from domain.kernel.ids import START
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.replay import verify_and_show
from infra.cli.run import read_task, run_task
from infra.cli.session import Session, session
from infra.settings import ConfigurationError, Settings

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
TASK: Final = EXAMPLES / "licences.yaml"
TRANSCRIPT: Final = EXAMPLES / "transcripts" / "licences.yaml"
MODEL: Final = "default"

INTRODUCTION: Final = (
    "Precedent records every decision, model call and tool call of an agent as an event on an immutable log. "
    "An agent gets a task now. A planner drafts a program for it, a compiler checks it, an executor runs it, a critic "
    "judges what it gave. Then the run is replayed from its events alone, and must give the same bytes. In the end the "
    "task comes again: its program, signed by now, answers in place of the planner."
)

PATIENCE: Final = 10.0
"""Seconds for which the demo waits for the program to be published."""

RECORDED: Final = (
    "No model is configured: a transcript that was written by hand answers in its place, and is labelled so. "
    "Its first draft does not compile, on purpose. docs/models.md says how to configure a model."
)


@click.command(epilog=examples("precedent demo", "precedent demo --json"))
@invoked
def demo(cli: Invocation) -> int:
    """Run a real task on the packages installed here, watch it as it happens, and replay it.

    With a model named `default` in the configuration the planner asks it; else a recorded transcript answers.
    """
    if not TASK.is_file():
        raise ConfigurationError(f"{TASK} is not there; the demo needs a checkout of Precedent with its examples")
    settings = cli.settings()
    if MODEL in settings.models:
        return complete(_demo(cli, settings, ""))
    models = {MODEL: f"recorded:{TRANSCRIPT}"}
    return complete(_demo(cli, cli.settings(models=models), RECORDED))


async def _demo(cli: Invocation, settings: Settings, about_model: str) -> int:
    output = cli.output
    output.show(Text(INTRODUCTION))
    if about_model:
        output.show(Text(about_model, style="yellow"))
    # A namespace of its own: what an earlier demo published must not answer before its plan was seen.
    task = read_task(str(TASK)) | {"cache": {"levels": ["L1", "L4"], "namespace": f"demo-{secrets.token_hex(4)}"}}
    output.show(Rule("the task", align="left", style="dim"), _task(task))
    async with session(cli, services=True, settings=settings) as connected:
        if about_model and not connected.own:
            raise ConfigurationError(
                f"the worker that runs on {settings.data} was started without a model, and so without the demo's "
                "transcript: stop it with `precedent down`, or try the demo on data of its own: "
                "PRECEDENT_DATA=DIRECTORY precedent demo"
            )
        code, document = await run_task(cli, connected, task)
        if code == DONE:
            output.show(Rule("replay, from the events alone", align="left", style="green"))
            replayed = await verify_and_show(cli, connected, document["run"])
            document = {**document, "replay": replayed}
            if await _learned(connected, document["run"]):
                output.show(Rule("the same task again: its program answers", align="left", style="green"))
                code, again = await run_task(cli, connected, task)
                document = {**document, "again": again}
    output.document(document)
    if code == DONE:
        output.show(Text(f"\nlook closer: precedent show {document['run']}", style="dim"))
        if which("precedent") is None:
            output.note(f"`source {Path(sys.prefix) / 'bin' / 'activate'}` puts `precedent` on the path")
    return code


async def _learned(connected: Session, run: str) -> bool:
    """Wait until it is known what answers such a task. False where nothing is, as by a policy that forbids it."""
    wanted = Selection(tenant=connected.settings.tenant, category="cache", event="CacheEntryPublished")
    try:
        async with asyncio.timeout(PATIENCE):
            async for events in connected.store.follow(START, wanted):
                if any(event.data["run"] == run for event in events):
                    return True
    except TimeoutError:
        pass
    return False


def _task(task: dict[str, Any]) -> Table:
    shown = {"goal": task["goal"], "inputs": task["inputs"], "output": task["output"], "may call": task["tools"]}
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    for label, value in shown.items():
        table.add_row(label, Text(_text(value)))
    return table


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
