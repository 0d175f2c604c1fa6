"""The event store when acknowledgements, connections and the broker itself get lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from commands.ports import NEW_STREAM, Append, Head, Selection
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.events import Recorded
from domain.kernel.ids import START, StreamId
from tests.adapters.nats.broker import Broker, Wire
from tests.contracts.event_store import draft, drafts, everything, head_of


@pytest.fixture
async def wire(broker: Broker) -> AsyncIterator[Wire]:
    wire = Wire(broker)
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
async def direct(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="tests")
    await ensure_streams(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def connection(wire: Wire) -> AsyncIterator[Connection]:
    connection = await Connection.open(wire.url, name="tests")
    await ensure_streams(connection)
    yield connection
    await connection.close()


@pytest.fixture(params=[True, False], ids=["grouped", "single"])
async def store(connection: Connection, request: pytest.FixtureRequest) -> AsyncIterator[JetStreamEventStore]:
    store = JetStreamEventStore(connection, MemoryContentStore(), grouped=request.param)
    await store.end()  # from here on it knows the epoch, and asks for nothing but what a test is about
    yield store
    store.close()


@pytest.fixture
def witness(direct: Connection) -> JetStreamEventStore:
    """A store on an unbroken wire."""
    return JetStreamEventStore(direct, MemoryContentStore())


async def stored(witness: JetStreamEventStore, stream: StreamId, count: int) -> None:
    events: list[Recorded] = []
    async with asyncio.timeout(10):
        async for batch in witness.follow(START, Selection(tenant=stream.tenant, stream=stream.id)):
            events += batch
            if len(events) >= count:
                break


RUN = StreamId("acme", "run", "r1")


async def test_an_acknowledgement_that_never_comes_is_looked_up(
    connection: Connection, witness: JetStreamEventStore, wire: Wire
) -> None:
    store = JetStreamEventStore(connection, MemoryContentStore())
    await store.end()
    wire.drop_next_answer()
    appended = await store.append(RUN, [draft("c1")], NEW_STREAM)
    assert wire.swallowed.is_set()
    assert appended == (await witness.load(RUN)).events


async def test_a_doubled_acknowledgement_counts_once(store: JetStreamEventStore, wire: Wire) -> None:
    wire.double_next_answer()
    first = await store.append(RUN, [draft("c1")], NEW_STREAM)
    second = await store.append(RUN, [draft("c2")], head_of(first))
    assert (await store.load(RUN)).events == first + second


@pytest.mark.parametrize("count", [1, 3, 30])
async def test_a_connection_that_breaks_before_the_acknowledgement_changes_nothing(
    store: JetStreamEventStore, witness: JetStreamEventStore, wire: Wire, count: int
) -> None:
    wire.swallow_answers()
    appending = asyncio.create_task(store.append(RUN, drafts("c1", count), NEW_STREAM))
    await stored(witness, RUN, 1)
    wire.cut()
    appended = await appending
    assert appended == (await witness.load(RUN)).events
    assert [event.version for event in appended] == list(range(1, count + 1))


async def test_someone_else_wrote_while_the_answer_was_lost(
    store: JetStreamEventStore, witness: JetStreamEventStore, wire: Wire
) -> None:
    head = head_of(await store.append(RUN, [draft("c1")], NEW_STREAM))
    await witness.append(RUN, [draft("other")], head)
    wire.swallow_answers()
    appending = asyncio.create_task(store.append(RUN, [draft("c2")], head))
    async with asyncio.timeout(10):
        await wire.swallowed.wait()
    wire.cut()
    with pytest.raises(VersionConflict):
        await appending


async def test_an_atomic_append_whose_answer_is_lost_is_looked_up(
    store: JetStreamEventStore, witness: JetStreamEventStore, wire: Wire
) -> None:
    other = StreamId("acme", "run", "r2")
    wire.swallow_answers()
    appends = [Append(RUN, drafts("c1", 2), NEW_STREAM), Append(other, drafts("c2", 1), NEW_STREAM)]
    appending = asyncio.create_task(store.append_atomically(appends))
    await stored(witness, other, 1)
    wire.cut()
    assert await appending == ((await witness.load(RUN)).events, (await witness.load(other)).events)


async def test_an_id_that_the_broker_saw_a_moment_ago_is_appended_all_the_same(
    store: JetStreamEventStore, connection: Connection
) -> None:
    event = draft("c1")
    await connection.client.publish("evt.0.acme.other.x.1.T", b"{}", headers={"Nats-Msg-Id": event.id})
    (appended,) = await store.append(RUN, [event], NEW_STREAM)
    assert (await store.load(RUN)).events == (appended,)


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "single"])
async def test_the_broker_dies_under_load_and_every_event_is_there_once(
    direct: Connection, broker: Broker, grouped: bool
) -> None:
    store = JetStreamEventStore(direct, MemoryContentStore(), grouped=grouped)
    progress = asyncio.Event()

    async def write(number: int) -> list[Recorded]:
        stream, head, events = StreamId("acme", "run", f"r{number}"), NEW_STREAM, []
        for step in range(40):
            events += await store.append(stream, [draft(f"{number}/{step}", i) for i in range(1 + step % 3)], head)
            head = head_of(events)
            if step == 10:
                progress.set()
        return events

    writers = [asyncio.create_task(write(number)) for number in range(30)]
    await progress.wait()
    await broker.restart()
    written = await asyncio.gather(*writers)
    for number, events in enumerate(written):
        assert list((await store.load(StreamId("acme", "run", f"r{number}"))).events) == events
    assert len(await everything(store.read(START))) == sum(map(len, written))


async def test_a_follower_misses_nothing_when_wire_and_broker_break(
    direct: Connection, store: JetStreamEventStore, broker: Broker, wire: Wire
) -> None:
    async def follow(source: JetStreamEventStore, count: int) -> list[Recorded]:
        followed: list[Recorded] = []
        async for batch in source.follow(START, Selection(category="run"), batch=10):
            followed += batch
            if len(followed) >= count:
                break
        return followed

    async def write(source: JetStreamEventStore, steps: range) -> None:
        for step in steps:
            await source.append(RUN, drafts(f"c{step}", 3), (await source.load(RUN)).head)

    on_wire = asyncio.create_task(follow(store, 60))
    await write(store, range(10))
    wire.cut()
    await write(store, range(10, 20))
    async with asyncio.timeout(20):
        assert [event.version for event in await on_wire] == list(range(1, 61))
    await wire.close()

    straight = JetStreamEventStore(direct, MemoryContentStore())
    following = asyncio.create_task(follow(straight, 120))
    await write(straight, range(20, 30))
    await broker.restart()
    await write(straight, range(30, 40))
    async with asyncio.timeout(20):
        assert await following == list((await straight.load(RUN)).events)


async def test_a_broker_that_stays_away_is_unreachable_and_a_retry_finds_the_truth(
    direct: Connection, broker: Broker
) -> None:
    store = JetStreamEventStore(direct, MemoryContentStore(), patience=1.0)
    await store.append(RUN, [draft("c1")], NEW_STREAM)
    await broker.kill()
    with pytest.raises(ServiceUnreachable):
        await store.append(RUN, [draft("c2")], Head(1, 1))
    with pytest.raises(ServiceUnreachable):
        await store.load(RUN)
    await broker.start()
    await direct.up(10)
    (appended,) = await store.append(RUN, [draft("c2")], Head(1, 1))
    assert (await store.load(RUN)).events[1:] == (appended,)


async def test_a_missing_stream_is_named(broker: Broker) -> None:
    connection = await Connection.open(broker.url, name="tests")
    store = JetStreamEventStore(connection, MemoryContentStore(), patience=0.5)
    with pytest.raises(ServiceUnreachable):
        await store.append(RUN, [draft("c1")], NEW_STREAM)
    with pytest.raises(ServiceUnreachable, match="EVENTS_<epoch>_0"):
        await store.load(RUN)
    await connection.close()
