"""Building a projection anew from the first event, beside the tables that readers use meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from domain.kernel.errors import PrecedentError
from projections import builds
from projections.applying import BATCH, TRY_AGAIN, apply_batch, apply_singly, closing
from projections.builds import AnotherRunnerIsAhead, Build
from projections.extent import count
from projections.ports import Database, DatabaseBusy, EventLog
from projections.projection import Projection

logger = logging.getLogger(__name__)

CLOSE: Final = 10_000
"""Events that a build may be behind when the serving one's writer is held for it: about a third of a second."""


class RebuildInProgress(PrecedentError):
    """Somebody else builds this projection now: wait, or interrupt that; the next rebuild goes on where it was."""

    code = "projection.rebuild-in-progress"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is, in events of the log. ``total`` grows while events arrive."""

    done: int
    total: int


async def rebuild(
    log: EventLog,
    database: Database,
    projection: Projection,
    progress: Callable[[Progress], None],
    *,
    batch: int = BATCH,
) -> None:
    """Build a projection from event 1 and serve the new build once it has caught up.

    May be interrupted at any time: the next call goes on where it was. Raises ``RebuildInProgress``,
    ``ProjectionStopped`` (the serving build is untouched) and what log and database raise when unreachable.
    """
    await builds.prepare(database, (projection,))
    async with database.exclusively(f"rebuild {projection.name}") as held:
        if not held:
            raise RebuildInProgress(
                f"projection {projection.name} is being rebuilt by somebody else; "
                "wait until that ends, or interrupt it there: a rebuild goes on where it was"
            )
        async with database.transaction() as connection:
            build = await builds.begin(connection, projection)
        served = False
        while not served:
            while count(await log.end()) - count(build.positions) > CLOSE:
                await _catch_up(log, database, build, progress, batch)
            served = await _finish(log, database, build, progress, batch)


async def rebuild_outdated(log: EventLog, database: Database, projections: Iterable[Projection], pause: float) -> None:
    """Rebuild projections that an older release built, waiting where another process does it. Raises as ``rebuild``."""
    for projection in projections:
        while True:
            try:
                await rebuild(log, database, projection, lambda _: None)
                break
            except (RebuildInProgress, AnotherRunnerIsAhead):
                await asyncio.sleep(pause)


async def _catch_up(
    log: EventLog, database: Database, build: Build, progress: Callable[[Progress], None], batch: int
) -> None:
    total = count(await log.end())
    progress(Progress(count(build.positions), total))
    async with closing(log.read(build.positions, batch=batch)) as batches:
        async for events in batches:
            try:
                await apply_batch(database, (build,), events)
            except (AnotherRunnerIsAhead, *TRY_AGAIN):
                raise
            except Exception:  # noqa: BLE001  # whatever it is, the next line finds its event and raises it
                await apply_singly(database, build, events)
            done = count(build.positions)
            progress(Progress(done, max(done, total)))


async def _finish(
    log: EventLog, database: Database, build: Build, progress: Callable[[Progress], None], batch: int
) -> bool:
    """Catch up while the serving build's writer is held, then take its place; False where that was not possible now."""
    try:
        async with database.transaction() as connection:
            await builds.hold(connection, build.projection)
            await _catch_up(log, database, build, progress, batch)
            await builds.serve(connection, build)
    except DatabaseBusy as busy:
        logger.info("the new build of %s waits to be served: %s", build.projection.name, busy)
        return False
    return True
