"""Questions about reuse as a whole: how often it answered, why it did not, what was wrong, and what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from projections.program_rows import TABLE as PROGRAMS
from projections.reuse import JUDGEMENT, LOOKUP, TUNING, ReuseRow
from projections.reuse import TABLE as REUSE

Grouping = Literal["level", "namespace", "module", "tier"]
"""By what figures are asked for; ``module``: of programs, only of look-ups that came to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """When, and within which namespace and level; None does not restrict."""

    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is not meant any more."""
    namespace: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRate:
    """Look-ups of one group."""

    group: str
    asked: int
    hits: int
    misses: int
    compared: int
    """Would have been hits; the model was asked all the same."""
    refuted: int
    """Hits that failed a type or a check."""
    seconds_p50: float | None
    """Median time of a hit's look-up."""
    seconds_p99: float | None
    saved_tokens: int
    saved_usd: float
    saved_seconds: float

    @property
    def rate(self) -> float:
        """Hits among all that was asked, from 0 to 1."""
        return self.hits / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class MissReason:
    """Why a level did not answer, and how often."""

    level: str
    reason_class: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Judged:
    """How many reused answers, or proposals of such, were found right or wrong, and by which way that was heard."""

    namespace: str
    level: str
    source: str
    right: int
    wrong: int


_HIT: Final = REUSE.c.outcome == "hit"


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


def _within(tenant: str, kind: str, period: Period) -> ColumnElement[bool]:
    conditions = [REUSE.c.tenant == tenant, REUSE.c.kind == kind]
    conditions += [REUSE.c.at >= period.since] if period.since is not None else []
    conditions += [REUSE.c.at < period.until] if period.until is not None else []
    conditions += [REUSE.c.namespace == period.namespace] if period.namespace is not None else []
    conditions += [REUSE.c.level == period.level] if period.level is not None else []
    return and_(*conditions)


async def hit_rates(
    connection: AsyncConnection, tenant: str, by: Grouping, period: Period, limit: int = 100
) -> Sequence[HitRate]:
    """Figures of each group, the most asked first."""
    group: ColumnElement[Any] = PROGRAMS.c.module if by == "module" else REUSE.c[by]
    source: Any = REUSE
    if by == "module":
        source = REUSE.join(PROGRAMS, and_(PROGRAMS.c.tenant == REUSE.c.tenant, PROGRAMS.c.id == REUSE.c.entry))
    hit_took = case((_HIT, REUSE.c.duration))
    asked = func.count()
    figures = (
        select(
            func.coalesce(group, "").label("group"),
            asked.label("asked"),
            _count(_HIT).label("hits"),
            _count(REUSE.c.outcome == "miss").label("misses"),
            _count(REUSE.c.explored).label("compared"),
            _count(and_(_HIT, REUSE.c.settled == "refuted")).label("refuted"),
            func.percentile_cont(0.5).within_group(hit_took).label("seconds_p50"),
            func.percentile_cont(0.99).within_group(hit_took).label("seconds_p99"),
            func.coalesce(func.sum(REUSE.c.tokens), 0).label("saved_tokens"),
            func.coalesce(func.sum(REUSE.c.usd), 0.0).label("saved_usd"),
            func.coalesce(func.sum(REUSE.c.seconds), 0.0).label("saved_seconds"),
        )
        .select_from(source)
        .where(_within(tenant, LOOKUP, period))
        .group_by(group)
        .order_by(asked.desc(), group)
        .limit(limit)
    )
    found = await connection.execute(figures)
    return [HitRate(**{**row, "saved_tokens": int(row["saved_tokens"])}) for row in found.mappings()]


async def miss_reasons(
    connection: AsyncConnection, tenant: str, period: Period, limit: int = 10
) -> Sequence[MissReason]:
    """Why levels did not answer, the most frequent reason first."""
    count = func.count()
    found = await connection.execute(
        select(REUSE.c.level, REUSE.c.reason_class, count, func.max(REUSE.c.reason))
        .where(_within(tenant, LOOKUP, period), REUSE.c.outcome == "miss")
        .group_by(REUSE.c.level, REUSE.c.reason_class)
        .order_by(count.desc(), REUSE.c.level, REUSE.c.reason_class)
        .limit(limit)
    )
    return [MissReason(*row) for row in found]


async def judgements(connection: AsyncConnection, tenant: str, period: Period) -> Sequence[Judged]:
    """How reused answers were judged, by namespace, level and source."""
    groups = (REUSE.c.namespace, REUSE.c.level, REUSE.c.source)
    found = await connection.execute(
        select(*groups, _proposals("right"), _proposals("wrong"))
        .where(_within(tenant, JUDGEMENT, period))
        .group_by(*groups)
        .order_by(*groups)
    )
    return [Judged(*row) for row in found]


def _proposals(outcome: str) -> ColumnElement[int]:
    """How many proposals the judgements of this outcome speak for."""
    spoken_for = func.sum(REUSE.c.stands_for).filter(REUSE.c.outcome == outcome)
    return cast(func.coalesce(spoken_for, 0), BigInteger)


async def tunings(connection: AsyncConnection, tenant: str, period: Period, limit: int = 10) -> Sequence[ReuseRow]:
    """How the cache set itself anew, the latest first."""
    found = await connection.execute(
        select(REUSE).where(_within(tenant, TUNING, period)).order_by(REUSE.c.at.desc(), REUSE.c.id).limit(limit)
    )
    return [ReuseRow(**row) for row in found.mappings()]
