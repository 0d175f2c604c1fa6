"""The nearest tier: entries in this process, the ones used longest ago given up first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from commands.indexes import Dropped
from domain.cache.keys import CacheKey
from domain.cache.rules import Held

LARGEST_SHARE: Final = 8
"""An entry takes at most this part of the bytes."""

OVERHEAD: Final = 1_500
"""Bytes that an entry takes beside its data, about: objects, strings, its place in the table."""


class MemoryCacheTier:
    """Bounded by bytes and by entries."""

    name: Literal["process", "shared", "database"] = "process"

    def __init__(self, *, most_bytes: int = 256 * 1024 * 1024, most_entries: int = 200_000) -> None:
        self.most_bytes = most_bytes
        self.most_entries = most_entries
        self.bytes = 0
        """What the entries take, about."""
        self.came = 0
        self.given_up = 0
        """Entries that came, and that had to go for others, since the start."""
        self._entries: OrderedDict[tuple[str, str], Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, tenant: str, key: CacheKey) -> Held | None:
        """As the port says."""
        name = (tenant, key.id)
        held = self._entries.get(name)
        if held is not None:
            self._entries.move_to_end(name)
        return held

    async def put(self, held: Held) -> None:
        """As the port says; of two versions of an entry the newer one stays."""
        name = (held.tenant, held.key.id)
        before = self._entries.get(name)
        if before is not None and before.position.shard == held.position.shard and before.position >= held.position:
            return
        if _taken(held) * LARGEST_SHARE > self.most_bytes:
            return
        self._remove(name)
        self._entries[name] = held
        self.came += 1
        self.bytes += _taken(held)
        self._shrink()

    async def drop(self, dropped: Dropped) -> None:
        """As the port says: all of them."""
        if dropped.entry is not None:
            self._remove((dropped.tenant, dropped.entry))
            return
        for name in [name for name, held in self._entries.items() if _is_meant(held, dropped)]:
            self._remove(name)

    def resize(self, *, most_bytes: int, most_entries: int) -> None:
        """Hold more or less from now on."""
        self.most_bytes, self.most_entries = most_bytes, most_entries
        self._shrink()

    def _shrink(self) -> None:
        while self._entries and (self.bytes > self.most_bytes or len(self._entries) > self.most_entries):
            _, held = self._entries.popitem(last=False)
            self.bytes -= _taken(held)
            self.given_up += 1

    def _remove(self, name: tuple[str, str]) -> None:
        held = self._entries.pop(name, None)
        if held is not None:
            self.bytes -= _taken(held)


def _taken(held: Held) -> int:
    return held.size + OVERHEAD


def _is_meant(held: Held, dropped: Dropped) -> bool:
    event = held.published
    return (
        held.tenant == dropped.tenant
        and dropped.namespace in (None, event.namespace)
        and dropped.level in (None, event.level)
        and (dropped.tag is None or dropped.tag in event.tags)
        and (dropped.depends is None or dropped.depends in event.depends)
    )
