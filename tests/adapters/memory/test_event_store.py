import uuid

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from tests.contracts.event_store import SHARDS, EventStoreContract


@pytest.fixture
def store() -> MemoryEventStore:
    return MemoryEventStore(MemoryContentStore(), shards=SHARDS)


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


class TestMemoryEventStore(EventStoreContract):
    pass
