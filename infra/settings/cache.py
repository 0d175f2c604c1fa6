"""Answers that are given again: how long they last, how many are kept near, and what evidence likeness takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.cache.events import Volatility
from domain.cache.rules import DEFAULT_SECONDS
from domain.cache.semantic import Policy
from infra.settings.values import Section, between

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

DEFAULT = Policy()


class EvidenceSettings(Section):
    """What may be wrong of what is reused by its meaning (L3, L4), and what is paid to know it.

    docs/semantic-reuse.md tells what each number does. Evidence of the past counts under the terms of now.

    The gates, which refuse what likeness does not see (negation, numbers, names, extremes), know English only. Goals in
    another language are told apart by likeness and evidence alone: give these a namespace of their own, and a bound
    that is lower.
    """

    #: Greatest share of wrong hits among hits.
    bound: Annotated[float, between(0.001, 0.5)] = DEFAULT.bound
    #: How sure it must be that the bound holds.
    trust: Annotated[float, between(0.5, 0.9999)] = DEFAULT.trust
    #: Of what could be reused, one in so many is asked of the model all the same, and judged.
    explore_one_in: Annotated[int, between(2, 1_000)] = DEFAULT.explore_one_in
    #: Of what is further below the threshold than ``near``, one in so many is judged.
    judge_one_in: Annotated[int, between(1, 1_000)] = DEFAULT.judge_one_in
    #: So far below the threshold everything is judged: the model is asked there anyway.
    near: Annotated[float, between(0.0, 1.0)] = DEFAULT.near
    #: Below this score nothing is reused or judged.
    floor: Annotated[float, between(0.0, 0.99)] = DEFAULT.floor
    #: So many must have been judged before a score may be a threshold, however right they were.
    judged: Annotated[int, between(0, 8_192)] = DEFAULT.judged

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.bound >= 0.1 and self.trust < 0.9:
            raise ValueError(
                f"cache.evidence.bound below 0.1 or trust of at least 0.9: a bound of {self.bound:g} that may fail in "
                f"{1 - self.trust:.0%} of cases is none"
            )
        return self

    @property
    def policy(self) -> Policy:
        """The terms, as rules take them."""
        return Policy(**self.model_dump())


class CacheSettings(Section):
    """Answers that are given again. A task asks for them itself, with ``cache: {levels: [L2]}`` (docs/caching.md)."""

    #: Megabytes of a worker's memory for the entries that it keeps near.
    memory_mb: Annotated[int, Field(ge=1, le=65_536)] = 64
    #: Seconds for which an answer lasts that may change within days.
    slow: Seconds = DEFAULT_SECONDS["slow"] or 0.0
    #: Seconds for which an answer lasts that may change within minutes.
    fast: Seconds = DEFAULT_SECONDS["fast"] or 0.0
    #: How soon models may answer otherwise: static, slow, fast, or never to ask them every time.
    models: Volatility = "slow"
    #: What it takes to reuse what is only alike.
    evidence: EvidenceSettings = EvidenceSettings()

    @property
    def seconds(self) -> Mapping[Volatility, float | None]:
        """How long answers last, by volatility."""
        return {**DEFAULT_SECONDS, "slow": self.slow, "fast": self.fast}
