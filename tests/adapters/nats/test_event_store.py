from collections.abc import Iterator

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.nats.connection import Connection
from adapters.nats.event_store import JetStreamEventStore
from tests.contracts.event_store import SHARDS, EventStoreContract


@pytest.fixture(params=[True, False], ids=["grouped", "single"])
def store(connection: Connection, request: pytest.FixtureRequest) -> Iterator[JetStreamEventStore]:
    store = JetStreamEventStore(connection, MemoryContentStore(), shards=SHARDS, grouped=request.param)
    yield store
    store.close()


class TestJetStreamEventStore(EventStoreContract):
    pass
