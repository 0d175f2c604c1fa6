"""Entries of the cache, by key: what is given again, how long, what it had cost; and what was invalidated.

A broad invalidation is one row beside those of entries. Whoever reads an entry checks it against what it has heard
(``domain/cache/rules.py``): no row has a say in what may be given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    MetaData,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.values import format_time
from projections import cells
from projections.facts import SHOWN_NUL, Fact
from projections.paging import Last, newest_first, rows_of
from projections.projection import Row, RowPerEvent, Selector, Share, SharedRows
from projections.reuse import LOOKUP
from projections.reuse import TABLE as REUSE_TABLE

LARGEST_VALUE: Final = 64 * 1024
"""Bytes of a value in a row; a larger one is in the log, or the content store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One entry."""

    tenant: str
    id: str
    namespace: str
    level: str
    kind: str
    version: str
    digest: str
    """Of the request; with the four before it, the key."""
    value: str | None
    """JSON; None where it is too large for a row, or holds what a row cannot: the log has it."""
    volatility: str
    expires: str | None
    """RFC 3339 in UTC; None for never."""
    tags: list[str]
    depends: list[str]
    tokens: int
    """What the answer had cost, as ``usd`` and ``seconds``."""
    usd: float
    seconds: float
    run: str
    effect: str
    asked: str | None
    published_at: datetime
    time: str
    """As in the event, where ``position`` is."""
    position: str
    withdrawn: bool
    """Whether it was invalidated by itself, and nothing was published since."""
    reason: str
    """Why, if it was."""
    disputes: int
    """How often another answer was given to what should have one for ever."""


TABLE: Final = Table(
    "cache_entries",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("value", Text),
    Column("volatility", Text, nullable=False),
    Column("expires", Text),
    Column("tags", ARRAY(Text), nullable=False),
    Column("depends", ARRAY(Text), nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("usd", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("run", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("asked", Text),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("time", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("disputes", BigInteger, nullable=False),
)
Index(None, TABLE.c.tenant, TABLE.c.namespace, TABLE.c.published_at)


def _own(fact: Fact) -> Sequence[Selector]:
    return (("id", fact.stream),)


def _published(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    data = fact.data
    value = orjson.dumps(data["value"]).decode()
    kept = len(value) <= LARGEST_VALUE and SHOWN_NUL not in value
    yield {
        "tenant": fact.tenant, "id": fact.stream,
        "namespace": cells.text(data["namespace"]), "level": cells.text(data["level"]),
        "kind": cells.text(data["kind"]), "version": cells.text(data["version"], 400),
        "digest": cells.text(data["digest"]), "value": value if kept else None,
        "volatility": cells.text(data["volatility"]), "expires": cells.optional_text(data["expires"]),
        "tags": [cells.text(tag) for tag in data.get("tags", ())],
        "depends": [cells.text(each, 500) for each in data.get("depends", ())],
        "tokens": cells.whole(data["cost"].get("tokens", 0)), "usd": cells.number(data["cost"].get("usd", 0.0)),
        "seconds": cells.number(data["cost"].get("seconds", 0.0)),
        "run": cells.text(data["run"]), "effect": cells.text(data["effect"]),
        "asked": cells.optional_text(data.get("asked")),
        "published_at": fact.at, "time": format_time(fact.at),
        "position": str(fact.position), "withdrawn": False, "reason": "",
        "disputes": rows[0]["disputes"] if rows else 0,
    }  # fmt: skip


def _invalidated(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    reason = cells.text(fact.data["reason"], cells.PARAGRAPH)
    return [{**row, "withdrawn": True, "reason": reason} for row in rows]


def _disputed(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:  # noqa: ARG001  # one shape for all
    return [{**row, "disputes": row["disputes"] + 1} for row in rows]


CACHE_ENTRIES: Final = SharedRows(
    name="cache_entries",
    version=1,
    table=TABLE,
    appliers={
        "precedent.cache.CacheEntryPublished.v1": Share(_own, _published),
        "precedent.cache.CacheEntryInvalidated.v1": Share(_own, _invalidated),
        "precedent.cache.CacheEntryDisputed.v1": Share(_own, _disputed),
    },
)

WITHDRAWALS: Final = Table(
    "cache_withdrawals",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("stream_version", BigInteger, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("level", Text),
    Column("tag", Text),
    Column("depends", Text),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("position", Text, nullable=False),
)
Index(None, WITHDRAWALS.c.tenant, WITHDRAWALS.c.namespace)


def _withdrawal(fact: Fact) -> Sequence[Any]:
    data = fact.data
    return (
        fact.tenant,
        fact.stream,
        fact.version,
        cells.text(data["namespace"]),
        cells.optional_text(data.get("level")),
        cells.optional_text(data.get("tag")),
        cells.optional_text(data.get("depends"), 500),
        cells.text(data["reason"], cells.PARAGRAPH),
        fact.at,
        cells.text(fact.actor),
        str(fact.position),
    )


CACHE_WITHDRAWALS: Final = RowPerEvent(
    name="cache_withdrawals",
    version=1,
    table=WITHDRAWALS,
    appliers={"precedent.cache.CacheInvalidated.v1": _withdrawal},
)


async def get_entry(connection: AsyncConnection, tenant: str, entry: str) -> EntryRow | None:
    """One entry; None where there is none (yet)."""
    found = await connection.execute(_ONE, {"tenant": tenant, "entry": entry})
    row = found.one_or_none()
    return None if row is None else EntryRow(**row._mapping)  # noqa: SLF001  # its public name


_ONE: Final = select(TABLE).where(TABLE.c.tenant == bindparam("tenant"), TABLE.c.id == bindparam("entry"))


def _lasts(now: str) -> Any:
    """Neither withdrawn nor expired, as far as the rows tell."""
    covered = exists().where(
        WITHDRAWALS.c.tenant == TABLE.c.tenant,
        WITHDRAWALS.c.namespace == TABLE.c.namespace,
        WITHDRAWALS.c.at >= TABLE.c.published_at,
        or_(WITHDRAWALS.c.level.is_(None), WITHDRAWALS.c.level == TABLE.c.level),
        or_(WITHDRAWALS.c.tag.is_(None), WITHDRAWALS.c.tag == any_(TABLE.c.tags)),
        or_(WITHDRAWALS.c.depends.is_(None), WITHDRAWALS.c.depends == any_(TABLE.c.depends)),
    )
    return and_(~TABLE.c.withdrawn, or_(TABLE.c.expires.is_(None), TABLE.c.expires > now), ~covered)


async def list_entries(
    connection: AsyncConnection,
    tenant: str,
    now: str,
    *,
    namespace: str | None = None,
    level: str | None = None,
    before: Last | None = None,
    limit: int = 50,
) -> Sequence[EntryRow]:
    """A tenant's entries that may be given at this time (RFC 3339, UTC), newest first.

    The next page is ``before`` the ``(published_at, id)`` of this page's last row.
    """
    query = select(TABLE).where(TABLE.c.tenant == tenant, _lasts(now))
    if namespace is not None:
        query = query.where(TABLE.c.namespace == namespace)
    if level is not None:
        query = query.where(TABLE.c.level == level)
    page = newest_first(query, TABLE.c.published_at, TABLE.c.id, before=before, limit=limit)
    return await rows_of(connection, page, EntryRow)


async def most_valuable(connection: AsyncConnection, now: str, limit: int) -> Sequence[EntryRow]:
    """Entries of level L2 of every tenant that may be given at this time, those first that saved most.

    What an entry saves is how often it was given, times what its answer had cost: dollars, and seconds as cents.
    """
    hits = (
        select(REUSE_TABLE.c.tenant, REUSE_TABLE.c.entry, func.count().label("uses"))
        .where(
            REUSE_TABLE.c.kind == LOOKUP,
            REUSE_TABLE.c.level == "L2",
            REUSE_TABLE.c.outcome == "hit",
            REUSE_TABLE.c.entry.is_not(None),
        )
        .group_by(REUSE_TABLE.c.tenant, REUSE_TABLE.c.entry)
        .subquery()
    )
    uses = func.coalesce(hits.c.uses, 0)
    value = (uses + 1) * (TABLE.c.usd + TABLE.c.seconds / 100)
    query = (
        select(TABLE)
        .outerjoin(hits, and_(hits.c.tenant == TABLE.c.tenant, hits.c.entry == TABLE.c.id))
        .where(TABLE.c.level == "L2", TABLE.c.value.is_not(None), _lasts(now))
        .order_by(value.desc(), TABLE.c.published_at.desc(), TABLE.c.id)
        .limit(limit)
    )
    return await rows_of(connection, query, EntryRow)


async def entries_beginning(connection: AsyncConnection, tenant: str, beginning: str, limit: int) -> Sequence[str]:
    """Ids of a tenant's entries that begin like this, whether they may be given or not."""
    begins = TABLE.c.id.startswith(beginning, autoescape=True)
    found = await connection.scalars(
        select(TABLE.c.id).where(TABLE.c.tenant == tenant, begins).order_by(TABLE.c.id).limit(limit)
    )
    return list(found)
