"""``explain``: what happens when a command arrives, read from the catalogs that the services themselves work by."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from commands.catalog import COMMANDS, REACTIONS
from commands.handle import Handling
from commands.runs.handling import wake_driver
from domain.cache.events import CACHE_EVENTS
from domain.programs.events import PROGRAM_EVENTS
from domain.runs.events import RUN_EVENTS
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked
from projections.catalog import CATALOG
from projections.projection import Projection, Share

ROOT: Final = Path(__file__).parents[2]

SHOWN_BY: Final = {"run": "precedent show RUN", "program": "precedent programs show ID", "cache": "precedent cache ls"}
"""What shows the outcome, by category of streams."""

SENDERS: Final = {
    "SubmitRun": ("precedent run", "precedent submit"),
    "PauseRun": ("precedent pause",),
    "ResumeRun": ("precedent resume",),
    "CancelRun": ("precedent cancel",),
    "GrantApproval": ("precedent approve",),
    "RefuseApproval": ("precedent approve --refuse",),
    "ResolveOutcome": ("precedent resolve",),
    "RevokeProgram": ("precedent programs revoke",),
    "DemoteProgram": ("precedent programs demote", "precedent cache feedback --wrong"),
    "ReinstateProgram": ("precedent programs reinstate",),
    "SupersedeProgram": ("precedent programs supersede",),
    "InvalidateCache": ("precedent cache invalidate --namespace",),
    "InvalidateEntry": ("precedent cache invalidate",),
    "JudgeReuse": ("precedent cache feedback",),
}
"""Which of our own commands send it, beside `precedent publish`, which sends all."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk: where it is, and what happens there."""

    where: str
    what: str


@click.command(
    epilog=f"COMMAND is one of {', '.join(COMMANDS)}.\n\n"
    + examples("precedent explain SubmitRun", "precedent explain CancelRun --json")
)
@click.argument("command", type=click.Choice(sorted(COMMANDS)), metavar="COMMAND")
@invoked
def explain(cli: Invocation, command: str) -> int:
    """Print the way of COMMAND through the system: who sends, checks, decides, reacts and shows it.

    It is read from the catalogs of commands, reactions and projections, so it cannot be out of date.
    """
    handling = COMMANDS[command]
    steps = walk(command, handling)
    fields = _fields(handling)
    cli.output.document(
        {
            "command": command,
            "does": inspect.getdoc(handling.command),
            "data": fields,
            "steps": [{"where": step.where, "what": step.what} for step in steps],
        }
    )
    cli.output.show(Text.assemble((command, "bold"), f"  {inspect.getdoc(handling.command)}"))
    for field in fields:
        required = "" if field["required"] else ", may be left out"
        cli.output.show(Padding(Text(f"{field['name']}: {field['type']}{required}", style="dim"), (0, 0, 0, 2)))
    cli.output.show(_table(steps))
    return DONE


def walk(command: str, handling: Handling) -> list[Step]:
    """The steps of a command, in order."""
    event = caused_event(command)
    reactions = REACTIONS.get(event.short_name(), ())
    senders = " or ".join(f"`{sender}`" for sender in SENDERS.get(command, ("precedent publish",)))
    steps = [
        Step("infra/cli", f"{senders} publishes {command} on cmd.<tenant>.<principal>.{handling.category}.{command}"),
        Step("adapters/nats/command_bus.py", "the envelope is checked; who asks is read from the subject"),
        Step(
            "commands/handle.py", f"the command is authorized, its data checked, the {handling.category} stream loaded"
        ),
        Step(
            _place(handling.decide),
            f"{_name(handling.decide)} applies the rules of {_rules(handling)}: {event.short_name()}, or a refusal",
        ),
        Step("commands/handle.py", f"{event.TYPE} is appended; the answer has its position"),
        *(
            Step(_place(reaction), f"{event.short_name()} sets off {_name(reaction)}: {_clause(reaction)}")
            for reaction in reactions
        ),
    ]
    if wake_driver in reactions:
        steps.append(
            Step(
                "infra/workers/runs.py",
                "the run's worker, or one that claims it, goes on from where its events end (commands/runs/driver.py)",
            )
        )
    steps += [
        Step(
            _applied_in(projection, event.TYPE), f"{event.short_name()} changes what readers of `{projection.name}` see"
        )
        for projection in CATALOG.get(event.TYPE, ())
    ]
    return [
        *steps,
        Step(
            "infra/cli", f"`{SHOWN_BY[handling.category]}` and `precedent events --type {event.short_name()}` show it"
        ),
    ]


def caused_event(command: str) -> Any:
    """The event of a command, by the law of names: SubmitRun causes RunSubmitted, GrantApproval ApprovalGranted.

    A longer noun of the same thing will do: InvalidateEntry causes CacheEntryInvalidated.
    """
    noun = _noun(command)
    verb = command.removesuffix(noun).removesuffix("e")
    for event in (*RUN_EVENTS, *PROGRAM_EVENTS, *CACHE_EVENTS):
        _, found, done = event.short_name().rpartition(noun)
        if found and done.startswith(verb):
            return event
    raise LookupError(f"no event is named after {command}")


def _noun(command: str) -> str:
    """The last word of a command's name."""
    start = max(index for index, letter in enumerate(command) if letter.isupper())
    return command[start:]


def _rules(handling: Handling) -> str:
    return handling.command.__module__.rpartition(".")[0].replace(".", "/")


def _place(function: Callable[..., Any]) -> str:
    file = inspect.getsourcefile(function)
    assert file is not None, "our own functions have a file"
    return str(Path(file).relative_to(ROOT))


def _applied_in(projection: Projection, kind: str) -> str:
    applier = projection.appliers[kind]
    return _place(applier.change if isinstance(applier, Share) else applier)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _clause(function: Callable[..., Any]) -> str:
    """What it does, as the rest of a sentence."""
    line = (inspect.getdoc(function) or "").partition("\n")[0].removesuffix(".")
    return line[:1].lower() + line[1:]


def _fields(handling: Handling) -> list[dict[str, Any]]:
    schema = handling.command.model_json_schema()
    return [
        {"name": name, "type": _type(field), "required": name in schema.get("required", ())}
        for name, field in schema["properties"].items()
    ]


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    known = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    field = known[0] if len(known) == 1 else field
    return str(field["$ref"].rpartition("/")[2] if "$ref" in field else field.get("type", "any value"))


def _table(steps: list[Step]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    for number, step in enumerate(steps, 1):
        table.add_row(f"{number}.", step.where, Text(step.what))
    return table
