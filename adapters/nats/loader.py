"""Reads one stream straight from the broker's store, without a consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from adapters.nats.client import header, status
from adapters.nats.connection import Connection
from commands.ports import Head
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId

PAGE: Final = 1000
"""Versions named in one request; the broker answers at most 1,024 subjects."""

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of one answer; the rest is asked for again."""

ANSWERS_WITHIN: Final = 5.0
"""Seconds between two messages of an answer."""

END, NONE, TOO_MANY = 204, 404, 413
CRLF: Final = b"\r\n"


class _Answer:
    """Messages of one direct request, until the control message that ends them (one has none)."""

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


class Loader:
    """Direct reads in one shard's stream."""

    def __init__(self, connection: Connection, stream_name: str, epoch: int, shard: int) -> None:
        self._connection = connection
        self._subject = f"$JS.API.DIRECT.GET.{stream_name}"
        self._epoch = epoch
        self._shard = shard

    async def events(self, stream: StreamId, after: int) -> tuple[list[Recorded], Head]:
        """Events of a stream above a version, and its head. Raises ``ServiceUnreachable``."""
        whole = f"evt.{self._shard}.{stream.tenant}.{stream.category}.{stream.id}"
        if after == 0:
            events = await self._all([f"{whole}.>"])
            if events is not None:
                return self._checked(stream, events, 0), _head(events)
        head = await self._last(f"{whole}.>")
        events = []
        for first in range(after + 1, head.version + 1, PAGE):
            versions = range(first, min(first + PAGE, head.version + 1))
            events += await self._all([f"{whole}.{version}.*" for version in versions]) or []
        return self._checked(stream, events, min(after, head.version)), head if not events else _head(events)

    def _checked(self, stream: StreamId, events: list[Recorded], after: int) -> list[Recorded]:
        for version, event in enumerate(events, start=after + 1):
            if event.version != version:
                raise StoredDataInvalid(f"{stream} has {event.address} where version {version} must be")
        return events

    async def _last(self, subjects: str) -> Head:
        answer = await self._ask({"last_by_subj": subjects}, is_one=True)
        return _head([self._event(*answer.messages[-1])]) if answer.messages else Head()

    async def _all(self, subjects: Sequence[str]) -> list[Recorded] | None:
        """Last message of each of these subjects, in order; None when there are too many."""
        events: list[Recorded] = []
        request: dict[str, Any] = {"multi_last": subjects, "batch": 1024, "max_bytes": LARGEST_ANSWER}
        while True:
            answer = await self._ask(request)
            ended = answer.end.result()
            if status(ended) == TOO_MANY:
                return None
            events += [self._event(*message) for message in answer.messages]
            if status(ended) == NONE or not int(header(ended, b"Nats-Num-Pending") or 0):
                return events
            request["seq"] = events[-1].position.sequence + 1
            request["up_to_seq"] = int(header(ended, b"Nats-UpTo-Sequence"))

    async def _ask(self, request: Mapping[str, Any], *, is_one: bool = False) -> _Answer:
        answer = _Answer(is_one=is_one)
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

    async def _ended(self, answer: _Answer) -> None:
        while not answer.end.done():
            arrived = len(answer.messages)
            await asyncio.wait([answer.end], timeout=ANSWERS_WITHIN)
            if not answer.end.done() and len(answer.messages) == arrived:
                raise ServiceUnreachable(f"the broker does not answer {self._subject} within {ANSWERS_WITHIN:g} s")

    def _event(self, headers: bytes, body: bytes) -> Recorded:
        sequence = int(header(headers, b"Nats-Sequence"))
        address = header(headers, b"Nats-Subject").decode()
        return Recorded(Position(self._epoch, self._shard, sequence), address, body)


def _head(events: Sequence[Recorded]) -> Head:
    return Head(events[-1].version, events[-1].position.sequence) if events else Head()
