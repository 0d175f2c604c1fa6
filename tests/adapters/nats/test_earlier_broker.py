"""A broker on which an earlier release worked: its streams are brought up to date, and nothing that waits is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.nats.command_client import check_served
from adapters.nats.connection import Connection
from adapters.nats.earlier_wakes import carry_over
from adapters.nats.epochs import ensure_streams
from adapters.nats.streams import BUS_STREAMS, EARLIER_SETTINGS, StreamDiffers
from adapters.nats.wakes import JetStreamWakes
from adapters.system.clock import SystemClock
from commands.ports import Wake
from domain.kernel.ids import StreamId
from domain.kernel.values import format_time
from infra.stack.broker import Credential, authorization
from infra.stack.stack import embedded
from tests.adapters.nats.broker import Broker
from tests.adapters.nats.commanding import PRINCIPAL, serving, submit, until
from tests.conftest import settings_for

CLOCK = SystemClock()
SERVICES = ("precedent", "5ervice5")
KEEPER = ("keeper", "k33per")


@pytest.fixture
def broker_settings() -> str:
    return authorization(Credential("test", *SERVICES), KEEPER)


@pytest.fixture
async def as_service(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="worker", user=SERVICES[0], password=SERVICES[1])
    yield connection
    await connection.close()


@pytest.fixture
async def as_keeper(broker: Broker) -> AsyncIterator[Connection]:
    connection = await Connection.open(broker.url, name="keeper", user=KEEPER[0], password=KEEPER[1])
    yield connection
    await connection.close()


@pytest.fixture
async def earlier(as_service: Connection) -> None:
    """The streams and consumers of a release in which all tenants' workers shared."""
    for name, settings in BUS_STREAMS.items():
        config = {"name": name, **settings, **EARLIER_SETTINGS.get(name, {})}
        await as_service.api(f"STREAM.CREATE.{name}", config)
    shared = {"ack_policy": "explicit", "max_deliver": -1, "max_ack_pending": -1}
    for stream, consumer, subject in (("WAKE", "drivers", "wake.*.*"), ("COMMANDS", "commands", "cmd.*.*.*.*")):
        config = {"durable_name": consumer, "filter_subject": subject, "ack_wait": 1_000_000_000, **shared}
        request = {"stream_name": stream, "config": config}
        await as_service.api(f"CONSUMER.DURABLE.CREATE.{stream}.{consumer}", request)


async def queue_earlier(connection: Connection, tenant: str, run: str, seconds: float | None = None) -> None:
    """As an earlier release sends a wake, or a timer."""
    body = json.dumps({"tenant": tenant, "category": "run", "id": run, "reason": "submitted"}).encode()
    subject = f"wake.0.{run}"
    if seconds is None:
        await connection.request(subject, body)
        return
    due = CLOCK.now() + timedelta(seconds=seconds)
    client = connection.client
    headers = {"Nats-Schedule": f"@at {format_time(due)}", "Nats-Schedule-Target": subject}
    await client.publish(f"{subject}.at.{int(due.timestamp() * 1_000_000)}", body, headers=headers)
    await client.flush()


async def settings_of(connection: Connection) -> dict[str, Any]:
    return {name: (await connection.api(f"STREAM.INFO.{name}"))["config"] for name in BUS_STREAMS}


class TestStreams:
    async def test_the_keeper_brings_them_up_to_date(self, earlier: None, as_keeper: Connection) -> None:
        await ensure_streams(as_keeper)
        found = await settings_of(as_keeper)
        for name, settings in BUS_STREAMS.items():
            assert {setting: found[name].get(setting, False) for setting in settings} == settings
        assert (await as_keeper.api("CONSUMER.NAMES.COMMANDS"))["consumers"] in (None, [])
        await ensure_streams(as_keeper)
        assert await settings_of(as_keeper) == found

    async def test_others_wait_for_the_keeper(
        self, earlier: None, as_service: Connection, as_keeper: Connection
    ) -> None:
        waiting = asyncio.create_task(ensure_streams(as_service))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await ensure_streams(as_keeper)
        await waiting

    async def test_without_a_keeper_it_is_said_who_must_come(
        self, earlier: None, as_service: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("adapters.nats.streams.RENEWED_WITHIN", 0.5)
        with pytest.raises(StreamDiffers, match=r"of an earlier release, .* start the ledger of this release"):
            await ensure_streams(as_service)

    @pytest.mark.parametrize("setting", [{"max_bytes": 4096}, {"max_age": 1_000_000_000}, {"max_msgs": 7}], ids=str)
    async def test_settings_of_no_release_are_refused_and_left(
        self, as_keeper: Connection, setting: dict[str, Any]
    ) -> None:
        config = {**BUS_STREAMS["WAKE"], **EARLIER_SETTINGS["WAKE"], **setting}
        await as_keeper.api("STREAM.CREATE.WAKE", {"name": "WAKE", **config})
        before = (await as_keeper.api("STREAM.INFO.WAKE"))["config"]
        with pytest.raises(StreamDiffers, match="stream WAKE exists with other settings"):
            await ensure_streams(as_keeper)
        assert (await as_keeper.api("STREAM.INFO.WAKE"))["config"] == before


class TestWakes:
    async def test_wakes_and_timers_that_wait_reach_their_tenants_workers(
        self, earlier: None, as_service: Connection, as_keeper: Connection
    ) -> None:
        for tenant in ("acme", "globex"):
            await queue_earlier(as_service, tenant, f"{tenant}-queued")
            await queue_earlier(as_service, tenant, f"{tenant}-asleep", 4.0)
        await queue_earlier(as_service, "acme", "acme-broken-off")
        await ensure_streams(as_keeper)
        queues = [await JetStreamWakes.open(as_service, CLOCK, tenant) for tenant in ("acme", "globex")]
        carrying = [asyncio.create_task(carry_over(as_service, CLOCK, queue)) for queue in queues]
        acme, globex = [await self.collected(queue, count) for queue, count in zip(queues, (3, 2), strict=True)]
        assert sorted(each.run.id for each in acme) == ["acme-asleep", "acme-broken-off", "acme-queued"]
        assert sorted(each.run.id for each in globex) == ["globex-asleep", "globex-queued"]
        assert {each.run.tenant for each in acme} == {"acme"}
        async with asyncio.timeout(60):
            await asyncio.gather(*carrying)  # both see in the end that nothing is left
        assert (await as_service.api("STREAM.INFO.WAKE"))["state"]["messages"] == 0

    async def collected(self, queue: JetStreamWakes, count: int) -> list[Wake]:
        found: list[Wake] = []
        async with asyncio.timeout(40):
            while len(found) < count:
                for held in await queue.receive(10, 1.0):
                    found.append(held.wake)
                    await held.settle()
        return found

    async def test_workers_of_an_earlier_release_go_on_beside_the_new_ones(
        self, earlier: None, as_service: Connection, as_keeper: Connection
    ) -> None:
        await ensure_streams(as_keeper)
        new = await JetStreamWakes.open(as_service, CLOCK, "acme")
        old = await JetStreamWakes.open(as_service, CLOCK, None)
        await queue_earlier(as_service, "acme", "of-the-old")
        await new.send(Wake(StreamId("acme", "run", "of-the-new"), "submitted"))
        assert [each.run.id for each in await self.collected(old, 1)] == ["of-the-old"]
        assert [each.run.id for each in await self.collected(new, 1)] == ["of-the-new"]

    async def test_a_new_broker_has_nothing_to_carry_over(self, as_service: Connection) -> None:
        await ensure_streams(as_service)
        queue = await JetStreamWakes.open(as_service, CLOCK, "acme")
        await carry_over(as_service, CLOCK, queue)
        assert (await as_service.api("CONSUMER.NAMES.WAKE"))["consumers"] == ["drivers-acme"]


class TestCommands:
    async def test_commands_that_wait_reach_their_tenants_workers(self, data_directory: Path) -> None:
        """Beside a consumer of all commands, the broker lets no tenant have its own."""
        async with embedded(settings_for(data_directory, "flush")) as stack:
            connection = await Connection.open(
                stack.nats_url, name="tests", user=stack.nats_user, password=stack.nats_password
            )
            await ensure_streams(connection)
            config = {"durable_name": "commands", "filter_subject": "cmd.*.*.*.*", "ack_policy": "explicit"}
            request = {"stream_name": "COMMANDS", "config": config}
            await connection.api("CONSUMER.DURABLE.CREATE.COMMANDS.commands", request)
            for tenant in ("acme", "globex"):
                body = json.dumps(submit(f"{tenant}-waits", tenant)).encode()
                await connection.request(f"cmd.{tenant}.{PRINCIPAL}.run.SubmitRun", body)
            await check_served(connection, "acme")
            async with serving(stack, "acme") as acme, serving(stack, "globex") as globex:
                for bus in (acme, globex):
                    assert await until(partial(bus.events, f"{bus.tenant}-waits")) == ["RunSubmitted"]
                    await bus.still_serves()
            names = (await connection.api("CONSUMER.NAMES.COMMANDS"))["consumers"]
            assert sorted(names) == ["commands-acme", "commands-globex"]
            await connection.close()
