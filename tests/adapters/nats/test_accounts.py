"""The services' account on a real broker: it appends, and can neither close nor drop nor empty what is recorded."""

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import ApiRefused, Connection, NotPermitted
from adapters.nats.epochs import Epochs, EpochStrange, ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.nats.streams import BUS_STREAMS, events_settings
from commands.ports import NEW_STREAM
from domain.kernel.ids import StreamId
from infra.cli.exits import INVALID, exit_code
from infra.stack.broker import Credential, authorization
from tests.contracts.event_store import draft

SERVICES = ("precedent", "5ervice5")
KEEPER = ("keeper", "k33per")


@pytest.fixture
def broker_settings():
    return authorization(Credential("test", *SERVICES), KEEPER)


@pytest.fixture
async def as_service(broker):
    connection = await Connection.open(broker.url, name="worker", user=SERVICES[0], password=SERVICES[1])
    await ensure_streams(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def as_keeper(broker):
    connection = await Connection.open(broker.url, name="keeper", user=KEEPER[0], password=KEEPER[1])
    yield connection
    await connection.close()


async def appended(connection, name):
    store = JetStreamEventStore(connection, MemoryContentStore())
    stream = StreamId("acme", "run", name)
    try:
        await store.append(stream, [draft(name)], NEW_STREAM)
        return len((await store.load(stream)).events)
    finally:
        store.close()


async def test_services_append_and_the_keeper_rolls_over(as_service, as_keeper):
    assert await appended(as_service, "before") == 1
    with pytest.raises(NotPermitted, match=r"may not publish \$JS\.API\.STREAM\.UPDATE\.EVENTS_0_0; the keeper's may"):
        await Epochs(as_service).roll_over(0)
    assert (await Epochs(as_keeper).roll_over(0)).open == 1
    assert await appended(as_service, "after") == 1
    (closed,) = await Epochs(as_service).closed(0)
    with pytest.raises(NotPermitted, match=r"STREAM\.DELETE\.EVENTS_0_0"):
        await Epochs(as_service).drop(closed)
    await Epochs(as_keeper).drop(closed)
    assert await Epochs(as_keeper).closed(0) == []


@pytest.mark.parametrize("name", ["EVENTS_0_0", *BUS_STREAMS])
async def test_services_change_no_stream(as_service, as_keeper, name):
    before = (await as_keeper.api(f"STREAM.INFO.{name}"))["config"]
    for verb in ("UPDATE", "DELETE", "RESTORE", "SNAPSHOT", "PEER.REMOVE"):
        with pytest.raises(NotPermitted):
            await as_service.api(f"STREAM.{verb}.{name}", {**before, "max_msgs": 1})
    assert (await as_keeper.api(f"STREAM.INFO.{name}"))["config"] == before


async def test_services_publish_no_checkpoint(as_service, as_keeper):
    """Nothing in that stream can be taken away, and a ledger does not go on from what it did not sign."""
    with pytest.raises(NotPermitted, match=r"may not publish ledger\.0\.checkpoint"):
        await JetStreamCheckpoints(as_service).publish(0, "nonsense", 0)
    assert await JetStreamCheckpoints(as_service).newest(0) is None
    assert await JetStreamCheckpoints(as_keeper).publish(0, "a note", 0) == 1
    assert await JetStreamCheckpoints(as_service).newest(0) == (1, "a note")


@pytest.mark.parametrize("verb", ["PURGE", "MSG.DELETE"])
@pytest.mark.parametrize(
    "name", ["EVENTS_0_0", *(name for name in BUS_STREAMS if not name.startswith("KV_") and name != "DEAD")]
)
async def test_services_take_no_message_away(as_service, as_keeper, verb, name):
    assert await appended(as_service, "kept") == 1
    before = (await as_keeper.api(f"STREAM.INFO.{name}"))["state"]["messages"]
    with pytest.raises((NotPermitted, ApiRefused)):
        await as_service.api(f"STREAM.{verb}.{name}", {"seq": 1} if verb == "MSG.DELETE" else {})
    assert (await as_keeper.api(f"STREAM.INFO.{name}"))["state"]["messages"] == before


@pytest.mark.parametrize("name", ["EVENTS_0_0", "LEDGER"])
async def test_not_even_the_keeper_takes_events_and_checkpoints_away_singly(as_service, as_keeper, name):
    assert await appended(as_service, "kept") == 1
    for request in ({"seq": 1}, {"seq": 1, "no_erase": True}):
        with pytest.raises(ApiRefused):
            await as_keeper.api(f"STREAM.MSG.DELETE.{name}", request)
    with pytest.raises(ApiRefused):
        await as_keeper.api(f"STREAM.PURGE.{name}")
    config = (await as_keeper.api(f"STREAM.INFO.{name}"))["config"]
    with pytest.raises(ApiRefused):
        await as_keeper.api(f"STREAM.UPDATE.{name}", {**config, "deny_purge": False, "deny_delete": False})


async def test_an_epoch_that_nobody_rolled_over_to_is_refused(as_service, as_keeper):
    """Whoever may make streams cannot let the log go on elsewhere."""
    assert await appended(as_service, "before") == 1
    settings = {**events_settings(0), "subjects": ["elsewhere.>"]}
    await as_service.api("STREAM.CREATE.EVENTS_7_0", {"name": "EVENTS_7_0", **settings})
    with pytest.raises(EpochStrange, match="has an epoch after 0 of shard 0, and 0 is not closed"):
        await ensure_streams(as_service)
    await as_keeper.api("STREAM.DELETE.EVENTS_7_0")
    await ensure_streams(as_service)


async def test_what_services_need_is_theirs(as_service):
    await as_service.api("STREAM.PURGE.KV_precedent-cache", {"filter": "$KV.precedent-cache.x"})
    with pytest.raises(ApiRefused):  # there is none to take out
        await as_service.api("STREAM.MSG.DELETE.DEAD", {"seq": 1})
    assert exit_code(NotPermitted.code) == INVALID
