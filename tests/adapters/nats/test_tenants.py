"""Tenants whose workers share one broker: each takes its own commands, wakes and timers, and never another's."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.nats.command_client import AnswerOverdue, CommandClient, TenantUnserved, check_served
from adapters.nats.connection import Connection, NotPermitted
from adapters.nats.dead_letters import dead_letters
from adapters.nats.earlier_wakes import carry_over
from adapters.nats.epochs import ensure_streams
from adapters.nats.flights import JetStreamFlights
from adapters.nats.wakes import JetStreamWakes, unsettled
from adapters.postgres.database import PostgresDatabase
from adapters.system.clock import SystemClock
from commands.ports import Wake
from commands.runs.pool import DriverPool
from domain.kernel.ids import START, HostileName, StreamId
from infra.stack.endpoints import Endpoints
from infra.stack.stack import embedded
from projections.builds import prepare
from projections.catalog import PROJECTIONS
from projections.runner import Runner
from tests.adapters.nats.broker import Broker
from tests.adapters.nats.commanding import PRINCIPAL, Bus, serving, submit, until
from tests.conftest import settings_for

CLOCK = SystemClock()
DEPLOYING = Path(__file__).parents[3] / "docs" / "deploy.md"
SLEEPY = {
    "goal": "Sleep",
    "tools": ["timer.sleep"],
    "output": ":int",
    "plan": "(do (call :timer.sleep {:seconds 1}) 7)",
}


def wake(tenant: str, run: str) -> Wake:
    return Wake(StreamId(tenant, "run", run), "submitted")


async def taken(wakes: JetStreamWakes, wait: float = 0.5) -> list[Wake]:
    """Everything that comes, settled."""
    found = []
    while held := await wakes.receive(10, wait):
        for each in held:
            found.append(each.wake)
            await each.settle()
    return found


class TestWakes:
    @pytest.fixture
    async def connection(self, broker: Broker) -> AsyncIterator[Connection]:
        connection = await Connection.open(broker.url, name="tests")
        await ensure_streams(connection)
        yield connection
        await connection.close()

    @asynccontextmanager
    async def queues(self, connection: Connection, *tenants: str) -> AsyncIterator[list[JetStreamWakes]]:
        opened = [await JetStreamWakes.open(connection, CLOCK, tenant) for tenant in tenants]
        yield opened
        for each in opened:
            each.close()

    async def test_a_worker_receives_the_wakes_of_its_tenant(self, connection: Connection) -> None:
        async with self.queues(connection, "acme", "globex") as (acme, globex):
            for number in range(30):
                await acme.send(wake("globex" if number % 3 else "acme", f"r{number}"))
            assert await taken(globex) == [wake("globex", f"r{number}") for number in range(30) if number % 3]
            assert await taken(acme) == [wake("acme", f"r{number}") for number in range(0, 30, 3)]

    async def test_a_worker_receives_the_timers_of_its_tenant(self, connection: Connection) -> None:
        async with self.queues(connection, "acme", "globex") as (acme, globex):
            due = CLOCK.now() + timedelta(seconds=1)
            for tenant in ("acme", "globex"):
                await acme.send(wake(tenant, "same-name"), due=due)
            assert await taken(globex, 5.0) == [wake("globex", "same-name")]
            assert await taken(acme) == [wake("acme", "same-name")]

    async def test_what_one_tenants_worker_puts_back_or_forgets_stays_that_tenants(
        self, connection: Connection
    ) -> None:
        async with self.queues(connection, "acme", "globex") as (acme, globex):
            for run in ("put-back", "forgotten"):
                await globex.send(wake("acme", run))
            put_back, _ = await acme.receive(2, 5.0)
            await put_back.put_back(0.1)
            assert await taken(globex, 7.0) == []
            assert {each.run.id for each in await taken(acme)} == {"put-back", "forgotten"}

    async def test_workers_of_one_tenant_share(self, connection: Connection) -> None:
        async with self.queues(connection, "acme", "acme", "globex") as (first, second, other):
            for number in range(40):
                await other.send(wake("acme", f"r{number}"))
            mine, yours, none = await asyncio.gather(taken(first), taken(second), taken(other))
            assert sorted(each.run.id for each in mine + yours) == sorted(f"r{number}" for number in range(40))
            assert none == []

    async def test_what_is_left_is_known_until_it_is_settled(self, connection: Connection) -> None:
        async with self.queues(connection, "acme", "globex") as (acme, globex):
            for run in ("r1", "r2"):
                await globex.send(wake("acme", run))
            (held,) = await acme.receive(1, 5.0)
            assert (await unsettled(connection, "acme"), await unsettled(connection, "globex")) == (2, 0)
            await held.settle()
            assert await taken(acme) == [wake("acme", "r2")]
            await until(partial(self.is_idle, connection))

    async def is_idle(self, connection: Connection) -> bool:
        return await unsettled(connection, "acme") == 0

    async def test_a_tenant_whose_name_begins_like_anothers(self, connection: Connection) -> None:
        async with self.queues(connection, "a", "a-b", "0") as (short, long, digit):
            for tenant in ("a", "a-b", "0"):
                await short.send(wake(tenant, tenant))
            assert await taken(long) == [wake("a-b", "a-b")]
            assert await taken(digit) == [wake("0", "0")]
            assert await taken(short) == [wake("a", "a")]

    async def test_a_wake_that_names_another_tenant_than_its_subject_is_buried(self, connection: Connection) -> None:
        async with self.queues(connection, "acme", "globex") as (acme, globex):
            body = {"tenant": "globex", "category": "run", "id": "r1", "reason": "submitted"}
            await connection.request("wake.0.acme.r1", json.dumps(body).encode())
            assert await taken(acme) == await taken(globex) == []
            (letter,) = [letter async for letter in dead_letters(connection)]
            assert letter.origin == "wake.0.acme.r1"
            assert "it is for tenant globex" in letter.reason

    @pytest.mark.parametrize("tenant", ["*", ">", "", "a.b", "x" * 65, "ä"])
    async def test_a_tenant_that_is_no_name_shares_nothing(self, connection: Connection, tenant: str) -> None:
        with pytest.raises(HostileName, match=r"tenant .* is refused"):
            await JetStreamWakes.open(connection, CLOCK, tenant)
        assert (await connection.api("CONSUMER.NAMES.WAKE"))["consumers"] in (None, [])


class TestBroker:
    """A broker that lets an account speak for one tenant only."""

    def permissions(self, tenant: str) -> str:
        """Those that docs/deploy.md gives."""
        (shown,) = re.findall(r"^publish: .*?^\]\}$", DEPLOYING.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        return str(shown).replace("acme", tenant)

    @pytest.fixture
    def broker_settings(self) -> str:
        users = [
            f"{{user: {tenant}, password: {tenant}, permissions: {{ {self.permissions(tenant)} }}}}"
            for tenant in ("acme", "globex")
        ]
        accounts = "\n".join(["{user: keeper, password: keeper}", *users])
        return f"max_payload: 8MB\nauthorization {{ users: [\n{accounts}\n] }}"

    async def test_a_worker_with_an_account_of_one_tenant_serves_it(
        self, broker: Broker, stack: Endpoints, caplog: pytest.LogCaptureFixture
    ) -> None:
        keeper = await Connection.open(broker.url, name="keeper", user="keeper", password="keeper")
        await ensure_streams(keeper)
        await keeper.close()
        account = replace(stack, nats_url=broker.url, nats_user="acme", nats_password="acme", nats_keeper=None)
        async with serving(account, "acme") as bus:
            assert (await bus.submit("c1")).outcome == "accepted"
            assert (await bus.submit("c2", data={})).outcome == "invalid"
            services = bus.side.services
            async with driving(bus):
                assert (await ended(bus, "c1"))[-1].short_name == "RunCompleted"
            assert sum([len(events) async for events in services.store.read(START)]) == len(await bus.events("c1"))
            flight = await JetStreamFlights(bus.side.connection).begin("acme", "one")
            assert flight is not None
            await flight.land()
            async with asyncio.timeout(10):
                await carry_over(bus.side.connection, CLOCK, services.wakes)
        (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert "are left to the sweeper: " in warning
        assert "may not publish $JS.API.STREAM.MSG.GET.WAKE" in warning

    async def test_an_account_of_one_tenant_drives_its_runs_and_cannot_take_anothers_wakes(
        self, broker: Broker
    ) -> None:
        async with AsyncExitStack() as stack:
            opened = {}
            for user in ("keeper", "acme", "globex"):
                opened[user] = await Connection.open(broker.url, name=user, user=user, password=user)
                stack.push_async_callback(opened[user].close)
            await ensure_streams(opened["keeper"])
            acme = await JetStreamWakes.open(opened["acme"], CLOCK, "acme")
            globex = await JetStreamWakes.open(opened["globex"], CLOCK, "globex")
            await acme.send(wake("acme", "r1"))
            assert await taken(acme) == [wake("acme", "r1")]
            with pytest.raises(NotPermitted, match=r"may not publish wake\.0\.globex\.r1"):
                await acme.send(wake("globex", "r1"))
            with pytest.raises(NotPermitted, match=r"CONSUMER\.DURABLE\.CREATE\.WAKE\.drivers-globex"):
                await JetStreamWakes.open(opened["acme"], CLOCK, "globex")
            assert await taken(globex) == []


@pytest.fixture
async def two(stack: Endpoints) -> AsyncIterator[list[Bus]]:
    async with AsyncExitStack() as opened:
        names = [f"{name}-{uuid.uuid4().hex[:8]}" for name in ("acme", "globex")]
        yield [await opened.enter_async_context(serving(stack, name)) for name in names]


@asynccontextmanager
async def driving(*buses: Bus) -> AsyncIterator[list[DriverPool]]:
    """Workers that drive their tenants' runs."""
    pools = [DriverPool(bus.side.services, f"{bus.tenant}/1", 8) for bus in buses]
    tasks = [asyncio.create_task(pool.work()) for pool in pools]
    yield pools
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ended(bus: Bus, run: str) -> list[Any]:
    """The run's events, once it has ended."""

    async def look() -> list[Any]:
        events = (await bus.side.services.store.load(StreamId(bus.tenant, "run", run))).events
        return list(events) if events and events[-1].short_name in {"RunCompleted", "RunFailed"} else []

    return list(await until(look, 30.0))


class TestCommands:
    async def test_each_tenants_worker_answers_its_commands_and_denies_none(self, two: list[Bus]) -> None:
        sending = [bus.submit(f"c{number}") for number in range(25) for bus in two]
        assert {answer.outcome for answer in await asyncio.gather(*sending)} == {"accepted"}
        for bus in two:
            for number in range(25):
                assert await bus.events(f"c{number}") == ["RunSubmitted"]
            assert await bus.buried() == []

    async def test_a_command_of_a_tenant_without_a_worker_waits_for_one(
        self, two: list[Bus], stack: Endpoints, connection: Connection
    ) -> None:
        tenant = f"late-{uuid.uuid4().hex[:8]}"
        with pytest.raises(TenantUnserved, match=f"no worker takes the commands of tenant '{tenant}'"):
            await check_served(connection, tenant)
        async with CommandClient(connection, tenant, PRINCIPAL) as client:
            with pytest.raises(AnswerOverdue):
                await client.send_bytes("run.SubmitRun", json.dumps(submit("c1", tenant)).encode(), within=1.0)
        async with serving(stack, tenant) as bus:
            assert await until(lambda: bus.events("c1")) == ["RunSubmitted"]
            await check_served(connection, tenant)
            assert await bus.buried() == []


class TestRuns:
    async def test_each_run_is_driven_by_a_worker_of_its_tenant(self, two: list[Bus]) -> None:
        async with driving(*two):
            for number in range(8):
                for bus in two:
                    await bus.submit(f"r{number}", data={"task": SLEEPY} if number % 4 == 0 else submit("", "")["data"])
            for number in range(8):
                for bus in two:
                    events = await ended(bus, f"r{number}")
                    assert events[-1].short_name == "RunCompleted"
                    claims = {event.data["worker"] for event in events if event.short_name == "RunClaimed"}
                    assert claims == {f"{bus.tenant}/1"}
        for bus in two:
            assert [letter async for letter in dead_letters(bus.side.connection) if bus.tenant in str(letter)] == []

    async def test_a_sweeper_wakes_runs_of_its_tenant(self, data_directory: Path) -> None:
        """A tenant without a sweeper keeps its lost runs: another tenant's does not touch them."""
        async with AsyncExitStack() as opened:
            stack = await opened.enter_async_context(embedded(settings_for(data_directory, "flush")))
            mine, other = [await opened.enter_async_context(serving(stack, name)) for name in ("acme", "globex")]
            database = await opened.enter_async_context(PostgresDatabase.at(stack.database_url))
            await prepare(database, PROJECTIONS.values())
            for bus in (mine, other):
                await bus.submit("lost")
                for held in await bus.side.services.wakes.receive(10, 5.0):
                    await held.settle()  # and nobody drives it
            projecting = asyncio.create_task(Runner(mine.side.services.store, database, [*PROJECTIONS.values()]).run())
            opened.callback(projecting.cancel)
            pool = DriverPool(mine.side.services, "acme/1", 8)

            async def swept() -> list[Wake]:
                await pool.sweep()
                return [held.wake for held in await mine.side.services.wakes.receive(10, 0.5)]

            found = await until(swept, 60.0)
            assert [each.run for each in found] == [StreamId("acme", "run", "lost")]
            assert await other.side.services.wakes.receive(10, 0.5) == []
