"""Flights within one process, or one simulation of several."""

from __future__ import annotations

import asyncio

from domain.kernel.ids import token


class MemoryFlights:
    """The port on a table."""

    def __init__(self) -> None:
        self._over: dict[tuple[str, str], asyncio.Event] = {}

    async def begin(self, tenant: str, entry: str) -> MemoryFlight | None:
        """As the port says."""
        token(tenant, "tenant"), token(entry, "entry")
        if (tenant, entry) in self._over:
            return None
        self._over[tenant, entry] = asyncio.Event()
        return MemoryFlight(self, (tenant, entry))

    async def ended(self, tenant: str, entry: str) -> None:
        """As the port says."""
        over = self._over.get((tenant, entry))
        if over is not None:
            await over.wait()

    def end(self, name: tuple[str, str]) -> None:
        """The holder has landed, or a test killed it."""
        over = self._over.pop(name, None)
        if over is not None:
            over.set()


class MemoryFlight:
    """A flight that has begun."""

    def __init__(self, flights: MemoryFlights, name: tuple[str, str]) -> None:
        self._flights = flights
        self._name = name
        self._has_landed = False

    async def land(self) -> None:
        """As the port says."""
        if not self._has_landed:
            self._has_landed = True
            self._flights.end(self._name)
