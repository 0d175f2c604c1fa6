"""What every tier of the cache does. Subclass it and give a `tier` fixture; tenants keep tests apart."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest

from commands.indexes import CacheTier, Dropped
from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.errors import PrecedentError
from domain.kernel.values import format_time
from tests.domain.cache.entries import KEY, NOW, entry, held

VALUES: list[Any] = [
    {"result": None},
    {"result": {"$float": "-0.0"}},
    {"result": [1, 2.5, True, "é \U0001f92f \u202e", {"a": {"b": []}}]},
    {"result": "nul \0 and ␀"},
    {"error": {"type": "m.overflow", "message": "too large"}},
    {"text": "(+ 1 2)", "served_model": "m", "prompt_tokens": 1, "completion_tokens": 2},
]


def key_of(version: str, **changed: Any) -> CacheKey:
    return replace(KEY, version=version, **changed)


class CacheTierContract:
    @pytest.fixture
    def tenant(self) -> str:
        return f"t{uuid.uuid4().hex[:12]}"

    def of(self, tenant: str, key: CacheKey = KEY, value: Any = None, **more: Any) -> Held:
        return replace(held(entry(value, key=key, **more)), tenant=tenant)

    async def fill(self, tier: CacheTier, *entries: Held) -> None:
        for each in entries:
            await tier.put(each)

    async def test_what_nobody_put_is_none(self, tier: CacheTier, tenant: str) -> None:
        assert await tier.get(tenant, KEY) is None

    @pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
    async def test_an_entry_is_given_as_it_was(self, tier: CacheTier, tenant: str, value: Any) -> None:
        wanted = self.of(tenant, value=value, tags=("a", "b"), depends=("tool:m.double@1",))
        await self.fill(tier, wanted)
        found = await tier.get(tenant, KEY)
        assert found is not None
        assert (found.tenant, found.published) == (wanted.tenant, wanted.published)

    async def test_keys_and_tenants_are_apart(self, tier: CacheTier, tenant: str) -> None:
        other = f"{tenant}-b"
        keys = [KEY, key_of("v2"), replace(KEY, namespace="other"), replace(KEY, kind="model")]
        await self.fill(tier, *(self.of(tenant, key, {"result": n}) for n, key in enumerate(keys)))
        await self.fill(tier, self.of(other, KEY, {"result": "theirs"}))
        for number, key in enumerate(keys):
            found = await tier.get(tenant, key)
            assert found is not None
            assert found.published.value == {"result": number}
        theirs = await tier.get(other, KEY)
        assert theirs is not None
        assert theirs.published.value == {"result": "theirs"}
        assert await tier.get(other, keys[1]) is None

    async def test_a_newer_answer_takes_the_place_of_an_older_one(self, tier: CacheTier, tenant: str) -> None:
        await self.fill(tier, self.of(tenant, value={"result": 1}))
        newer = self.of(tenant, value={"result": 2})
        await self.fill(tier, replace(newer, position=replace(newer.position, sequence=11), time=format_time(NOW)))
        found = await tier.get(tenant, KEY)
        assert found is not None
        assert found.published.value == {"result": 2}

    async def test_many_are_put_and_found_at_once(self, tier: CacheTier, tenant: str) -> None:
        keys = [key_of(f"v{number}") for number in range(200)]
        await asyncio.gather(*(self.fill(tier, self.of(tenant, key, {"result": key.version})) for key in keys))
        found = await asyncio.gather(*(tier.get(tenant, key) for key in keys))
        assert [each and each.published.value["result"] for each in found] == [key.version for key in keys]

    @pytest.mark.parametrize("name", ["", "*", ">", "a.b", "a b", "x" * 65, "ä", "a\r\nb"])
    async def test_hostile_tenants_find_nothing(self, tier: CacheTier, tenant: str, name: str) -> None:
        await self.fill(tier, self.of(tenant))
        try:
            assert await tier.get(name, KEY) is None
        except PrecedentError as error:
            assert error.code == "name.invalid"  # noqa: PT017  # either is right


class FilledTierContract(CacheTierContract):
    """Of tiers that a process fills and clears itself."""

    async def test_one_entry_is_dropped(self, tier: CacheTier, tenant: str) -> None:
        other = key_of("v2")
        await self.fill(tier, self.of(tenant), self.of(tenant, other), self.of(f"{tenant}-b"))
        await tier.drop(Dropped(tenant, entry=KEY.id))
        assert await tier.get(tenant, KEY) is None
        assert await tier.get(tenant, other) is not None
        assert await tier.get(f"{tenant}-b", KEY) is not None

    async def test_a_namespace_or_a_level_of_it_is_dropped(self, tier: CacheTier, tenant: str) -> None:
        keys = [KEY, replace(KEY, level="L3"), replace(KEY, namespace="other")]
        await self.fill(tier, *(self.of(tenant, key) for key in keys))
        await tier.drop(Dropped(tenant, namespace="default", level="L3"))
        assert [await tier.get(tenant, key) is None for key in keys] == [False, True, False]
        await tier.drop(Dropped(tenant, namespace="default"))
        assert [await tier.get(tenant, key) is None for key in keys] == [True, True, False]

    async def test_dropping_what_is_not_there_is_no_error(self, tier: CacheTier, tenant: str) -> None:
        await tier.drop(Dropped(tenant, entry=KEY.id))
        await tier.drop(Dropped(tenant, namespace="default", tag="x"))

    async def test_what_is_too_large_is_left_out(self, tier: CacheTier, tenant: str) -> None:
        huge = self.of(tenant, value={"result": "x" * 5_000_000})
        await self.fill(tier, replace(huge, size=5_000_000))
        assert await tier.get(tenant, KEY) is None
