"""Queues that would grow for ever: commands that nobody takes, messages that nobody can handle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.nats.command_client import AnswerOverdue, CommandClient, QueueFull
from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.dead_letters import bury, dead_letters, exhume
from adapters.nats.streams import BUS_STREAMS, COMMANDS_BYTES, DEAD_BYTES, ensure_bus
from domain.kernel.errors import NotFound
from infra.cli.exits import UNREACHABLE, exit_code
from tests.adapters.nats.broker import Broker
from tests.adapters.nats.commanding import PRINCIPAL, submit

SMALL = 64 * 1024


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="tests")
    yield connection
    await connection.close()


@pytest.fixture
async def small(connection: Connection) -> None:
    """Our streams, but with little room, so that a test can fill them."""
    for name in ("COMMANDS", "DEAD"):
        await connection.api(f"STREAM.CREATE.{name}", {"name": name, **BUS_STREAMS[name], "max_bytes": SMALL})


async def state(connection: Connection, name: str) -> dict[str, Any]:
    return dict((await connection.api(f"STREAM.INFO.{name}"))["state"])


async def test_both_are_limited_where_streams_are_made(connection: Connection) -> None:
    await ensure_bus(connection)
    for name, room, discard in (("COMMANDS", COMMANDS_BYTES, "new"), ("DEAD", DEAD_BYTES, "old")):
        config = (await connection.api(f"STREAM.INFO.{name}"))["config"]
        assert (config["max_bytes"], config["discard"]) == (room, discard)


async def fill(client: CommandClient) -> int:
    """Send until the broker takes no more; the number of commands that it took."""
    body = json.dumps(submit("c1", "acme", data={"task": {"goal": "x" * 8000}})).encode()
    sent = 0
    while True:
        try:
            await client.send_bytes("run.SubmitRun", body, within=0.02)
        except AnswerOverdue:
            sent += 1
        except QueueFull:
            return sent


async def test_a_full_queue_tells_whoever_sends_and_loses_nothing(small: None, connection: Connection) -> None:
    async with CommandClient(connection, "acme", PRINCIPAL) as client:
        async with asyncio.timeout(30):
            sent = await fill(client)
        assert sent > 3
        with pytest.raises(QueueFull, match=r"cmd\.acme\.alice\.run\.SubmitRun was not sent: .*`precedent status`"):
            await client.send_bytes("run.SubmitRun", b"x" * 8000)
        assert (await state(connection, "COMMANDS"))["messages"] == sent
        # Somebody takes one, and there is room again.
        await connection.api("STREAM.MSG.DELETE.COMMANDS", {"seq": 1})
        with pytest.raises(AnswerOverdue):
            await client.send_bytes("run.SubmitRun", b"x" * 8000, within=0.02)
        assert (await state(connection, "COMMANDS"))["last_seq"] == sent + 1


async def test_a_command_that_can_never_have_room_is_refused_too(small: None, connection: Connection) -> None:
    async with CommandClient(connection, "acme", PRINCIPAL) as client:
        with pytest.raises(QueueFull):
            await client.send_bytes("run.SubmitRun", b"x" * (SMALL + 1))


async def test_other_refusals_keep_their_words(small: None, connection: Connection) -> None:
    config = (await connection.api("STREAM.INFO.COMMANDS"))["config"]
    await connection.api("STREAM.UPDATE.COMMANDS", {**config, "max_msg_size": 1000})
    async with CommandClient(connection, "acme", PRINCIPAL) as client:
        with pytest.raises(ApiRefused, match="message size exceeds maximum allowed"):
            await client.send_bytes("run.SubmitRun", b"x" * 2000)


def test_a_full_queue_is_a_service_that_is_not_to_be_had_now() -> None:
    assert exit_code(QueueFull.code) == UNREACHABLE


async def test_the_oldest_dead_letters_give_way(small: None, connection: Connection) -> None:
    now = datetime.now(UTC)
    for number in range(40):
        await bury(connection, "cmd.acme.alice.run.SubmitRun", b"%d" % number + b"x" * 4000, "why", now)
    letters = [letter async for letter in dead_letters(connection)]
    assert 3 < len(letters) < 40
    assert [letter.sequence for letter in letters] == list(range(41 - len(letters), 41))
    assert letters[-1].payload.startswith(b"39x")
    with pytest.raises(NotFound, match="there is no dead letter 1"):
        await exhume(connection, 1)
    assert (await state(connection, "DEAD"))["bytes"] <= SMALL


async def test_a_limit_that_comes_later_takes_no_command_away(connection: Connection) -> None:
    """What an earlier release has queued is more than the limit."""
    config = {"name": "COMMANDS", **BUS_STREAMS["COMMANDS"], "max_bytes": -1}
    await connection.api("STREAM.CREATE.COMMANDS", config)
    for _ in range(20):
        await connection.request("cmd.acme.alice.run.SubmitRun", b"x" * 8000)
    await connection.api("STREAM.UPDATE.COMMANDS", {**config, "max_bytes": SMALL})
    assert (await state(connection, "COMMANDS"))["messages"] == 20
