"""Reads one shard in order through a pull consumer of its own, and goes on where it was when that is lost.

A pull asks for a bounded number of messages and bytes, and the next one goes out before the last has been read, so the
broker is always busy and this process never holds more than two. A consumer numbers what it delivers; a gap in those
numbers, silence, or a broken connection all mean the same: make a new consumer after the last event seen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import orjson

from adapters.nats.client import header, status
from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.streams import NOT_FOUND, events_name
from commands.ports import EVERYTHING, Selection
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import Position
from domain.ledger.stored import Stored

LARGEST_PULL: Final = 8 * 1024 * 1024
"""Bytes of one pull; the broker cuts what is above 16 MiB, and two may be under way."""

PULL: Final = 2000
"""Messages of one pull."""

WAITS: Final = 1.0
"""Seconds that a pull waits for news; then the follower pulls again."""

HEARTBEAT: Final = 0.25
"""Seconds without news after which the broker says that it is there; then the follower gets an empty batch."""

GATHERS: Final = 0.1
"""Seconds for which one who follows the log as it lies there lets messages gather at its end."""

SILENT_FOR: Final = 3.0
"""Seconds without any word of the broker after which the consumer counts as lost."""

FORGOTTEN_AFTER: Final = 30_000_000_000
"""Nanoseconds after which the broker removes a consumer that nobody pulls from."""

PATIENCE: Final = 30.0
"""Seconds for which a reader waits for a broker that went away."""


Message: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""Subject, reply, payload and headers of a delivered message."""

E = TypeVar("E", Recorded, Stored)
Make: TypeAlias = Callable[[Position, Message], E]


class EpochLeft(Exception):  # never leaves this folder
    """The stream has left the broker: go on in the archive."""


class ConsumerLost(Exception):  # never leaves this folder
    """Make a new consumer after the last event seen."""


class _Consumer:
    """One pull consumer and what it has delivered so far."""

    def __init__(self, connection: Connection, stream_name: str, name: str, pending: int) -> None:
        self._connection = connection
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream_name}.{name}"
        self._inbox = connection.client.new_inbox()
        self._arrived: deque[Message] = deque()
        self._news = asyncio.Event()
        self._outstanding = 0
        self._pulls = 0
        self._numbered = 0
        self._is_lost = False
        self.pending = pending
        """Messages that the broker still had for it when it sent the last one."""
        self._stops: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Listen for what will be pulled."""
        self._stops = [
            self._connection.on_lost(self._lose),
            await self._connection.client.receive(f"{self._inbox}.*", self._receive),
        ]

    def close(self) -> None:
        """Stop listening; the broker forgets the consumer by itself."""
        for stop in self._stops:
            stop()

    def _lose(self) -> None:
        self._is_lost = True
        self._news.set()

    def _receive(self, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None) -> None:
        if reply:
            self._outstanding -= 1
            self._arrived.append((subject, reply, payload, headers or b""))
        elif headers is not None:
            self._end_pull(headers)
        self._news.set()

    def _end_pull(self, headers: bytes) -> None:
        # 408 the wait is over, 409 bytes are used up or the consumer is gone, 503 nobody serves it
        code = status(headers)
        left = header(headers, b"Nats-Pending-Messages")
        if code == 408 or (code == 409 and left):
            self._outstanding -= int(left or 0)
        elif code != 100:
            self._is_lost = True

    def _pull(self) -> None:
        self._pulls += 1
        self._outstanding += PULL
        request = {
            "batch": PULL,
            "max_bytes": LARGEST_PULL,
            "expires": int(WAITS * 1e9),
            "idle_heartbeat": int(HEARTBEAT * 1e9),
        }
        payload = orjson.dumps(request)
        self._connection.client.send(
            b"PUB %b %b.%d %d\r\n%b\r\n"
            % (self._next.encode(), self._inbox.encode(), self._pulls, len(payload), payload)
        )

    async def take(self, limit: int) -> list[Message]:
        """What has arrived, at most so many; none after a wait. Raises on loss."""
        if self._outstanding <= PULL // 2:
            self._pull()
        if not self._arrived:
            await self._hear()
        count = min(limit, len(self._arrived))
        messages = [self._arrived.popleft() for _ in range(count)]
        if not messages and self._is_lost:
            raise ConsumerLost
        return messages

    async def _hear(self) -> None:
        self._news.clear()
        if self._is_lost:
            return
        try:
            async with asyncio.timeout(SILENT_FOR):
                await self._news.wait()
        except TimeoutError:
            self._is_lost = True

    def number(self, reply: bytes) -> int:
        """Sequence of a delivered message. Raises ``ConsumerLost`` where one before it is missing."""
        # $JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<sequence>.<number>.<time>.<pending>[.<token>]
        tokens = reply.split(b".")
        first = 5 if len(tokens) == 9 else 7
        self._numbered += 1
        if int(tokens[first + 1]) != self._numbered:
            raise ConsumerLost
        self.pending = int(tokens[first + 3])
        return int(tokens[first])


class ShardReader:
    """Batches of one shard's events after a sequence."""

    def __init__(
        self,
        connection: Connection,
        epoch: int,
        shard: int,
        has_left: Callable[[], bool] = lambda: False,
    ) -> None:
        """``has_left`` tells whether the epoch has been taken out of the broker."""
        self._connection = connection
        self._stream_name = events_name(epoch, shard)
        self._epoch = epoch
        self._shard = shard
        self._has_left = has_left

    async def read(
        self, after: int, until: int, selection: Selection, limit: int
    ) -> AsyncGenerator[Sequence[Recorded], None]:
        """Batches up to a sequence, none of them empty."""
        async for batch, reached, pending in self._batches(after, selection, limit, _recorded):
            if events := [event for event in batch if event.position.sequence <= until]:
                yield events
            if reached >= until or pending == 0:
                return

    async def follow(self, after: int, selection: Selection, limit: int) -> AsyncGenerator[Sequence[Recorded], None]:
        """Batches for ever; an empty one when nothing came for a while."""
        async for batch, _, _ in self._batches(after, selection, limit, _recorded):
            yield batch

    async def read_stored(self, after: int, until: int, limit: int) -> AsyncGenerator[Sequence[Stored], None]:
        """As ``read``, of every message, as it lies there."""
        async for batch, reached, pending in self._batches(after, EVERYTHING, limit, _stored):
            if events := [event for event in batch if event.position.sequence <= until]:
                yield events
            if reached >= until or pending == 0:
                return

    async def follow_stored(self, after: int, limit: int) -> AsyncGenerator[Sequence[Stored], None]:
        """As ``follow``, of every message, as it lies there."""
        async for batch, _, pending in self._batches(after, EVERYTHING, limit, _stored):
            yield batch
            if batch and not pending:
                await asyncio.sleep(GATHERS)  # what arrives meanwhile costs one turn, and not one for each

    async def _batches(
        self, after: int, selection: Selection, limit: int, make: Make[E]
    ) -> AsyncGenerator[tuple[list[E], int, int], None]:
        """Batch, sequence of the last event seen, and how many the broker had left then."""
        while True:
            consumer = await self._consumer(after, selection)
            try:
                if consumer.pending == 0:
                    yield [], after, 0
                while True:
                    batch = [make(self._position(consumer, message), message) for message in await consumer.take(limit)]
                    if batch:
                        after = batch[-1].position.sequence
                    yield batch, after, consumer.pending
            except ConsumerLost:
                continue
            finally:
                consumer.close()

    def _position(self, consumer: _Consumer, message: Message) -> Position:
        return Position(self._epoch, self._shard, consumer.number(message[1]))

    async def _consumer(self, after: int, selection: Selection) -> _Consumer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            try:
                return await self._create(after, selection)
            except (ServiceUnreachable, ApiRefused) as problem:
                if isinstance(problem, ApiRefused) and problem.number == NOT_FOUND and self._has_left():
                    raise EpochLeft from None
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(0.1)  # the broker is starting, and says so at once
                await self._connection.up(deadline - loop.time())

    async def _create(self, after: int, selection: Selection) -> _Consumer:
        config: dict[str, Any] = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "filter_subject": selection.subjects(self._shard),
            "ack_policy": "none",
            "mem_storage": True,
            "inactive_threshold": FORGOTTEN_AFTER,
        }
        request = {"stream_name": self._stream_name, "config": config}
        made = await self._connection.api(f"CONSUMER.CREATE.{self._stream_name}", request)
        consumer = _Consumer(self._connection, self._stream_name, made["name"], made["num_pending"])
        await consumer.open()
        return consumer


def _recorded(position: Position, message: Message) -> Recorded:
    return Recorded(position, message[0].decode(), message[2])


def _stored(position: Position, message: Message) -> Stored:
    return Stored(position, message[0].decode(), message[3], message[2])
