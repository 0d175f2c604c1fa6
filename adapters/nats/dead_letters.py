"""Messages that could not be handled: kept with the reason, listed, shown, tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from adapters.nats.connection import NOT_FOUND_MESSAGE, ApiRefused, Connection
from adapters.nats.publishing import publish
from commands.handle import clipped
from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.values import bytes_of_text, format_time, text_of_bytes

ROOM: Final = 32 * 1024
"""Bytes of a dead letter kept free for everything but the payload."""


class DeadLetterCut(PrecedentError):
    """Only its beginning was kept, as the whole was too large for one message: send the original again."""

    code = "dead-letter.cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message that nobody could handle."""

    sequence: int
    """Its number among the dead letters."""
    origin: str
    """Subject it was sent to."""
    time: str
    reason: str
    payload: bytes
    """What was sent, or its beginning."""
    size: int
    """Bytes that were sent."""


async def bury(connection: Connection, origin: str, payload: bytes, reason: str, now: datetime) -> None:
    """Keep a message that could not be handled, or as much of it as one message takes."""
    largest = max(0, connection.client.max_payload - ROOM) * 3 // 4  # Base64 needs four bytes for three
    document = {
        "origin": _printable(origin),
        "time": format_time(now),
        "reason": _printable(clipped(reason)),
        "payload": text_of_bytes(payload[:largest]),
        "size": len(payload),
    }
    await publish(connection, f"dead.{origin.split('.', 1)[0]}", orjson.dumps(document), {})


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


async def exhume(connection: Connection, sequence: int) -> DeadLetter:
    """Give one dead letter. Raises ``NotFound``."""
    try:
        found = await connection.api("STREAM.MSG.GET.DEAD", {"seq": sequence})
    except ApiRefused as refusal:
        if refusal.number == NOT_FOUND_MESSAGE:
            raise NotFound(f"there is no dead letter {sequence}; `precedent dead ls` lists them") from refusal
        raise
    return _letter(found["message"])


async def dead_letters(connection: Connection) -> AsyncIterator[DeadLetter]:
    """Give all dead letters in the order in which they came."""
    state = (await connection.api("STREAM.INFO.DEAD"))["state"]
    sequence = max(1, state["first_seq"])
    while sequence <= state["last_seq"]:
        try:
            found = await connection.api("STREAM.MSG.GET.DEAD", {"seq": sequence, "next_by_subj": ">"})
        except ApiRefused as refusal:
            if refusal.number == NOT_FOUND_MESSAGE:
                return
            raise
        letter = _letter(found["message"])
        yield letter
        sequence = letter.sequence + 1


async def retry(connection: Connection, letter: DeadLetter) -> None:
    """Send a dead letter to where it was first sent, and forget it here. Raises ``DeadLetterCut``."""
    if letter.size > len(letter.payload):
        kept = f"{len(letter.payload)} of {letter.size} bytes are kept"
        raise DeadLetterCut(f"dead letter {letter.sequence}: {kept}; send the original again")
    await publish(connection, letter.origin, letter.payload, {})
    await connection.api("STREAM.MSG.DELETE.DEAD", {"seq": letter.sequence})


def _letter(message: dict[str, str]) -> DeadLetter:
    document = orjson.loads(bytes_of_text(message["data"]))
    payload = bytes_of_text(document["payload"])
    return DeadLetter(
        sequence=int(message["seq"]),
        origin=document["origin"],
        time=document["time"],
        reason=document["reason"],
        payload=payload,
        size=document.get("size", len(payload)),
    )
