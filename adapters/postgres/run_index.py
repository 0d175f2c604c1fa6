"""What the write side asks of the read side: runs that nobody drives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from domain.kernel.ids import StreamId
from projections.ports import Database
from projections.runs import runs_without_driver

GRACE: Final = timedelta(seconds=10)
"""A run whose newest event is younger than this may simply still be in the queue."""


class PostgresRunIndex:
    """The ``RunIndex`` port on the run table, for one tenant's workers."""

    def __init__(self, database: Database, tenant: str) -> None:
        """Read from this database."""
        self._database = database
        self._tenant = tenant

    async def unfinished(self, claim_ended_before: datetime, limit: int) -> Sequence[StreamId]:
        """As the port says."""
        async with self._database.transaction() as connection:
            rows = await runs_without_driver(connection, self._tenant, claim_ended_before, limit)
        return [StreamId(row.tenant, "run", row.id) for row in rows if row.updated_at < claim_ended_before - GRACE]
