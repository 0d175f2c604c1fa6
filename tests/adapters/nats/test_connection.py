import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from faststream.security import SASLPlaintext

from adapters.nats.command_broker import CommandBroker
from adapters.nats.connection import ApiRefused, Connection, ServerRefused, ServerTooOld, ServerTooSmall
from adapters.nats.epochs import ensure_streams
from adapters.nats.streams import BUS_STREAMS, StreamDiffers
from domain.kernel.errors import ServiceUnreachable
from infra.stack.broker import free_port
from tests.adapters.nats.broker import Broker


@pytest.fixture
def broker_settings() -> str:
    return 'authorization { user: "app", password: "right" }'


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="tests", user="app", password="right")
    yield connection
    await connection.close()


async def test_a_server_that_is_not_there_is_named() -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceUnreachable, match=url):
        await Connection.open(url, name="tests")


async def test_wrong_credentials_are_told_apart_from_a_missing_server(broker: Broker) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(ServerRefused, match=rf"{broker.url} refuses these credentials"):
        await Connection.open(broker.url, name="tests", user="app", password="wrong")
    assert asyncio.get_running_loop().time() - started < 2  # trying again would not help


async def test_a_server_without_jetstream_says_so(tmp_path: Path) -> None:
    broker = Broker(tmp_path, settings="jetstream: disabled")
    await broker.start()
    connection = await Connection.open(broker.url, name="tests")
    with pytest.raises((ServiceUnreachable, ApiRefused)):
        await connection.api("INFO")
    await connection.close()
    await broker.kill()


async def test_a_server_that_is_too_old_is_refused() -> None:
    # No such server can be installed beside the right one; this one only introduces itself as nats-server 2.14.3 would.
    async def introduce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "old", "version": "2.14.3", "max_payload": 1048576, "headers": True, "proto": 1}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(introduce, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ServerTooOld, match=r"runs nats-server .*2\.14\.3.*; 2\.14\.4 or newer"):
            await Connection.open(f"nats://127.0.0.1:{port}", name="tests")


async def test_a_server_that_takes_only_small_messages_is_refused(tmp_path: Path) -> None:
    broker = Broker(tmp_path, settings="max_payload: 65536")
    await broker.start()
    with pytest.raises(ServerTooSmall, match="65536 bytes; 1048576 are needed"):
        await Connection.open(broker.url, name="tests")
    await broker.kill()


async def test_a_receiver_that_fails_is_reported_and_harms_nobody_else(connection: Connection) -> None:
    reported: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, failure: reported.append(failure["message"]))
    stop = await connection.client.receive("hello", lambda *_: 1 / 0)
    await connection.client.publish("hello", b"")
    assert await connection.api("INFO")
    stop()
    await connection.client.publish("hello", b"")
    assert await connection.api("INFO")
    loop.set_exception_handler(None)
    assert reported == ["a receiver of hello failed"]


async def test_a_refused_request_carries_the_brokers_words(connection: Connection) -> None:
    with pytest.raises(ApiRefused, match=r"STREAM\.INFO\.ABSENT: stream not found") as refused:
        await connection.api("STREAM.INFO.ABSENT")
    assert refused.value.number == 10059


async def test_a_request_that_nobody_serves_fails_at_once(connection: Connection) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(ServiceUnreachable, match=r"nobody serves no\.one\.here"):
        await connection.request("no.one.here", b"")
    assert asyncio.get_running_loop().time() - started < 1


async def test_it_comes_back_with_the_broker(connection: Connection, broker: Broker) -> None:
    lost = asyncio.Event()
    connection.on_lost(lost.set)
    await broker.kill()
    async with asyncio.timeout(10):
        await lost.wait()
    assert not connection.is_up
    with pytest.raises(ServiceUnreachable, match="went away"):
        await connection.up(0.2)
    await broker.start()
    await connection.up(10)
    assert (await connection.api("INFO"))["memory"] == 0


async def test_a_closed_connection_says_so(connection: Connection) -> None:
    await connection.close()
    with pytest.raises(ServiceUnreachable, match="is closed"):
        await connection.request("no.one.here", b"")


async def test_streams_are_made_once_and_then_found(connection: Connection) -> None:
    await ensure_streams(connection, shards=2)
    names = (await connection.api("STREAM.NAMES"))["streams"]
    assert set(names) == {"EVENTS_0_0", "EVENTS_0_1", *BUS_STREAMS}
    await asyncio.gather(*(ensure_streams(connection, shards=2) for _ in range(5)))
    assert (await connection.api("STREAM.NAMES"))["streams"] == names


async def test_events_cannot_be_deleted_or_purged(connection: Connection) -> None:
    await ensure_streams(connection)
    await connection.request("evt.0.acme.run.r1.1.Happened", b"{}")
    with pytest.raises(ApiRefused):
        await connection.api("STREAM.MSG.DELETE.EVENTS_0_0", {"seq": 1})
    with pytest.raises(ApiRefused):
        await connection.api("STREAM.PURGE.EVENTS_0_0")


@pytest.mark.parametrize(
    ("name", "config", "difference"),
    [
        ("EVENTS_0_0", {"subjects": ["evt.0.>"]}, "deny_delete is "),
        ("WAKE", {"subjects": ["wake.>"], "retention": "workqueue"}, r"subjects is \['wake\.>'\]"),
        ("ANSWERS", {"subjects": ["ans.*.*"], "max_age": 1_000_000_000}, "max_age is 1000000000"),
    ],
)
async def test_a_stream_with_other_settings_is_refused(
    connection: Connection, name: str, config: dict[str, object], difference: str
) -> None:
    await connection.api(f"STREAM.CREATE.{name}", {"name": name, **config})
    with pytest.raises(StreamDiffers, match=rf"stream {name} exists with other settings: .*{difference}"):
        await ensure_streams(connection)


async def test_commands_notice_as_soon_as_all_else_that_the_broker_has_fallen_silent(
    broker: Broker, connection: Connection
) -> None:
    security = SASLPlaintext(username="app", password="right")
    intake = CommandBroker(broker.url, security=security)
    client = await intake.connect()
    try:
        for option in ("ping_interval", "max_outstanding_pings"):
            assert client.options[option] == connection.client.options[option]
    finally:
        await intake.stop()
