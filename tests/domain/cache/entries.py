"""Entries to test with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cache.events import CacheEntryPublished
from domain.cache.keys import CacheKey
from domain.cache.rules import Held, expiry
from domain.kernel.ids import Position
from domain.kernel.reuse import Cost
from domain.kernel.values import format_time

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = CacheKey("default", "L2", "tool", "m.double@1", "sha256:" + "0" * 64)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def entry(
    value: Any = None, *, key: CacheKey = KEY, asked: float = 0.0, lasts: float | None = None, **more: Any
) -> CacheEntryPublished:
    fields: dict[str, Any] = {
        "namespace": key.namespace,
        "level": key.level,
        "kind": key.kind,
        "version": key.version,
        "digest": key.digest,
        "value": {"result": 42} if value is None else value,
        "volatility": "static",
        "expires": expiry(at(asked), lasts),
        "cost": Cost(),
        "run": "r1",
        "effect": "0",
        "asked": format_time(at(asked)),
    }
    return CacheEntryPublished.model_validate(fields | more)


def held(
    published: CacheEntryPublished | None = None, *, sequence: int = 10, shard: int = 0, time: float = 1.0, **more: Any
) -> Held:
    made = Held("acme", published or entry(), Position(0, shard, sequence), format_time(at(time)), 200)
    return replace(made, **more)
