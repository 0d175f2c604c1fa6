"""Single flight: of all who miss the same entry, in this process and in others, one finds the answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TypeAlias

from commands.indexes import Flight, Flights
from domain.kernel.errors import ServiceUnreachable

logger = logging.getLogger(__name__)

Name: TypeAlias = tuple[str, str]
"""Tenant and entry."""


class Ticket:
    """The right to find an answer, in this process and, where the flights can be reached, in all of them."""

    def __init__(self, flying: SingleFlight, name: Name, flight: Flight | None) -> None:
        self._flying = flying
        self._name = name
        self._flight = flight

    async def land(self) -> None:
        """Let the others look again. The second time changes nothing."""
        flight, self._flight = self._flight, None
        try:
            if flight is not None:
                await flight.land()
        finally:
            self._flying.ended(self._name, self)


class SingleFlight:
    """The flights of one process, over those of all."""

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._here: dict[Name, tuple[asyncio.Event, Ticket | None]] = {}

    async def join(self, tenant: str, entry: str) -> Ticket | None:
        """The right to find an answer; None after another's flight has ended: look whether the answer is there now."""
        name = (tenant, entry)
        if (known := self._here.get(name)) is not None:
            await known[0].wait()
            return None
        over = asyncio.Event()
        self._here[name] = (over, None)
        try:
            ticket = await self._begin(name)
        except BaseException:
            self._forget(name, over)
            raise
        if ticket is None:
            self._forget(name, over)
        else:
            self._here[name] = (over, ticket)
        return ticket

    async def _begin(self, name: Name) -> Ticket | None:
        try:
            flight = await self._flights.begin(*name)
            if flight is not None:
                return Ticket(self, name, flight)
            await self._flights.ended(*name)
        except ServiceUnreachable as error:
            # Then every process may ask once: more calls, but no wrong answer.
            logger.warning("entry %s is not awaited from other processes: %s", name[1], error)
            return Ticket(self, name, None)
        return None

    def ended(self, name: Name, ticket: Ticket) -> None:
        """Wake those of this process who wait for this flight."""
        known = self._here.get(name)
        if known is not None and known[1] is ticket:
            self._forget(name, known[0])

    def _forget(self, name: Name, over: asyncio.Event) -> None:
        del self._here[name]
        over.set()
