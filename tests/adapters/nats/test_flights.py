import asyncio
import sys

import pytest

from adapters.nats.connection import Connection
from adapters.nats.flights import LOST_AFTER, JetStreamFlights
from infra.stack.endpoints import Endpoints
from tests.contracts.flights import ENTRY, FlightsContract


@pytest.fixture
def flights(connection: Connection) -> JetStreamFlights:
    return JetStreamFlights(connection)


class TestJetStreamFlights(FlightsContract):
    async def test_a_flight_lasts_as_long_as_its_holder_lives(
        self, flights: JetStreamFlights, tenant: str, stack: Endpoints
    ) -> None:
        command = [
            sys.executable, "-m", "tests.adapters.nats.flying", stack.nats_url, stack.nats_user or "",
            stack.nats_password or "", tenant, ENTRY,
        ]  # fmt: skip
        holder = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert holder.stdout is not None
        try:
            assert (await holder.stdout.readline()).strip() == b"held"
            assert await flights.begin(tenant, ENTRY) is None
            waiting = asyncio.create_task(flights.ended(tenant, ENTRY))
            done, _ = await asyncio.wait([waiting], timeout=LOST_AFTER + 1)
            assert not done, "it renews what it holds"
        finally:
            holder.kill()
            await holder.wait()
        async with asyncio.timeout(20):
            await waiting
        taken = await flights.begin(tenant, ENTRY)
        assert taken is not None
        await taken.land()
