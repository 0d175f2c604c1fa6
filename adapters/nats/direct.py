"""Direct reads: messages straight from a stream's store, without a consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from adapters.nats.client import status
from adapters.nats.connection import Connection
from domain.kernel.errors import ServiceUnreachable

ANSWERS_WITHIN: Final = 5.0
"""Seconds between two messages of an answer."""

END, NONE, TOO_MANY = 204, 404, 413
CRLF: Final = b"\r\n"


class Answer:
    """Messages of one direct request, until the control message that ends them (a single one has none)."""

    def __init__(self, *, is_one: bool) -> None:
        self._is_one = is_one
        self.messages: list[tuple[bytes, bytes]] = []
        self.end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def receive(self, _subject: bytes, _reply: bytes, payload: bytes, headers: bytes | None) -> None:
        """Take one message."""
        if headers is None or self.end.done():
            return
        if status(headers):
            self.end.set_result(headers)
            return
        self.messages.append((headers, payload))
        if self._is_one:
            self.end.set_result(b"")

    def lose(self) -> None:
        """The connection broke."""
        if not self.end.done():
            self.end.set_exception(ServiceUnreachable("the connection to the broker broke during a read"))


class Direct:
    """Direct reads of one stream of the broker."""

    def __init__(self, connection: Connection, stream_name: str) -> None:
        self._connection = connection
        self._subject = f"$JS.API.DIRECT.GET.{stream_name}"

    async def ask(self, request: Mapping[str, Any], *, is_one: bool = False) -> Answer:
        """Send one request and give the whole answer. Raises ``ServiceUnreachable``."""
        answer = Answer(is_one=is_one)
        await self._connection.up(ANSWERS_WITHIN)
        stop_listening = self._connection.on_lost(answer.lose)
        reply = self._connection.expect(answer.receive)
        try:
            await self._connection.client.publish(self._subject, orjson.dumps(request), reply=reply)
            await self._ended(answer)
        finally:
            self._connection.forget(reply)
            stop_listening()
        ended = answer.end.result()
        if status(ended) not in {0, END, NONE, TOO_MANY}:
            # 503: the stream is missing, or the broker is starting
            raise ServiceUnreachable(f"{self._subject} is not served: {ended[9:].split(CRLF)[0].decode()}")
        return answer

    async def _ended(self, answer: Answer) -> None:
        while not answer.end.done():
            arrived = len(answer.messages)
            await asyncio.wait([answer.end], timeout=ANSWERS_WITHIN)
            if not answer.end.done() and len(answer.messages) == arrived:
                raise ServiceUnreachable(f"the broker does not answer {self._subject} within {ANSWERS_WITHIN:g} s")
