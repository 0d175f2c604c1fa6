"""Content store in a bucket of any S3 server: one object a blob, named by its digest, apart by tenant.

``<prefix>/<tenant>/<first two hex digits>/<64 hex digits>``, as in a folder (``adapters.content.files``), so that
copying one into the other moves a store. Objects are only ever created, on the condition that the key is free.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar
from xml.etree.ElementTree import ParseError

from minio.datatypes import parse_list_objects

from adapters.content.address import hexadecimal
from adapters.content.s3_address import S3Address
from adapters.content.s3_credentials import Keys
from adapters.content.s3_requests import PRESENT, S3Requests, code_of
from domain.kernel.errors import NotFound, ServiceUnreachable, StoredDataInvalid
from domain.kernel.ids import token
from domain.kernel.values import digest_bytes

THREADS: Final = 16
"""Requests at the same time, and so connections; more of them wait."""

_T = TypeVar("_T")


class S3ContentStore:
    """``commands.ports.ContentStore`` in a bucket. Any number of processes may share it."""

    def __init__(self, address: S3Address, keys: Keys) -> None:
        """Use this place, which must exist. Nothing is sent yet."""
        self._requests = S3Requests(address, keys, THREADS)
        self._prefix = f"{address.prefix}/" if address.prefix else ""
        self._blob = re.compile(
            re.escape(self._prefix)
            + r"(?P<tenant>[A-Za-z0-9_-]{1,64})/(?P<start>[0-9a-f]{2})/(?P<name>(?P=start)[0-9a-f]{62})"
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    async def put(self, tenant: str, data: bytes, mediatype: str) -> str:  # noqa: ARG002  # references carry it
        """Store durably and return the digest. Raises ``StoredDataInvalid`` if other bytes stand at this address."""
        digest = digest_bytes(data)
        return await self._in_thread(partial(self._put, self._key(tenant, digest), data, digest))

    async def get(self, tenant: str, digest: str) -> bytes:
        """Return the bytes, verified. Raises ``NotFound``, ``StoredDataInvalid``, ``InvalidInput``, as files do."""
        return await self._in_thread(partial(self._get, self._key(tenant, digest), digest))

    async def listed(self) -> AsyncIterator[tuple[str, str]]:
        """Tenant and digest of every blob; other objects are left out. Raises ``ServiceUnreachable``."""
        following: str | None = ""
        while following is not None:
            keys, following = await self._in_thread(partial(self._page, following))
            for found in filter(None, map(self._blob.fullmatch, keys)):
                yield found["tenant"], f"sha256:{found['name']}"

    async def check(self) -> None:
        """See that the bucket answers to our key. Raises ``ServiceUnreachable`` with the way out."""
        await self._in_thread(partial(self._page, "", limit=1))

    def close(self) -> None:
        """End the connections. What has not begun is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._requests.close()

    def _put(self, key: str, data: bytes, digest: str) -> str:
        answer = self._requests.put_new(key, data, bytes.fromhex(hexadecimal(digest)))
        if answer.status == PRESENT:
            self._get(key, digest)  # a promise is only made for bytes that are right
        elif answer.status != HTTPStatus.OK:
            raise self._requests.refused(answer)
        elif not answer.headers.get("ETag"):
            raise self._requests.unusable(answer)
        return digest

    def _get(self, key: str, digest: str) -> bytes:
        answer = self._requests.get(key)
        if answer.status == HTTPStatus.NOT_FOUND and code_of(answer) == "NoSuchKey":
            raise NotFound(f"content {digest} is not in {self._requests.name}: there is no {key}")
        if answer.status != HTTPStatus.OK:
            raise self._requests.refused(answer)
        if digest_bytes(answer.data) != digest:
            raise StoredDataInvalid(
                f"{key} in {self._requests.name} holds {len(answer.data)} bytes that do not have the digest {digest}: "
                "the object was damaged or replaced; restore it from a backup or an earlier version of it, or delete "
                "it if its bytes can be stored again"
            )
        return answer.data

    def _page(self, following: str, limit: int = 1000) -> tuple[list[str], str | None]:
        """Keys, and the token of the page after them."""
        query = {"list-type": "2", "max-keys": str(limit), "prefix": self._prefix}
        answer = self._requests.get(None, {**query, "continuation-token": following} if following else query)
        if answer.status != HTTPStatus.OK:
            raise self._requests.refused(answer)
        try:
            objects, is_cut, token_after, _ = parse_list_objects(answer)
        except (ValueError, ParseError):
            raise self._requests.unusable(answer) from None
        if is_cut and (not token_after or token_after == following):
            raise ServiceUnreachable(f"content store {self._requests.name} lists its keys without end: look at its log")
        return [each.object_name or "" for each in objects], token_after if is_cut else None

    def _key(self, tenant: str, digest: str) -> str:
        name = hexadecimal(digest)
        return f"{self._prefix}{token(tenant, 'tenant')}/{name[:2]}/{name}"

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
