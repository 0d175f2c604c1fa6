"""``replay --save``: a run as a file of events that replays without any server, secrets removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
from rich.text import Text

from commands.replays import known_events, recorded
from domain.kernel.events import Recorded
from domain.runs.parts import RunEvent
from domain.runs.redaction import redacted
from infra.cli.documents import write_document
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation
from infra.cli.naming import run_named
from infra.cli.output import counted
from infra.cli.session import session


async def save(cli: Invocation, name: str, file: Path, fields: Sequence[str]) -> int:
    """Write a run to a file, one CloudEvent a line, without what looks like a secret and without these fields.

    Raises ``NotRedactable``, ``DocumentInvalid``; ``ReplayDiverged`` where there is something to remove and the run
    does not replay.
    """
    async with session(cli, services=False) as connected:
        name = await run_named(connected, name)
        stored = await recorded(connected.store, connected.run(name))
    known = known_events(stored)
    made = redacted(known, fields)
    removed = made is not known
    write_document(file, b"".join(lines_of(stored, made if removed else None)))
    if str(file) == "-":
        return DONE
    cli.output.document({"run": name, "file": str(file), "events": len(made), "redacted": removed})
    how = "secrets replaced by stand-ins, digests made anew" if removed else "as stored: nothing looks like a secret"
    cli.output.show(Text(f"{file}: {counted(len(made), 'event')}, {how}"))
    cli.output.warn("read it before you share it: what no field and no pattern names is still in it")
    return DONE


def lines_of(stored: Sequence[Recorded], made: Sequence[RunEvent] | None) -> list[bytes]:
    """The events as CloudEvents, whole: with the data of ``made``, else with their own."""
    if made is None:
        return [orjson.dumps({**event.document, "data": event.data}) + b"\n" for event in stored]
    return [
        orjson.dumps({**event.document, "type": data.TYPE, "data": data.as_json()}) + b"\n"
        for event, data in zip(stored, made, strict=True)
    ]
