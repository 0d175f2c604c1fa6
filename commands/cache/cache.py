"""What the cache was given, in one place: tiers, flights, terms; and what this process has heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from commands.cache.data import DataVersions
from commands.cache.flying import SingleFlight
from commands.cache.tuning import Lasting
from commands.indexes import CacheSource, CacheTier
from domain.cache.events import Volatility
from domain.cache.rules import Withdrawals


def never_silent(category: str) -> float:  # noqa: ARG001  # as `Feed.silent_for`
    """Silence of a log that nobody else writes."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The ports of the cache, filled."""

    near: Sequence[CacheTier]
    """Tiers that this process fills, the nearest first."""
    far: Sequence[CacheSource] = ()
    """Tiers that others fill, asked after the near ones."""
    flight: SingleFlight
    silent_for: Callable[[str], float] = never_silent
    """Seconds since the log was heard, by category (``Feed.silent_for``)."""
    lasting: Lasting = field(default_factory=Lasting)
    """How long answers are given again."""
    models: Volatility = "slow"
    """How soon models may answer otherwise: their servers change under the same name."""
    withdrawals: Withdrawals = field(default_factory=Withdrawals)
    """No port: invalidations that this process has heard."""
    data: DataVersions | None = None
    """No port: versions of data that this process has heard; None where no tool here reads data that has versions."""
    resting: dict[str, float] = field(default_factory=dict)
    """No port: tiers that failed, and until when (monotonic) they are left alone."""

    @property
    def seconds(self) -> Mapping[Volatility, float | None]:
        """How long answers are given again, by volatility, before anything was measured; None for ever."""
        return self.lasting.seconds
