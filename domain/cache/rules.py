"""When an entry may be given: for how long, and what withdraws it. Times are arguments; nothing here reads a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol

from domain.cache.events import CacheEntryPublished, CacheInvalidated, Volatility
from domain.cache.keys import CacheKey, CacheKeyInvalid
from domain.kernel.ids import Position
from domain.kernel.reuse import Miss
from domain.kernel.values import format_time, parse_time

DEFAULT_SECONDS: Final[Mapping[Volatility, float | None]] = MappingProxyType(
    {"static": None, "slow": 86_400.0, "fast": 60.0, "never": 0.0}
)
"""How long an answer is given again, by how soon it may change; None for ever."""

LONGEST_SECONDS: Final = 100 * 366 * 86_400.0
"""What is longer is for ever."""


def expiry(now: datetime, seconds: float | None) -> str | None:
    """When an answer of now is not given any more."""
    if seconds is None or seconds > LONGEST_SECONDS:
        return None
    return format_time(now + timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class Held:
    """An entry as a tier has it: what was published, and where the log has that."""

    tenant: str
    published: CacheEntryPublished
    position: Position
    time: str
    """Of the event."""
    size: int
    """Bytes of its data as JSON."""

    @property
    def key(self) -> CacheKey:
        """What it answers. Raises ``CacheKeyInvalid``."""
        event = self.published
        return CacheKey(event.namespace, event.level, event.kind, event.version, event.digest)

    @property
    def asked(self) -> datetime:
        """When its answer was asked for; it knows nothing of what came later. Raises ``ValueError``."""
        return parse_time(self.published.asked or self.time)


class Kept(Protocol):
    """What was published somewhere, and asked for at some time."""

    @property
    def position(self) -> Position:
        """Where the log has it."""
        ...

    @property
    def asked(self) -> datetime:
        """When its answer was asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Where the log has an invalidation, and when it was made."""

    position: Position
    at: datetime
    reason: str

    def covers(self, held: Kept) -> bool:
        """Whether an entry was published before it, or knows nothing of it because it was asked for before it.

        Shards have no order among each other: there the time alone tells.
        """
        same = self.position.shard == held.position.shard
        return (same and held.position.sequence < self.position.sequence) or held.asked <= self.at


Aim = tuple[str | None, str | None, str | None]
"""Level, tag and dependency that an invalidation names."""


@dataclass(slots=True)
class Withdrawals:
    """All invalidations that were heard: of several that name the same, the newest is enough."""

    _broad: dict[tuple[str, str], dict[Aim, Withdrawal]] = field(default_factory=dict)
    """By tenant and namespace."""
    _entries: dict[tuple[str, str], Withdrawal] = field(default_factory=dict)
    """By tenant and id of the entry."""

    def add(self, tenant: str, event: CacheInvalidated, withdrawal: Withdrawal) -> None:
        """Note an invalidation of a namespace, or of a part of it."""
        aims = self._broad.setdefault((tenant, event.namespace), {})
        aim = (event.level, event.tag, event.depends)
        aims[aim] = _newest(aims.get(aim), withdrawal)

    def add_entry(self, tenant: str, entry: str, withdrawal: Withdrawal) -> None:
        """Note the invalidation of one entry."""
        self._entries[tenant, entry] = _newest(self._entries.get((tenant, entry)), withdrawal)

    def of(self, held: Held) -> Withdrawal | None:
        """An invalidation that covers this entry; None where there is none. Raises ``ValueError``."""
        event = held.published
        single = self._entries.get((held.tenant, held.key.id))
        if single is not None and single.covers(held):
            return single
        for (level, tag, depends), withdrawal in self._broad.get((held.tenant, event.namespace), {}).items():
            named = level in (None, event.level) and (tag is None or tag in event.tags)
            if named and (depends is None or depends in event.depends) and withdrawal.covers(held):
                return withdrawal
        return None


def _newest(before: Withdrawal | None, now: Withdrawal) -> Withdrawal:
    if before is None:
        return now
    position = max(before.position, now.position, key=lambda place: (place.shard == now.position.shard, place))
    return Withdrawal(position, max(before.at, now.at), now.reason)


def refusal(held: Held, tenant: str, key: CacheKey, now: datetime, withdrawals: Withdrawals) -> Miss | None:
    """Why an entry that a tier gave is not used; None where it may be.

    1. It is this tenant's. 2. It answers this key. 3. It has not expired. 4. Nothing withdrew it.
    """
    try:
        if held.tenant != tenant:  # 1
            return Miss("damaged", "the entry is another tenant's")
        if held.key != key:  # 2
            return Miss("damaged", "the entry answers another key")
        event = held.published
        if event.volatility == "never":
            return Miss("damaged", "the entry says that it must never be kept")
        if event.expires is not None and parse_time(event.expires) <= now:  # 3
            return Miss("expired", f"it expired at {event.expires}")
        withdrawal = withdrawals.of(held)  # 4
    except (ValueError, TypeError, CacheKeyInvalid) as error:
        return Miss("damaged", f"the entry cannot be read: {error}")
    if withdrawal is None:
        return None
    return Miss("withdrawn", f"it was invalidated: {withdrawal.reason or 'no reason given'}")


def tool_value(result: Any) -> dict[str, Any]:
    """What an entry keeps of a tool's result (encoded)."""
    return {"result": result}


def tool_failure(kind: str, message: str) -> dict[str, Any]:
    """What an entry keeps of a tool's failure."""
    return {"error": {"type": kind, "message": message}}
