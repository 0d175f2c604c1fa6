"""``up``, ``down`` and ``status``: the stack and our services over one data directory."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from adapters.nats.dead_letters import dead_letters
from infra.bootstrap.connections import connected, database, event_store
from infra.bootstrap.content import check_content
from infra.bootstrap.embedding import embedder_told
from infra.cli.exits import DONE, NO
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import Output, counted
from infra.cli.session import SERVICES
from infra.settings import Settings
from infra.stack import commands as stack
from infra.stack.endpoints import Endpoints, endpoints_of
from projections import builds
from projections.catalog import PROJECTIONS
from projections.extent import count

_PASSWORD: Final = re.compile(r"(://[^:@/]*):[^@/]*(?=@)")

data_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="Data directory instead of the configured one."
)


@click.command(
    epilog=examples("precedent up --detach", "precedent up --data /srv/precedent", "precedent up --json --detach")
)
@click.option("--detach", is_flag=True, help="Return once all is ready, and leave it running.")
@data_option
@invoked
def up(cli: Invocation, *, detach: bool, data: Path | None) -> int:
    """Start the broker, the database and the services (worker, projector, ledger), and keep them running.

    Whatever dies is started again; the data is kept. Servers that the configuration names elsewhere are not started.
    """
    settings = cli.settings(data=data)
    complete(_reach_content(settings))
    named = "" if data is None else f" --data {shlex.quote(str(data))}"
    if detach:
        endpoints = stack.up_detached(settings, services=SERVICES)
        _report_ready(cli.output, endpoints, f"stop it with `precedent down{named}`", named)
        return DONE
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    return complete(_serve(cli.output, settings, named))


async def _reach_content(settings: Settings) -> int:
    """Tell of a wrong bucket or key at once, and not when a run first has something big to keep."""
    await check_content(settings.content)
    return DONE


async def _serve(output: Output, settings: Settings, named: str) -> int:
    def ready(endpoints: Endpoints) -> None:
        _report_ready(output, endpoints, "Ctrl-C stops it", named)

    await stack.up(settings, services=SERVICES, on_ready=ready)
    output.note("stopped; the data is kept")
    return DONE


def _report_ready(output: Output, endpoints: Endpoints, ending: str, named: str) -> None:
    """``named``: how the commands that follow find this stack, where its data directory is not the configured one."""
    output.document({"data": str(endpoints.data), "nats": endpoints.nats_url, "running": True})
    output.show(Text.assemble(("ready", "bold green"), f"  data in {endpoints.data}, broker at {endpoints.nats_url}"))
    output.show(Text(f"{ending}; `precedent status{named}` shows what runs, logs are in {endpoints.data / 'logs'}"))
    sys.stdout.flush()


@click.command(epilog=examples("precedent down", "precedent down --data /srv/precedent"))
@data_option
@invoked
def down(cli: Invocation, *, data: Path | None) -> int:
    """Stop what `precedent up` started. The data is kept, and unfinished runs go on at the next start."""
    settings = cli.settings(data=data)
    stopped = stack.down(settings.data)
    cli.output.document({"data": str(settings.data), "stopped": stopped})
    cli.output.show("stopped" if stopped else f"nothing runs on {settings.data}")
    return DONE


@click.command(epilog=examples("precedent status", "precedent status --json"))
@data_option
@invoked
def status(cli: Invocation, *, data: Path | None) -> int:
    """Show what runs, its memory and restarts, how far the projections are, and how many messages are dead.

    Exit code 0: the servers answer. 1: nothing runs. 5: a server that is configured or should run does not answer.
    """
    settings = cli.settings(data=data)
    report = stack.status(settings.data)
    endpoints = endpoints_of(settings)
    if not report.running and endpoints is None:
        cli.output.document({"data": str(settings.data), "running": False})
        cli.output.show(f"nothing runs on {settings.data}; start it with `precedent up --detach`")
        return NO
    return complete(_status(cli.output, settings, report, endpoints))


async def _status(output: Output, settings: Settings, report: stack.StackStatus, endpoints: Endpoints | None) -> int:
    inside = await _inside(endpoints) if endpoints is not None else {}
    embedder = embedder_told(settings)
    output.document(
        {
            "data": settings.data,
            "running": True,
            "phase": report.phase,
            "embedder": embedder._asdict(),
            **_components(report),
            **inside,
        }
    )
    if report.phase in ("starting", "stopping"):
        output.show(Text(f"{report.phase}; ask again in a moment", "yellow"))
    if report.components:
        output.show(_table(report))
        for each in report.components:
            if each.url is not None:
                output.show_line(f"{each.name}: {_address(each.url)}")
    elif endpoints is not None:
        output.show(f"servers configured elsewhere, broker at {endpoints.nats_url}")
    if inside:
        output.show(Text(f"log: {counted(inside['events'], 'event')}; dead letters: {inside['dead']}"))
        output.show(*(_projection(each) for each in inside["projections"]))
    output.show(Text(f"embedder: {embedder.name} ({embedder.says})"))
    return DONE


def _components(report: stack.StackStatus) -> dict[str, Any]:
    return {"supervisor": report.supervisor_pid, "components": [asdict(each) for each in report.components]}


async def _inside(endpoints: Endpoints) -> dict[str, Any]:
    async with (
        connected(endpoints, "precedent-cli") as connection,
        event_store(connection, endpoints) as store,
        database(endpoints) as sql,
    ):
        end = count(await store.end())
        dead = [letter async for letter in dead_letters(connection)]
        await builds.prepare(sql, PROJECTIONS.values())
        async with sql.transaction() as transaction:
            known = await builds.states(transaction)
    projections = [
        {
            "name": each.projection,
            "version": each.version,
            "state": each.state,
            "behind": end - count(each.positions),
            "stopped_at": each.stopped_at,
            "stopped_because": each.stopped_because,
        }
        for each in known
    ]
    return {"events": end, "dead": len(dead), "projections": projections}


def _projection(known: dict[str, Any]) -> Text:
    line = Text(
        f"projection {known['name']} v{known['version']}: {known['state']}, {counted(known['behind'], 'event')} behind"
    )
    if known["stopped_at"] is not None:
        line.append(f"; STOPPED at {known['stopped_at']}: {known['stopped_because']}", style="bold red")
    return line


def _table(report: stack.StackStatus) -> Table:
    table = Table("", "state", "process", "up", "restarts", "memory", box=None, pad_edge=False)
    for each in report.components:
        table.add_row(
            each.name,
            Text("healthy", "green") if each.healthy else Text("down", "red"),
            str(each.pid or "-"),
            "-" if each.uptime is None else f"{each.uptime:,.0f} s",
            str(each.restarts),
            "-" if each.memory_bytes is None else f"{each.memory_bytes / 2**20:,.0f} MiB",
        )
    return table


def _address(url: str) -> str:
    """An address without the password that it may hold."""
    return _PASSWORD.sub(r"\1", url)
