import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from adapters.nats.connection import Connection
from adapters.nats.dead_letters import dead_letters
from adapters.nats.epochs import ensure_streams
from adapters.nats.wakes import JetStreamWakes
from domain.kernel.errors import ServiceUnreachable
from tests.adapters.nats.broker import Broker
from tests.contracts.wakes import WakesContract, wake


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="tests")
    await ensure_streams(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def wakes(connection: Connection, clock: SystemClock) -> AsyncIterator[JetStreamWakes]:
    wakes = await JetStreamWakes.open(connection, clock, "acme")
    yield wakes
    wakes.close()


class TestJetStreamWakes(WakesContract):
    async def test_what_is_no_wake_is_buried(self, wakes: JetStreamWakes, connection: Connection) -> None:
        await connection.request("wake.0.acme.r1", b"nonsense")
        await wakes.send(wake("r2"))
        async with asyncio.timeout(10):
            while not (held := await wakes.receive(5, 1.0)):
                pass
        assert [one.wake for one in held] == [wake("r2")]
        (letter,) = [letter async for letter in dead_letters(connection)]
        assert (letter.origin, letter.payload) == ("wake.0.acme.r1", b"nonsense")
        assert "no wake" in letter.reason

    async def test_wakes_and_timers_survive_the_broker(
        self, wakes: JetStreamWakes, clock: SystemClock, broker: Broker
    ) -> None:
        await wakes.send(wake("r1"))
        await wakes.send(wake("r2"), due=clock.now())
        waiting = asyncio.create_task(wakes.receive(5, 0.1))
        await waiting
        await wakes.send(wake("r3"))
        await broker.restart()
        received: set[str] = set()
        async with asyncio.timeout(20):
            while not {"r1", "r2", "r3"} <= received:
                received |= {held.wake.run.id for held in await wakes.receive(5, 1.0)}

    async def test_a_queue_whose_consumer_is_gone_is_shared_again(
        self, wakes: JetStreamWakes, connection: Connection
    ) -> None:
        await connection.api("CONSUMER.DELETE.WAKE.drivers-acme")
        await wakes.send(wake("r1"))
        with pytest.raises(ServiceUnreachable, match="consumer"):  # who asks for ever pauses then
            await wakes.receive(5, 0.2)
        assert [one.wake for one in await wakes.receive(5, 1.0)] == [wake("r1")]

    async def test_an_empty_queue_is_waited_for(self, wakes: JetStreamWakes) -> None:
        assert await wakes.receive(5, 0.1) == []
        assert await wakes.receive(5, 0.1) == []
