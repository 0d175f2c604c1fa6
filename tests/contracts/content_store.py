"""What every content store does. Subclass it and give a `store` fixture."""

import asyncio
import hashlib

import pytest

from commands.ports import ContentStore
from domain.kernel.errors import InvalidInput, NotFound


def address(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class ContentStoreContract:
    @pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 5000], ids=["empty", "text", "a megabyte"])
    async def test_returns_what_was_put_under_its_digest(self, store: ContentStore, data: bytes) -> None:
        digest = await store.put("acme", data, "application/octet-stream")
        assert digest == address(data)
        assert await store.get("acme", digest) == data

    async def test_the_same_bytes_again_change_nothing(self, store: ContentStore) -> None:
        first = await store.put("acme", b"twice", "text/plain")
        assert await store.put("acme", b"twice", "text/plain") == first
        assert await store.get("acme", first) == b"twice"

    async def test_many_writers_of_the_same_bytes_agree(self, store: ContentStore) -> None:
        digests = await asyncio.gather(*(store.put("acme", b"contended" * 1000, "text/plain") for _ in range(20)))
        assert set(digests) == {address(b"contended" * 1000)}
        assert await store.get("acme", digests[0]) == b"contended" * 1000

    async def test_what_was_never_put_is_not_found(self, store: ContentStore) -> None:
        with pytest.raises(NotFound, match=address(b"absent")):
            await store.get("acme", address(b"absent"))

    async def test_a_tenant_does_not_see_another_ones_content(self, store: ContentStore) -> None:
        digest = await store.put("acme", b"private", "text/plain")
        with pytest.raises(NotFound):
            await store.get("globex", digest)

    @pytest.mark.parametrize(
        "digest",
        ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "md5:" + "0" * 64, "sha256:../../etc/passwd",
         "sha256:" + "0" * 64 + "\n"],
    )  # fmt: skip
    async def test_a_malformed_address_is_refused(self, store: ContentStore, digest: str) -> None:
        with pytest.raises(InvalidInput, match="content address"):
            await store.get("acme", digest)

    @pytest.mark.parametrize("tenant", ["", "..", "a/b", "a\0b", "*", "x" * 65])
    async def test_a_hostile_tenant_is_refused(self, store: ContentStore, tenant: str) -> None:
        with pytest.raises(InvalidInput, match="tenant"):
            await store.put(tenant, b"x", "text/plain")
        with pytest.raises(InvalidInput, match="tenant"):
            await store.get(tenant, address(b"x"))
