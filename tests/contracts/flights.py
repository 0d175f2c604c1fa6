"""What all flights do. Subclass it and give a `flights` fixture; tenants keep tests apart."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commands.indexes import Flights
from domain.kernel.ids import HostileName

ENTRY = "0" * 64


class FlightsContract:
    @pytest.fixture
    def tenant(self) -> str:
        return f"t{uuid.uuid4().hex[:12]}"

    async def test_one_at_a_time(self, flights: Flights, tenant: str) -> None:
        flight = await flights.begin(tenant, ENTRY)
        assert flight is not None
        assert await flights.begin(tenant, ENTRY) is None
        await flight.land()
        again = await flights.begin(tenant, ENTRY)
        assert again is not None
        await again.land()

    async def test_of_many_at_once_one_begins(self, flights: Flights, tenant: str) -> None:
        begun = [each for each in await asyncio.gather(*(flights.begin(tenant, ENTRY) for _ in range(20))) if each]
        assert len(begun) == 1
        await begun[0].land()

    async def test_entries_and_tenants_are_apart(self, flights: Flights, tenant: str) -> None:
        names = [(tenant, ENTRY), (tenant, "1" * 64), (f"{tenant}-b", ENTRY)]
        begun = [await flights.begin(*name) for name in names]
        assert None not in begun
        for flight in begun:
            assert flight is not None
            await flight.land()

    async def test_landing_ends_the_waiting(self, flights: Flights, tenant: str) -> None:
        flight = await flights.begin(tenant, ENTRY)
        assert flight is not None
        waiting = [asyncio.create_task(flights.ended(tenant, ENTRY)) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        await flight.land()
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting)

    async def test_nobody_waits_for_what_never_began(self, flights: Flights, tenant: str) -> None:
        async with asyncio.timeout(10):
            await flights.ended(tenant, ENTRY)

    async def test_landing_twice_ends_no_other_flight(self, flights: Flights, tenant: str) -> None:
        first = await flights.begin(tenant, ENTRY)
        assert first is not None
        await first.land()
        second = await flights.begin(tenant, ENTRY)
        assert second is not None
        await first.land()
        assert await flights.begin(tenant, ENTRY) is None
        await second.land()

    @pytest.mark.parametrize("name", ["", "*", ">", "a.b", "a b", "x" * 65, "ä", "a\r\nb"])
    async def test_hostile_names_are_refused(self, flights: Flights, tenant: str, name: str) -> None:
        with pytest.raises(HostileName):
            await flights.begin(tenant, name)
        with pytest.raises(HostileName):
            await flights.begin(name, ENTRY)
