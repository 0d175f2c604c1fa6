import asyncio
from pathlib import Path

import pytest

from adapters.memory.clock import ManualClock
from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.nats.connection import Connection
from adapters.nats.publishing import publish
from adapters.nats.streams import CACHE_BUCKET, ensure_bus
from commands.indexes import Dropped
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from tests.adapters.nats.broker import Broker
from tests.contracts.cache_tier import FilledTierContract, key_of
from tests.domain.cache.entries import KEY


@pytest.fixture
def tier(connection: Connection) -> JetStreamCacheTier:
    return JetStreamCacheTier(connection, ManualClock())


class TestJetStreamCacheTier(FilledTierContract):
    @pytest.mark.parametrize("payload", [b"{", b"[]", b"null", b'{"tenant": "t"}', b"\x00\xff", b"x" * 200_000])
    async def test_what_is_no_entry_is_told_as_such(
        self, tier: JetStreamCacheTier, connection: Connection, tenant: str, payload: bytes
    ) -> None:
        subject = f"$KV.{CACHE_BUCKET}.{tenant}.default.L2.{KEY.id}"
        await publish(connection, subject, payload, {})
        with pytest.raises(StoredDataInvalid):
            await tier.get(tenant, KEY)

    async def test_an_entry_leaves_when_it_expires(self, tier: JetStreamCacheTier, tenant: str) -> None:
        await self.fill(tier, self.of(tenant, lasts=1, volatility="fast"), self.of(tenant, key_of("v2"), lasts=-1))
        assert await tier.get(tenant, KEY) is not None
        assert await tier.get(tenant, key_of("v2")) is None, "it had expired before"
        async with asyncio.timeout(10):
            while await tier.get(tenant, KEY) is not None:  # noqa: ASYNC110  # the broker tells nobody
                await asyncio.sleep(0.05)

    async def test_what_a_tag_names_stays(self, tier: JetStreamCacheTier, tenant: str) -> None:
        await self.fill(tier, self.of(tenant, tags=("crm",)))
        await tier.drop(Dropped(tenant, namespace="default", tag="crm"))
        assert await tier.get(tenant, KEY) is not None


async def test_a_broker_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    await broker.start()
    connection = await Connection.open(broker.url, name="t")
    try:
        await ensure_bus(connection)
        tier = JetStreamCacheTier(connection, ManualClock())
        contract = TestJetStreamCacheTier()
        await tier.put(contract.of("acme"))
        await broker.kill()
        with pytest.raises(ServiceUnreachable):
            await tier.get("acme", KEY)
        await broker.restart()
        await connection.up(10)
        await ensure_bus(connection)
        assert await tier.get("acme", KEY) is None, "it was in the broker's memory"
    finally:
        await connection.close()
        await broker.kill()
