import uuid
from collections.abc import AsyncIterator

import pytest

from adapters.nats.connection import Connection
from adapters.nats.streams import ensure_streams
from infra.stack.endpoints import Endpoints
from tests.contracts.event_store import SHARDS


@pytest.fixture(scope="session")
async def connection(stack: Endpoints) -> AsyncIterator[Connection]:
    connection = await Connection.open(stack.nats_url, name="tests", user=stack.nats_user, password=stack.nats_password)
    await ensure_streams(connection, shards=SHARDS)
    yield connection
    await connection.close()


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:12]}"
