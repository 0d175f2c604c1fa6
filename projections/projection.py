"""The two kinds of projection: a row for each event, or a row for each stream. Both are built by pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ARRAY, Table, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import StoredDataInvalid
from projections.facts import Fact
from projections.ports import Database

Row: TypeAlias = dict[str, Any]
StreamKey: TypeAlias = tuple[str, str]
"""Tenant and stream id."""

BuildRow: TypeAlias = Callable[[Fact], Sequence[Any] | None]
"""The row of an event, cells in the order of the table's columns; None where the event has none."""

Fold: TypeAlias = Callable[[Mapping[str, Any], Fact], Row]
"""What an event changes in its stream's row. An opening event is given an empty row and returns a whole one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RowPerEvent:
    """Rows that are added and never changed."""

    name: str
    """Also the name of the view that readers use."""
    version: int
    """Raise it when the same events must make other rows: the projection is then built anew."""
    table: Table
    appliers: Mapping[str, BuildRow]
    """By persisted event type."""

    def rows(self, facts: Sequence[Fact]) -> list[Sequence[Any]]:
        """Rows of these events, in order."""
        appliers = self.appliers
        built = [applier(fact) for fact in facts if (applier := appliers.get(fact.type)) is not None]
        return [row for row in built if row is not None]

    async def write(self, database: Database, connection: AsyncConnection, table: Table, facts: Sequence[Fact]) -> None:
        """Add the rows of these events to one of the projection's tables."""
        if rows := self.rows(facts):
            await database.append(connection, table, rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class RowPerStream:
    """One row a stream, folded from its events. The table's first two columns are ``tenant`` and ``id``."""

    name: str
    version: int
    table: Table
    appliers: Mapping[str, Fold]
    opening: str
    """Type of the event that begins a stream."""

    def fold(self, rows: Mapping[StreamKey, Row], facts: Sequence[Fact]) -> dict[StreamKey, Row]:
        """The rows that these events change, as they are after the last of them."""
        changed: dict[StreamKey, Row] = {}
        for fact in facts:
            applier = self.appliers.get(fact.type)
            if applier is None:
                continue
            key = (fact.tenant, fact.stream)
            row = changed.get(key)
            if row is None:
                row = changed[key] = dict(rows.get(key, ()))
            if not row and fact.type != self.opening:
                raise StoredDataInvalid(f"the stream of event {fact.position} does not begin with {self.opening}")
            row.update(applier(row, fact))
        return changed

    async def write(
        self,
        database: Database,  # noqa: ARG002  # both kinds are written alike
        connection: AsyncConnection,
        table: Table,
        facts: Sequence[Fact],
    ) -> None:
        """Fold these events into one of the projection's tables: a read and a write for all of them."""
        mine = [fact for fact in facts if fact.type in self.appliers]
        begun = {(fact.tenant, fact.stream) for fact in mine if fact.type == self.opening}
        known = {(fact.tenant, fact.stream) for fact in mine} - begun
        rows = await _load(connection, table, sorted(known)) if known else {}
        if changed := self.fold(rows, mine):
            await connection.execute(_upsert(table), list(changed.values()))


Projection: TypeAlias = RowPerEvent | RowPerStream


async def _load(connection: AsyncConnection, table: Table, keys: Sequence[StreamKey]) -> dict[StreamKey, Row]:
    tenants = bindparam("tenants", [tenant for tenant, _ in keys], ARRAY(Text))
    ids = bindparam("ids", [stream for _, stream in keys], ARRAY(Text))
    wanted = func.unnest(tenants, ids).table_valued("tenant", "id").render_derived(name="wanted")
    found = await connection.execute(
        select(table).join(wanted, (table.c.tenant == wanted.c.tenant) & (table.c.id == wanted.c.id))
    )
    return {(row["tenant"], row["id"]): dict(row) for row in found.mappings()}


def _upsert(table: Table) -> Any:
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key},
    )
