"""``publish``: any command as a JSON envelope on the bus, as other programs send it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click
import orjson
from pydantic import ValidationError

from adapters.nats.command_client import AnswerUnreadable
from adapters.system.clock import SystemClock
from commands.catalog import COMMANDS
from commands.handle import Answer
from domain.kernel.ids import token
from domain.kernel.values import format_time
from infra.cli.answers import report_answer
from infra.cli.documents import DocumentInvalid, json_of, text_of
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.session import ANSWERS_WITHIN, Session, new_id, session

UNKNOWN_CATEGORY: Final = "unknown"
"""Where a command goes that this release does not know; the answer lists those that are known."""


@click.command(
    epilog=examples(
        "precedent publish command.json",
        'echo \'{"type": "CancelRun", "data": {"run": "RUN"}}\' | precedent publish -',
        "precedent publish --json command.json",
    )
)
@click.argument("command", metavar="COMMAND.json")
@invoked
def publish(cli: Invocation, command: str) -> int:
    """Send the command in COMMAND.json (- for stdin) and print the answer.

    The envelope is one JSON object with type and data; id, tenant, time, expires and expectedversion may be given, and
    the first three are filled in where absent. The same id again gives the same answer and has no second effect.

    Exit code 0: accepted. 2: invalid. 6: denied. 1: rejected, expired or in conflict.
    """
    envelope = json_of(text_of(command), command)
    if not isinstance(envelope, dict):
        raise DocumentInvalid(f"{command}: a command is one JSON object with type and data; `precedent publish --help`")
    if not isinstance(envelope.get("type"), str):
        raise DocumentInvalid(f"{command}: type: the name of a command is missing (known: {', '.join(COMMANDS)})")
    token(envelope["type"], "type")
    return complete(_publish(cli, envelope))


async def _publish(cli: Invocation, envelope: Mapping[str, Any]) -> int:
    async with session(cli, services=True) as connected:
        answer = await _send(connected, envelope)
    return report_answer(cli.output, answer, f"{envelope['type']} accepted")


async def _send(connected: Session, given: Mapping[str, Any]) -> Answer:
    filled = {
        "id": new_id(),
        "tenant": connected.settings.tenant,
        "time": format_time(SystemClock().now()),
        **given,
    }
    handling = COMMANDS.get(filled["type"])
    category = handling.category if handling is not None else UNKNOWN_CATEGORY
    body = await connected.commands.send_bytes(f"{category}.{filled['type']}", orjson.dumps(filled), ANSWERS_WITHIN)
    try:
        return Answer.model_validate_json(body)
    except ValidationError as error:
        raise AnswerUnreadable(f"the answer to {filled['id']} is none: {body[:200]!r}") from error
