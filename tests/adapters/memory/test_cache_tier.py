from dataclasses import replace

import pytest

from adapters.memory.cache_tier import OVERHEAD, MemoryCacheTier
from commands.indexes import Dropped
from tests.contracts.cache_tier import FilledTierContract, key_of
from tests.domain.cache.entries import KEY, entry, held


@pytest.fixture
def tier() -> MemoryCacheTier:
    return MemoryCacheTier(most_bytes=8_000_000)


class TestMemoryCacheTier(FilledTierContract):
    async def test_what_was_used_longest_ago_gives_way(self) -> None:
        tier = MemoryCacheTier(most_entries=3)
        keys = [key_of(f"v{number}") for number in range(4)]
        await self.fill(tier, *(self.of("acme", key) for key in keys[:3]))
        await tier.get("acme", keys[0])
        await self.fill(tier, self.of("acme", keys[3]))
        assert [await tier.get("acme", key) is None for key in keys] == [False, True, False, False]
        assert (len(tier), tier.given_up) == (3, 1)

    async def test_its_bytes_are_bounded_and_counted(self) -> None:
        tier = MemoryCacheTier(most_bytes=10 * (200 + OVERHEAD))
        await self.fill(tier, *(self.of("acme", key_of(f"v{number}")) for number in range(30)))
        assert (len(tier), tier.bytes) == (10, 10 * (200 + OVERHEAD))
        tier.resize(most_bytes=5 * (200 + OVERHEAD), most_entries=100)
        assert (len(tier), tier.bytes) == (5, 5 * (200 + OVERHEAD))
        await tier.drop(Dropped("acme", namespace="default"))
        assert (len(tier), tier.bytes) == (0, 0)

    async def test_an_older_answer_does_not_take_the_place_of_a_newer_one(self) -> None:
        tier = MemoryCacheTier()
        await tier.put(held(entry({"result": 2}), sequence=20))
        await tier.put(held(entry({"result": 1}), sequence=10))
        found = await tier.get("acme", KEY)
        assert found is not None
        assert found.published.value == {"result": 2}

    async def test_tags_and_dependencies_are_found(self) -> None:
        tier = MemoryCacheTier()
        await self.fill(tier, self.of("acme", tags=("crm",)), self.of("acme", key_of("v2"), depends=("data:crm",)))
        await tier.drop(Dropped("acme", namespace="default", depends="data:crm"))
        assert len(tier) == 1
        await tier.drop(Dropped("acme", namespace="default", tag="crm"))
        assert len(tier) == 0

    async def test_one_entry_cannot_take_all(self) -> None:
        tier = MemoryCacheTier(most_bytes=100_000)
        await self.fill(tier, self.of("acme", key_of("v1")))
        await tier.put(replace(self.of("acme", key_of("v2")), size=50_000))
        assert len(tier) == 1
