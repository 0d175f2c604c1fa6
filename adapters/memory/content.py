"""Content store in memory, for simulations and for runs that keep nothing."""

from adapters.content.address import hexadecimal
from domain.kernel.errors import NotFound
from domain.kernel.ids import token
from domain.kernel.values import digest_bytes


class MemoryContentStore:
    """`commands.ports.ContentStore` that lasts as long as this object."""

    def __init__(self) -> None:
        """Start empty."""
        self._blobs: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant: str, data: bytes, mediatype: str) -> str:  # noqa: ARG002  # references carry it
        """Keep the bytes and return the digest."""
        digest = digest_bytes(data)
        self._blobs[token(tenant, "tenant"), digest] = data
        return digest

    async def get(self, tenant: str, digest: str) -> bytes:
        """Return the bytes. Raises `NotFound`, or `InvalidInput` for a wrong digest."""
        hexadecimal(digest)
        try:
            return self._blobs[token(tenant, "tenant"), digest]
        except KeyError:
            raise NotFound(f"content {digest} of tenant {tenant} is not in memory") from None
