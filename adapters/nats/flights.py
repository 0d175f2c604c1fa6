"""Flights across processes: a key in a bucket of the broker, made only where there is none, and renewed while it lasts.

A holder that dies renews no more, and the broker drops the key: others wait for a dead one only for seconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from adapters.nats.answers import SEQUENCE_MISMATCH
from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.publishing import publish
from adapters.nats.streams import FLIGHTS_BUCKET
from domain.kernel.errors import PrecedentError
from domain.kernel.ids import token

logger = logging.getLogger(__name__)

LOST_AFTER: Final = 3
"""Whole seconds after which a holder that is not heard of has lost its flight."""

RENEWED_EVERY: Final = 1.0
WITHIN: Final = 1.0
"""Seconds for an answer of the broker."""

SHORTEST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.1
"""Seconds between two looks at another's flight; doubled from one to the next."""


class JetStreamFlights:
    """The port on the bucket; ``ensure_bus`` makes it."""

    def __init__(self, connection: Connection) -> None:
        """Use this connection."""
        self._connection = connection

    async def begin(self, tenant: str, entry: str) -> JetStreamFlight | None:
        """As the port says."""
        subject = _subject(tenant, entry)
        sequence = await hold(self._connection, subject, 0)
        return None if sequence is None else JetStreamFlight(self._connection, subject, sequence)

    async def ended(self, tenant: str, entry: str) -> None:
        """As the port says."""
        pause = SHORTEST_PAUSE
        subject = f"$JS.API.DIRECT.GET.KV_{FLIGHTS_BUCKET}.{_subject(tenant, entry)}"
        while await self._connection.request(subject, b"", WITHIN):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


class JetStreamFlight:
    """A flight that has begun; a task renews it."""

    def __init__(self, connection: Connection, subject: str, sequence: int) -> None:
        self._connection = connection
        self._subject = subject
        self._sequence: int | None = sequence
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while self._sequence is not None:
            await asyncio.sleep(RENEWED_EVERY)
            try:
                self._sequence = await hold(self._connection, self._subject, self._sequence)
            except PrecedentError as error:
                logger.warning("flight %s was not renewed: %s", self._subject, error)

    async def land(self) -> None:
        """As the port says."""
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        sequence, self._sequence = self._sequence, None
        if sequence is None:
            return
        try:
            # By its sequence: whoever has taken it since, keeps it.
            request = {"seq": sequence, "no_erase": True}
            await self._connection.api(f"STREAM.MSG.DELETE.KV_{FLIGHTS_BUCKET}", request)
        except PrecedentError as error:
            logger.warning("flight %s ends by itself: %s", self._subject, error)


async def hold(connection: Connection, subject: str, after: int) -> int | None:
    """Take a flight (after 0), or renew it after its last sequence; None where it is another's."""
    headers = {"Nats-Expected-Last-Subject-Sequence": str(after), "Nats-TTL": f"{LOST_AFTER}s"}
    try:
        return await publish(connection, subject, connection.unique.encode(), headers, WITHIN)
    except ApiRefused as refusal:
        if refusal.number not in SEQUENCE_MISMATCH:
            raise
        return None


def _subject(tenant: str, entry: str) -> str:
    return f"$KV.{FLIGHTS_BUCKET}.{token(tenant, 'tenant')}.{token(entry, 'entry')}"
