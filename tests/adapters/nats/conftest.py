import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest

from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from infra.stack.endpoints import Endpoints
from tests.adapters.nats.broker import Broker
from tests.adapters.nats.commanding import Bus, serving
from tests.contracts.event_store import SHARDS


@pytest.fixture(scope="session")
async def connection(stack: Endpoints) -> AsyncIterator[Connection]:
    connection = await Connection.open(stack.nats_url, name="tests", user=stack.nats_user, password=stack.nats_password)
    await ensure_streams(connection, shards=SHARDS)
    yield connection
    await connection.close()


@pytest.fixture
def broker_settings() -> str:
    """What a file's brokers are to be told beside the defaults: overridden there."""
    return ""


@pytest.fixture
async def broker(tmp_path: Path, broker_settings: str) -> AsyncIterator[Broker]:
    """A broker of the test's own, which it may kill."""
    broker = Broker(tmp_path, settings=broker_settings)
    await broker.start()
    yield broker
    await broker.kill()


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def bus(stack: Endpoints, tenant: str) -> AsyncIterator[Bus]:
    async with serving(stack, tenant) as bus:
        yield bus


@pytest.fixture
async def raw(stack: Endpoints) -> AsyncIterator[nats.NATS]:
    """A client that may send what ours refuse to send."""
    client = await nats.connect(**stack.nats_options())
    yield client
    await client.close()
