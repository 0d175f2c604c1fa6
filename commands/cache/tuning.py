"""The cache sets itself from what it measures, and says so in the log, where every process hears of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from commands.cache.log import CATALOG
from domain.cache.events import CacheEntryPublished, CacheTuned, Volatility
from domain.cache.keys import Kind
from domain.cache.rules import DEFAULT_SECONDS
from domain.cache.tuning import Renewals, Scope, lasting
from domain.kernel.events import Recorded

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Lasting:
    """For how long answers last here: what their volatility says, changed by what was measured."""

    seconds: dict[Volatility, float | None] = field(default_factory=lambda: dict(DEFAULT_SECONDS))
    """By volatility; None for ever."""
    _factors: dict[Scope, float] = field(default_factory=dict)
    _seen: dict[Scope, Renewals] = field(default_factory=dict)

    def of(self, tenant: str, namespace: str, kind: Kind, volatility: Volatility) -> float | None:
        """Seconds for which an answer lasts."""
        seconds = self.seconds[volatility]
        return None if seconds is None else seconds * self._factors.get((tenant, namespace, kind, volatility), 1.0)

    def renewed(self, tenant: str, offer: CacheEntryPublished, *, same: bool) -> CacheTuned | None:
        """An answer that had expired was given anew; what follows from that, if anything."""
        scope = (tenant, offer.namespace, offer.kind, offer.volatility)
        seconds = self.seconds[offer.volatility]
        if seconds is None or not seconds:
            return None
        self._seen[scope] = seen = self._seen.get(scope, Renewals()).counted(same=same)
        tuned = lasting(scope, seen, seconds, self._factors.get(scope, 1.0))
        if tuned is not None:
            del self._seen[scope]
        return tuned

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``: what another process has tuned holds here, too."""
        event = CATALOG.decode(recorded)
        if (
            not isinstance(event, CacheTuned)
            or event.setting != "ttl"
            or event.volatility is None
            or event.kind is None
        ):
            return
        seconds = self.seconds[event.volatility]
        if seconds and event.after > 0:
            scope = (recorded.stream.tenant, event.namespace, event.kind, event.volatility)
            self._factors[scope] = event.after / seconds
            self._seen.pop(scope, None)
