"""Publish one message to a stream and wait until the broker has it; say what became of one that it delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import orjson

from adapters.nats.client import publication, status
from adapters.nats.connection import ANSWERS_WITHIN, ApiRefused, Connection
from domain.kernel.errors import InvalidInput, ServiceUnreachable


class MessageTooLarge(InvalidInput):
    """Send less at once: the broker takes no message of this size, and nothing was sent."""

    code = "message.too-large"


ENVELOPE: Final = 16
"""Bytes of a message around its header lines and payload."""


async def publish(
    connection: Connection, subject: str, payload: bytes, headers: Mapping[str, str], within: float = ANSWERS_WITHIN
) -> int:
    """Give the message's sequence in its stream.

    Raises ``ApiRefused``, ``MessageTooLarge``, ``NotPermitted``, ``ServiceUnreachable`` (it may be there).
    """
    acknowledged: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def receive(_subject: bytes, _reply: bytes, answer: bytes, lines: bytes | None) -> None:
        if acknowledged.done():
            return
        if status(lines) == 503:
            acknowledged.set_exception(ServiceUnreachable(f"no stream of the broker takes {subject}"))
        else:
            acknowledged.set_result(answer)

    await connection.up(within)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    size, largest = len(lines) + len(payload) + ENVELOPE, connection.client.max_payload
    if size > largest:
        # The broker would close the connection, which others share.
        raise MessageTooLarge(f"{subject}: a message of {size} bytes; the broker takes {largest}")
    reply = connection.expect(receive)
    try:
        with connection.asking(subject, acknowledged):
            connection.client.send(publication(subject, reply, lines, payload))
            async with asyncio.timeout(within):
                answer = orjson.loads(await acknowledged)
    except TimeoutError as error:
        raise ServiceUnreachable(f"the broker did not acknowledge {subject} within {within:g} s") from error
    finally:
        connection.forget(reply)
    if (refusal := answer.get("error")) is not None:
        raise ApiRefused(f"{subject}: {refusal['description']}", refusal.get("err_code", 0))
    return int(answer["seq"])


def settle(connection: Connection, reply: bytes, word: bytes) -> None:
    """Say what became of a message of a work queue: ``+ACK``, ``+WPI``, ``+TERM``, or ``put_back``.

    Lost with the connection, the message is only delivered once more.
    """
    connection.client.send(b"PUB %b %d\r\n%b\r\n" % (reply, len(word), word))


def put_back(delay: float) -> bytes:
    """Word that has a message delivered again after so many seconds."""
    return b'-NAK {"delay": %d}' % int(delay * 1e9)
