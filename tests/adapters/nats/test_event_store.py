from collections.abc import Iterator

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.nats.connection import Connection
from adapters.nats.event_store import LARGEST_WHOLE, JetStreamEventStore
from commands.ports import NEW_STREAM, Selection
from domain.kernel.ids import START, StreamId
from tests.contracts.event_store import SHARDS, EventStoreContract, draft


@pytest.fixture(params=[True, False], ids=["grouped", "single"])
def store(connection: Connection, request: pytest.FixtureRequest) -> Iterator[JetStreamEventStore]:
    store = JetStreamEventStore(connection, MemoryContentStore(), shards=SHARDS, grouped=request.param)
    yield store
    store.close()


class TestJetStreamEventStore(EventStoreContract):
    pass


async def test_however_much_events_refer_to_no_batch_brings_more_than_fits(
    store: JetStreamEventStore, tenant: str
) -> None:
    size = LARGEST_WHOLE // 4
    stream = StreamId(tenant, "run", "large")
    drafts = [draft(f"c{number}", 0, bulk="z" * size) for number in range(10)]
    await store.append(stream, drafts, NEW_STREAM)
    batches = [batch async for batch in store.read(START, Selection(tenant=tenant))]
    assert [event.version for batch in batches for event in batch] == list(range(1, 11))
    following = store.follow(START, Selection(tenant=tenant))
    batches += [await anext(following) for _ in range(2)]
    await following.aclose()  # type: ignore[attr-defined]
    for batch in batches:
        assert sum(len(event.data["bulk"]) for event in batch) <= LARGEST_WHOLE + size
