"""What the read side needs of the world: the log to read, and a PostgreSQL database to keep rows in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import Positions


class DatabaseUnreachable(ServiceUnreachable):
    """PostgreSQL does not answer or broke off: start it, or correct ``database.url``. What was uncommitted is gone."""

    code = "database.unreachable"


class DatabaseBusy(PrecedentError):
    """Something else holds what this needed (a lock, a deadlock's other side): try again; nothing was changed."""

    code = "database.busy"


class DatabaseRefused(PrecedentError):
    """PostgreSQL refused a statement or a value, and will again: correct what the message names."""

    code = "database.refused"


class EventLog(Protocol):
    """The log as a reader of all events sees it. Every event store is one."""

    def read(self, after: Positions, *, batch: int = 1000) -> AsyncIterator[Sequence[Recorded]]:
        """Batches in log order from just after these positions to the end of the log as of the call."""
        ...

    def follow(self, after: Positions, *, batch: int = 1000) -> AsyncIterator[Sequence[Recorded]]:
        """As ``read``, then goes on for ever; an empty batch now and then shows that it is alive."""
        ...

    async def end(self) -> Positions:
        """Position of the last event of every shard."""
        ...


class Database(Protocol):
    """PostgreSQL, its driver's errors translated into the three above."""

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        ...

    async def append(self, connection: AsyncConnection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows in bulk within the connection's transaction; cells in the order of the table's columns."""
        ...

    def exclusively(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold the named lock for the block, across processes; False, at once, where somebody else holds it.

        It is let go when its holder dies.
        """
        ...
