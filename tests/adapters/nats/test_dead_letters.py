"""Dead letters on the real broker: kept with their reason, listed in order, sent again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.nats.connection import Connection
from adapters.nats.dead_letters import DeadLetter, DeadLetterCut, bury, dead_letters, exhume, retry
from adapters.nats.epochs import ensure_streams
from domain.kernel.errors import NotFound
from tests.adapters.nats.broker import Broker

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
ORIGIN = "cmd.acme.alice.run.SubmitRun"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    """A broker of its own, whose messages are as large as a server's own default allows."""
    broker = Broker(tmp_path)
    await broker.start()
    connection = await Connection.open(broker.url, name="tests")
    await ensure_streams(connection)
    yield connection
    await connection.close()
    await broker.kill()


async def listed(connection: Connection) -> list[DeadLetter]:
    return [letter async for letter in dead_letters(connection)]


async def commands(connection: Connection) -> int:
    return int((await connection.api("STREAM.INFO.COMMANDS"))["state"]["messages"])


async def test_without_dead_letters_none_are_listed(connection: Connection) -> None:
    assert await listed(connection) == []


async def test_a_letter_is_kept_whole(connection: Connection) -> None:
    payload = bytes(range(256))
    await bury(connection, ORIGIN, payload, "command.unreadable: ä “reason”\nwith two lines", NOW)
    (letter,) = await listed(connection)
    assert letter == DeadLetter(
        sequence=1,
        origin=ORIGIN,
        time="2026-11-21T08:30:00.000000Z",
        reason="command.unreadable: ä “reason”\nwith two lines",
        payload=payload,
        size=256,
    )
    assert await exhume(connection, 1) == letter


async def test_letters_are_listed_in_order_and_gaps_are_passed_over(connection: Connection) -> None:
    for number in range(5):
        await bury(connection, ORIGIN if number % 2 else "wake.0.r1", b"%d" % number, "why", NOW)
    await retry(connection, await exhume(connection, 1))
    await retry(connection, await exhume(connection, 3))
    assert [(letter.sequence, letter.payload) for letter in await listed(connection)] == [
        (2, b"1"),
        (4, b"3"),
        (5, b"4"),
    ]


async def test_one_that_does_not_exist_is_not_found(connection: Connection) -> None:
    await bury(connection, ORIGIN, b"", "why", NOW)
    for sequence in (2, 10**9):
        with pytest.raises(NotFound, match="precedent dead ls"):
            await exhume(connection, sequence)


async def test_retry_sends_it_to_where_it_was_sent_and_forgets_it(connection: Connection) -> None:
    await bury(connection, ORIGIN, b"{}", "why", NOW)
    await retry(connection, await exhume(connection, 1))
    assert await listed(connection) == []
    assert await commands(connection) == 1
    found = await connection.api("STREAM.MSG.GET.COMMANDS", {"seq": 1})
    assert (found["message"]["subject"], found["message"]["data"]) == (ORIGIN, "e30=")


async def test_what_is_too_large_for_one_message_is_kept_in_part(connection: Connection) -> None:
    largest = connection.client.max_payload
    payload = b"0123456789" * (largest // 10)
    await bury(connection, ORIGIN, payload, "too large", NOW)
    (letter,) = await listed(connection)
    assert letter.size == len(payload)
    assert payload.startswith(letter.payload)
    assert len(letter.payload) > largest // 2
    with pytest.raises(DeadLetterCut):
        await retry(connection, letter)
    assert await listed(connection) == [letter], "it stays to be looked at"
    assert await commands(connection) == 0


async def test_hostile_origins_and_reasons_are_kept_readable(connection: Connection) -> None:
    await bury(connection, "cmd.acme.\udcff.run.X", b"", "a lone surrogate \ud800, " + "x" * 5_000_000, NOW)
    (letter,) = await listed(connection)
    assert letter.origin == "cmd.acme.\\udcff.run.X"
    assert letter.reason.startswith("a lone surrogate \\ud800, xxx")
    assert "5000020 characters" in letter.reason


async def test_many_letters(connection: Connection) -> None:
    await asyncio.gather(*(bury(connection, ORIGIN, b"%d" % number, "why", NOW) for number in range(200)))
    assert {letter.payload for letter in await listed(connection)} == {b"%d" % number for number in range(200)}
