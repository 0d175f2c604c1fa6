"""The work queue of runs on JetStream: wakes, held by one worker at a time, and timers as scheduled messages.

A tenant's workers share one consumer, which sees the wakes of that tenant only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Final, Self

import orjson

from adapters.nats.client import status
from adapters.nats.connection import ANSWERS_WITHIN, Connection
from adapters.nats.dead_letters import bury
from adapters.nats.publishing import publish, put_back, settle
from commands.ports import Clock, HeldWake, Wake
from domain.kernel.errors import InvalidInput, ServiceUnreachable
from domain.kernel.ids import StreamId, token
from domain.kernel.values import format_time

LOST_AFTER: Final = 5.0
"""Seconds of silence after which a delivered wake is delivered again, to anyone."""

EARLIER: Final = "drivers"
"""The consumer that the workers of all tenants shared in earlier releases; a tenant's own is named after it."""

EARLIER_WAKES: Final = "wake.*.*"
"""Subjects of wakes in earlier releases."""

SLACK: Final = 1.0
"""Seconds beyond the wait after which the broker's silence means that it is gone."""

_WAIT_IS_OVER: Final = frozenset({404, 408})

_NANOSECONDS: Final = 1_000_000_000


def consumer_of(tenant: str) -> str:
    """Name of the consumer that a tenant's workers share."""
    return f"{EARLIER}-{token(tenant, 'tenant')}"


class JetStreamWakes:
    """The port on the stream WAKE; ``ensure_streams`` makes it."""

    def __init__(self, connection: Connection, clock: Clock, shards: int, tenant: str | None) -> None:
        self._connection = connection
        self._tenant = tenant
        self._consumer = EARLIER if tenant is None else consumer_of(tenant)
        self._clock = clock
        self._shards = shards
        self._inbox = connection.client.new_inbox()
        self._pulls = count(1)
        self._arrived: deque[tuple[bytes, bytes, bytes]] = deque()
        self._news = asyncio.Event()
        self._refused = 0
        """Status with which the broker refused to wait for wakes, if it did."""
        self._turn = asyncio.Lock()
        self._stops: list[Callable[[], None]] = []

    @classmethod
    async def open(cls, connection: Connection, clock: Clock, tenant: str | None, *, shards: int = 1) -> Self:
        """Share in a tenant's work queue, or in the one that earlier releases had for all; send to any tenant's."""
        wakes = cls(connection, clock, shards, tenant)
        await wakes._share()
        wakes._stops = [
            await connection.client.receive(f"{wakes._inbox}.*", wakes._receive),
            connection.on_lost(wakes._news.set),
        ]
        return wakes

    async def _share(self) -> None:
        """Make the consumer that the tenant's workers share, or see that it is there."""
        config = {
            "durable_name": self._consumer,
            "ack_policy": "explicit",
            "ack_wait": int(LOST_AFTER * _NANOSECONDS),
            # The default of 1,000 would stop deliveries while so many runs are being driven.
            "max_ack_pending": -1,
            "max_deliver": -1,
            "filter_subject": EARLIER_WAKES if self._tenant is None else f"wake.*.{self._tenant}.*",
        }
        request = {"stream_name": "WAKE", "config": config}
        await self._connection.api(f"CONSUMER.DURABLE.CREATE.WAKE.{self._consumer}", request)

    def close(self) -> None:
        """Stop receiving. What is held and not settled is delivered again, to anyone."""
        for stop in self._stops:
            stop()

    async def send(self, wake: Wake, due: datetime | None = None) -> None:
        """As the port says."""
        run = wake.run
        subject = f"wake.{run.shard(self._shards)}.{run.tenant}.{run.id}"
        fields = {"tenant": run.tenant, "category": run.category, "id": run.id, "reason": wake.reason}
        schedule = {}
        if due is not None:
            schedule = {"Nats-Schedule": f"@at {format_time(due)}", "Nats-Schedule-Target": subject}
            # One timer a moment and run: the same one sent again replaces itself.
            subject = f"{subject}.at.{int(due.timestamp() * 1_000_000)}"
        await publish(self._connection, subject, orjson.dumps(fields), schedule)

    async def receive(self, limit: int, wait: float) -> Sequence[HeldWake]:
        """As the port says."""
        async with self._turn:  # a pull's messages do not say whose they are
            await self._connection.up(ANSWERS_WITHIN)
            if not self._arrived:
                await self._pull(limit, wait)
            if self._refused and not self._arrived:
                # Whoever asks again at once would ask some thousand times a second, and never get a wake.
                refused, self._refused = self._refused, 0
                await self._share()
                raise ServiceUnreachable(f"the consumer of the work queue was gone ({refused}), and is made anew")
            arrived = [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]
        return [held for message in arrived if (held := await self._held(*message))]

    async def _pull(self, limit: int, wait: float) -> None:
        self._news.clear()
        # With both, the broker sends what it has at once, or else the first that comes.
        request = orjson.dumps({"batch": limit, "no_wait": True, "expires": int(wait * _NANOSECONDS)})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.WAKE.{self._consumer}"
        await self._connection.client.publish(subject, request, reply=f"{self._inbox}.{next(self._pulls)}")
        try:
            async with asyncio.timeout(wait + SLACK):
                await self._news.wait()
        except TimeoutError as error:
            raise ServiceUnreachable(f"the work queue gave no answer within {wait + SLACK:g} s") from error

    def _receive(self, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None) -> None:
        # Without a reply subject it is a control message: the wait is over, or nobody serves the queue now.
        if reply:
            self._arrived.append((subject, reply, payload))
            self._refused = 0
        elif (code := status(headers)) not in _WAIT_IS_OVER:
            self._refused = code
        self._news.set()

    async def _held(self, subject: bytes, reply: bytes, payload: bytes) -> HeldWake | None:
        try:
            fields = orjson.loads(payload)
            wake = Wake(StreamId(fields["tenant"], fields["category"], fields["id"]), str(fields["reason"]))
            self._check_tenant(wake.run)
        except (ValueError, TypeError, KeyError, InvalidInput) as error:
            await bury(self._connection, subject.decode(), payload, f"no wake: {error!r}", self._clock.now())
            settle(self._connection, reply, b"+TERM")
            return None
        return _Held(wake, reply, self._connection)

    def _check_tenant(self, run: StreamId) -> None:
        if self._tenant not in (None, run.tenant):
            raise InvalidInput(f"it is for tenant {run.tenant}")


class _Held:
    """A wake that this worker has."""

    __slots__ = ("_connection", "_reply", "wake")

    def __init__(self, wake: Wake, reply: bytes, connection: Connection) -> None:
        self.wake = wake
        self._reply = reply
        self._connection = connection

    async def settle(self) -> None:
        """As the port says."""
        settle(self._connection, self._reply, b"+ACK")

    async def keep(self) -> None:
        """As the port says."""
        settle(self._connection, self._reply, b"+WPI")

    async def put_back(self, delay: float) -> None:
        """As the port says."""
        settle(self._connection, self._reply, put_back(delay))


async def unsettled(connection: Connection, tenant: str) -> int:
    """Wakes of a tenant that wait for a worker or are held by one; at 0, its workers are done, with learning too."""
    info = await connection.api(f"CONSUMER.INFO.WAKE.{consumer_of(tenant)}")
    return int(info["num_pending"]) + int(info["num_ack_pending"])
