"""A runner in a process of its own that is killed, as by the kernel, at a chosen point of its n-th transaction.

python -m tests.projections.crashing <database url> <point> <n>
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from projections.runner import Runner
from tests.projections.harness import ALL, fill

POINTS = ("after the fence", "between tables", "before commit", "after commit")
RUNS = 20


class MortalDatabase(PostgresDatabase):
    """The real database; its user dies on the way."""

    point: str
    left: int

    def _reach(self, point: str) -> None:
        if point == self.point and self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as connection:
            yield connection
            self._reach("before commit")
        self._reach("after commit")

    async def append(self, connection, table, rows):
        # The run table is written first, without COPY: here the fence is set and nothing is added yet.
        self.left -= 1
        self._reach("after the fence")
        await super().append(connection, table, rows)
        self._reach("between tables")


async def main(url: str, point: str, transactions: int) -> None:
    log = MemoryEventStore(MemoryContentStore())
    await fill(log, RUNS)
    async with MortalDatabase.at(url) as database:
        database.point = point
        database.left = transactions
        await Runner(log, database, ALL, batch=25).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
