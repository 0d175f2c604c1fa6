"""Puts messages of the log back where they were: same places, same bytes, same headers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import orjson

from adapters.nats.client import Receive, status
from adapters.nats.connection import Connection
from adapters.nats.epochs import Epochs
from commands.epochs import ArchivedEpochs
from commands.repairs import NotRestored
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import Position
from domain.ledger.stored import Stored

AT_ONCE: Final = 256
"""Messages under way."""

ACKNOWLEDGED_WITHIN: Final = 30.0
"""Seconds for them."""


class JetStreamLogWriter:
    """The ``LogWriter`` port on the broker's streams: what was in another epoch gets into another epoch."""

    def __init__(self, connection: Connection, archived: ArchivedEpochs | None = None) -> None:
        """``archived``: epochs that have left the broker, and are not written to it."""
        self._connection = connection
        self._epochs = Epochs(connection, archived)

    async def begin_anew(self, first: Position) -> None:
        """As the port says."""
        await self._epochs.begin(first)
        await self._epochs.ensure(first.shard)

    async def write(self, groups: Sequence[Sequence[Stored]]) -> None:
        """As the port says."""
        waiting: list[Sequence[Stored]] = []
        count = 0
        for group in groups:
            first = group[0].position
            if first.epoch != (await self._epochs.known(first.shard)).open:
                await self._send(waiting)
                waiting, count = [], 0
                await self._epochs.go_on(first)
            waiting.append(group)
            count += len(group)
            if count >= AT_ONCE:
                await self._send(waiting)
                waiting, count = [], 0
        await self._send(waiting)

    async def _send(self, groups: Sequence[Sequence[Stored]]) -> None:
        """Send in order, and see that each got its place."""
        if not groups:
            return
        await self._connection.up(ACKNOWLEDGED_WITHIN)
        answers: list[asyncio.Future[tuple[bytes, bytes | None]]] = []
        replies: list[str] = []
        commands: list[bytes] = []
        for group in groups:
            answer: asyncio.Future[tuple[bytes, bytes | None]] = asyncio.get_running_loop().create_future()
            reply = self._connection.expect(_receiver(answer))
            answers.append(answer)
            replies.append(reply)
            commands.extend(_publication(each, reply if each is group[-1] else "") for each in group)
        try:
            self._connection.client.send(b"".join(commands))
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
                for group, answered in zip(groups, await asyncio.gather(*answers), strict=True):
                    _check(group, *answered)
        except TimeoutError as error:
            raise ServiceUnreachable(
                f"the broker did not acknowledge the messages from {groups[0][0].position} on within "
                f"{ACKNOWLEDGED_WITHIN:g} s; what it has stays, and the repair goes on from there when it is repeated"
            ) from error
        finally:
            for reply in replies:
                self._connection.forget(reply)


def _receiver(answer: asyncio.Future[tuple[bytes, bytes | None]]) -> Receive:
    def receive(_subject: bytes, _reply: bytes, payload: bytes, headers: bytes | None) -> None:
        if not answer.done():
            answer.set_result((payload, headers))

    return receive


def _publication(message: Stored, reply: str) -> bytes:
    size = len(message.headers)
    start = f"HPUB {message.subject} {reply} {size} {size + len(message.body)}\r\n"
    return b"%b%b%b\r\n" % (start.encode(), message.headers, message.body)


def _check(group: Sequence[Stored], payload: bytes, headers: bytes | None) -> None:
    wanted = group[-1].position
    if status(headers) == 503:
        raise ServiceUnreachable(f"no stream of the broker takes {group[-1].subject}")
    answer = orjson.loads(payload)
    if (error := answer.get("error")) is not None:
        raise NotRestored(f"the broker refuses the message of {wanted}: {error['description']}")
    if answer["seq"] != wanted.sequence:
        raise NotRestored(f"the broker put the message of {wanted} at {answer['seq']}: someone else writes to the log")
