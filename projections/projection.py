"""The kinds of projection: a row for each event, a row for each stream, and rows that several streams change.

All are built by pure functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

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
        rows = await _load(connection, table, "id", sorted(known)) if known else {}
        if changed := self.fold(rows, mine):
            await connection.execute(_upsert(table), list(changed.values()))


Selector: TypeAlias = tuple[str, str]
"""A column, and the value that it has in the rows that are meant."""


class Share(NamedTuple):
    """What an event does to rows that it shares with events of other streams."""

    about: Callable[[Fact], Sequence[Selector]]
    """Which rows of its tenant it may be about. Those that do not exist are no error."""
    change: Callable[[Sequence[Row], Fact], Iterable[Row]]
    """The rows that it makes or changes, whole, given those that it is about as they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedRows:
    """Rows that events of several streams change. The table's first two columns are ``tenant`` and ``id``.

    A column by which events choose rows never changes in a row; beside ``id``, it wants an index with ``tenant``.
    """

    name: str
    version: int
    table: Table
    appliers: Mapping[str, Share]

    def fold(self, stored: Iterable[Row], facts: Sequence[Fact]) -> dict[StreamKey, Row]:
        """The rows that these events make or change, as they are after the last of them."""
        return _fold(stored, self._mine(facts))

    def _mine(self, facts: Sequence[Fact]) -> list[_Shared]:
        appliers = self.appliers
        return [
            (fact, share.about(fact), share.change) for fact in facts if (share := appliers.get(fact.type)) is not None
        ]

    async def write(
        self,
        database: Database,  # noqa: ARG002  # all kinds are written alike
        connection: AsyncConnection,
        table: Table,
        facts: Sequence[Fact],
    ) -> None:
        """Fold these events into one of the projection's tables: a read for each column they choose by, and a write."""
        mine = self._mine(facts)
        wanted: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for fact, about, _ in mine:
            for column, value in about:
                wanted[column].add((fact.tenant, value))
        stored: dict[StreamKey, Row] = {}
        for column, values in wanted.items():
            stored |= await _load(connection, table, column, sorted(values))
        if changed := _fold(stored.values(), mine):
            await connection.execute(_upsert(table), list(changed.values()))


_Shared: TypeAlias = tuple[Fact, Sequence[Selector], Callable[[Sequence[Row], Fact], Iterable[Row]]]


def _fold(stored: Iterable[Row], mine: Sequence[_Shared]) -> dict[StreamKey, Row]:
    pool = _Pool({column for _, about, _ in mine for column, _ in about})
    for row in stored:
        pool.put(row)
    changed: dict[StreamKey, Row] = {}
    for fact, about, change in mine:
        for row in change(pool.chosen(fact.tenant, about), fact):
            pool.put(row)
            changed[row["tenant"], row["id"]] = row
    return changed


class _Pool:
    """Rows by the values of the columns that they are chosen by."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(columns)
        self._rows: dict[StreamKey, Row] = {}
        self._having: defaultdict[tuple[str, str, str], dict[StreamKey, None]] = defaultdict(dict)

    def put(self, row: Row) -> None:
        key = (row["tenant"], row["id"])
        self._rows[key] = row
        for column in self._columns:
            self._having[row["tenant"], column, row[column]][key] = None

    def chosen(self, tenant: str, selectors: Sequence[Selector]) -> list[Row]:
        keys = {key: None for column, value in selectors for key in self._having.get((tenant, column, value), ())}
        return [self._rows[key] for key in keys]


Projection: TypeAlias = RowPerEvent | RowPerStream | SharedRows


async def _load(
    connection: AsyncConnection, table: Table, column: str, values: Sequence[tuple[str, str]]
) -> dict[StreamKey, Row]:
    """Rows whose column has one of the values, each given with its tenant."""
    tenants = bindparam("tenants", [tenant for tenant, _ in values], ARRAY(Text))
    texts = bindparam("texts", [value for _, value in values], ARRAY(Text))
    wanted = func.unnest(tenants, texts).table_valued("tenant", "value").render_derived(name="wanted")
    found = await connection.execute(
        select(table).join(wanted, (table.c.tenant == wanted.c.tenant) & (table.c[column] == wanted.c.value))
    )
    return {(row["tenant"], row["id"]): dict(row) for row in found.mappings()}


def _upsert(table: Table) -> Any:
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key},
    )
