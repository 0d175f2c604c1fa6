"""Answers that are given again: how long they last, and how many are kept near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from domain.cache.events import Volatility
from domain.cache.rules import DEFAULT_SECONDS
from infra.settings.values import Section

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CacheSettings(Section):
    """Exact answers. A task asks for them by itself, with ``cache: {levels: [L2]}`` (docs/caching.md)."""

    #: Megabytes of a worker's memory for the entries that it keeps near.
    memory_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    #: Seconds for which an answer lasts that may change within days.
    slow: Seconds = DEFAULT_SECONDS["slow"] or 0.0
    #: Seconds for which an answer lasts that may change within minutes.
    fast: Seconds = DEFAULT_SECONDS["fast"] or 0.0
    #: How soon models may answer otherwise: static, slow, fast, or never to ask them every time.
    models: Volatility = "slow"

    @property
    def seconds(self) -> Mapping[Volatility, float | None]:
        """How long answers last, by volatility."""
        return {**DEFAULT_SECONDS, "slow": self.slow, "fast": self.fast}
