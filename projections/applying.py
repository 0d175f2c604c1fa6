"""Applying events to builds: rows and position in one transaction, and the exact event where a projection fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import Positions
from projections import builds
from projections.builds import AnotherRunnerIsAhead, Build
from projections.facts import Fact, read_fact
from projections.ports import Database, DatabaseBusy

TRY_AGAIN: Final = (ServiceUnreachable, DatabaseBusy)
"""Errors that say nothing about an event: the same batch may succeed later."""


BATCH: Final = 2000
"""Events of one transaction at most. Fewer cost more for each: a transaction takes some 2 ms whatever is in it."""


class ProjectionStopped(PrecedentError):
    """A projection cannot apply the event at the address: correct its code (or the log), then start the runner again.

    Nothing was skipped. Other projections went on.
    """

    code = "projection.stopped"

    def __init__(self, projection: str, event: Recorded, cause: Exception) -> None:
        self.projection = projection
        self.at = f"{event.position} {event.address}"
        self.because = f"{type(cause).__name__}: {cause}"[:2_000]
        super().__init__(f"projection {projection} stopped at event {self.at}: {self.because}")


async def apply_batch(database: Database, running: Collection[Build], events: Sequence[Recorded]) -> None:
    """Apply events to these builds in one transaction; each passes over what it has already."""
    types = {kind for build in running for kind in build.projection.appliers}
    facts = [fact for event in events if (fact := read_fact(event, types)) is not None]
    every = [(build, _beyond(build.positions, events)) for build in running]
    steps = [(build, reached) for build, reached in every if reached != build.positions]
    if not steps:
        return
    async with database.transaction() as connection:
        # First the fence: its row locks make a second runner wait here, before it does any work.
        await builds.advance(connection, steps)
        for build, _ in steps:
            await build.projection.write(database, connection, build.table, _after(build.positions, facts))
    for build, reached in steps:
        build.positions = reached


async def apply_singly(database: Database, build: Build, events: Sequence[Recorded]) -> None:
    """Apply events to one build, each in its own transaction. Raises ``ProjectionStopped`` at the one that fails."""
    for event in events:
        try:
            await apply_batch(database, (build,), (event,))
        except (AnotherRunnerIsAhead, *TRY_AGAIN):
            raise
        except Exception as error:
            stopped = ProjectionStopped(build.projection.name, event, error)
            async with database.transaction() as connection:
                await builds.stop(connection, build, stopped.at, stopped.because)
            raise stopped from error


def _after(positions: Positions, facts: Sequence[Fact]) -> Sequence[Fact]:
    seen = positions.reached
    return [fact for fact in facts if fact.position.sequence > seen.get((fact.position.epoch, fact.position.shard), 0)]


def _beyond(positions: Positions, events: Sequence[Recorded]) -> Positions:
    last = {(event.position.epoch, event.position.shard): event.position for event in events}
    for position in last.values():
        positions = positions.advanced(position)
    return positions


@asynccontextmanager
async def closing(batches: AsyncIterator[Sequence[Recorded]]) -> AsyncIterator[AsyncIterator[Sequence[Recorded]]]:
    """Let go of a reader's consumer when the block ends, not when the garbage collector comes by."""
    try:
        yield batches
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()
