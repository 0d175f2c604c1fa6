"""The shared tier: entries in a key-value bucket of the broker, in its memory. Losing them loses nothing."""

from __future__ import annotations

import math
from typing import Final, Literal

from adapters.nats.connection import Connection
from adapters.nats.publishing import MessageTooLarge, publish
from adapters.nats.streams import CACHE_BUCKET
from commands.cache.log import packed, unpacked
from commands.indexes import Dropped
from commands.ports import Clock
from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.ids import token
from domain.kernel.values import parse_time

LARGEST: Final = 256 * 1024
"""Bytes of an entry; a larger one is found in the database."""

WITHIN: Final = 1.0
"""Seconds for an answer: beyond, whatever the cache was to save is lost."""

ANY: Final = "*"


class JetStreamCacheTier:
    """The port on the bucket; ``ensure_bus`` makes it."""

    name: Literal["process", "shared", "database"] = "shared"

    def __init__(self, connection: Connection, clock: Clock) -> None:
        """Use this connection; the clock tells how long an entry still lasts."""
        self._connection = connection
        self._clock = clock

    async def get(self, tenant: str, key: CacheKey) -> Held | None:
        """As the port says."""
        subject = _subject(tenant, key.namespace, key.level, key.id)
        payload = await self._connection.request(f"$JS.API.DIRECT.GET.KV_{CACHE_BUCKET}.{subject}", b"", WITHIN)
        return unpacked(payload) if payload else None

    async def put(self, held: Held) -> None:
        """As the port says. It leaves by itself when it expires."""
        key, headers = held.key, {}
        if held.published.expires is not None:
            left = (parse_time(held.published.expires) - self._clock.now()).total_seconds()
            if left <= 0:
                return
            headers["Nats-TTL"] = f"{max(1, math.ceil(left))}s"
        payload = packed(held)
        if len(payload) > LARGEST:
            return
        try:
            await publish(
                self._connection, _subject(held.tenant, key.namespace, key.level, key.id), payload, headers, WITHIN
            )
        except MessageTooLarge:
            return

    async def drop(self, dropped: Dropped) -> None:
        """As the port says; what is named by a tag or a dependency stays, until it is refused by whoever finds it."""
        if dropped.tag is not None or dropped.depends is not None:
            return
        subject = _subject(dropped.tenant, dropped.namespace or ANY, dropped.level or ANY, dropped.entry or ANY)
        await self._connection.api(f"STREAM.PURGE.KV_{CACHE_BUCKET}", {"filter": subject})


def _subject(tenant: str, *parts: str) -> str:
    names = [token(part, "part of a cache key") if part != ANY else ANY for part in parts]
    return ".".join([f"$KV.{CACHE_BUCKET}", token(tenant, "tenant"), *names])
