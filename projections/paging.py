"""Lists that people page through, the newest first; and rows as what they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Column, Select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

Last: TypeAlias = tuple[datetime, str]
"""When and id of the last row of a page; the next page is what comes before that."""


class RowType(Protocol):
    """What a row is made: its fields are the columns."""

    def __init__(self, **columns: Any) -> None: ...


T = TypeVar("T", bound=RowType)


def newest_first(
    query: Select[Any], at: Column[datetime], name: Column[str], *, before: Last | None, limit: int
) -> Select[Any]:
    """One page of a query, ordered by time and id, both descending."""
    if before is not None:
        query = query.where(tuple_(at, name) < before)
    return query.order_by(at.desc(), name.desc()).limit(limit)


async def rows_of(connection: AsyncConnection, query: Select[Any], kind: type[T]) -> Sequence[T]:
    """Every row that a query finds."""
    return [kind(**row) for row in (await connection.execute(query)).mappings()]


async def row_of(connection: AsyncConnection, query: Select[Any], kind: type[T]) -> T | None:
    """The only row that a query finds; None where it finds none."""
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else kind(**row)
