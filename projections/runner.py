"""The one loop that applies events to every projection, in order, each exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Never

from domain.kernel.errors import PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.ids import Positions
from projections import builds
from projections.applying import BATCH, TRY_AGAIN, ProjectionStopped, apply_batch, apply_singly, closing
from projections.builds import AnotherRunnerIsAhead, Build
from projections.extent import ends_before
from projections.ports import Database, EventLog
from projections.projection import Projection
from projections.rebuild import rebuild_outdated

logger = logging.getLogger(__name__)

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between attempts while the log or the database is unreachable; doubled from one to the next."""


class LogIsShorter(PrecedentError):
    """The rows know events that the log does not have: restore the log, or rebuild every projection from this one."""

    code = "projection.log-shorter"


class Runner:
    """Keeps projections in step with the log. One process runs one; a second one stops at its first event."""

    def __init__(
        self, log: EventLog, database: Database, projections: Sequence[Projection], *, batch: int = BATCH
    ) -> None:
        self._log = log
        self._database = database
        self._projections = projections
        self._batch = batch
        self._running: list[Build] = []
        self._stopped: dict[str, ProjectionStopped] = {}
        self._upgrade: asyncio.Task[None] | None = None
        self._pause = SHORTEST_PAUSE

    @property
    def stopped(self) -> Mapping[str, ProjectionStopped]:
        """Projections that stopped at an event, and why, by name."""
        return self._stopped

    async def run(self) -> Never:
        """Apply events until cancelled, waiting while log or database is unreachable.

        Raises ``AnotherRunnerIsAhead``, ``ProjectionIsNewer``, ``LogIsShorter``, and ``ProjectionStopped`` once no
        projection is left.
        """
        try:
            while True:
                try:
                    await self._attach()
                    await self._follow()
                except TRY_AGAIN as error:
                    logger.warning("projections wait %.2f s: %s", self._pause, error)
                    await asyncio.sleep(self._pause)
                    self._pause = min(self._pause * 2, LONGEST_PAUSE)
        finally:
            if self._upgrade is not None:
                self._upgrade.cancel()
                await asyncio.gather(self._upgrade, return_exceptions=True)

    async def _attach(self) -> None:
        if self._upgrade is not None and self._upgrade.done():
            self._end_upgrade(self._upgrade)
        await builds.prepare(self._database, self._projections)
        wanted = [projection for projection in self._projections if projection.name not in self._stopped]
        async with self._database.transaction() as connection:
            found = [(projection, await builds.attach(connection, projection)) for projection in wanted]
        self._running = [build for _, build in found if build is not None]
        end = await self._log.end()
        for build in self._running:
            if ends_before(end, build.positions):
                raise LogIsShorter(
                    f"projection {build.projection.name} has events up to {build.positions}, the log ends at {end}; "
                    f"restore the log, or make the rows from this one with `precedent rebuild {build.projection.name}`"
                )
        outdated = [projection for projection, build in found if build is None]
        if outdated and self._upgrade is None:
            names = ", ".join(projection.name for projection in outdated)
            logger.info("projections %s were built by an older release and are built anew", names)
            self._upgrade = asyncio.create_task(
                rebuild_outdated(self._log, self._database, outdated, pause=LONGEST_PAUSE)
            )

    def _end_upgrade(self, upgrade: asyncio.Task[None]) -> None:
        self._upgrade = None
        try:
            upgrade.result()
        except ProjectionStopped as stopped:
            self._note(stopped)

    async def _follow(self) -> None:
        """Apply what arrives, until the builds to write to have changed."""
        if not self._running:
            await self._wait_for_upgrade()
            return
        async with closing(self._log.follow(_least(self._running), batch=self._batch)) as batches:
            async for events in batches:
                if events and not await self._apply(events):
                    return
                if self._upgrade is not None and self._upgrade.done():
                    return

    async def _wait_for_upgrade(self) -> None:
        if self._upgrade is None:
            raise next(iter(self._stopped.values()))
        await asyncio.wait((self._upgrade,))

    async def _apply(self, events: Sequence[Recorded]) -> bool:
        """Apply a batch; False where the builds to write to have changed."""
        try:
            await self._apply_together(events)
        except AnotherRunnerIsAhead:
            if await self._still_serving():
                raise
            return False
        self._pause = SHORTEST_PAUSE
        return bool(self._running)

    async def _apply_together(self, events: Sequence[Recorded]) -> None:
        try:
            await apply_batch(self._database, self._running, events)
        except (AnotherRunnerIsAhead, *TRY_AGAIN):
            raise
        except Exception:  # noqa: BLE001  # whatever it is, it is found again at its projection and event
            await self._apply_apart(events)

    async def _apply_apart(self, events: Sequence[Recorded]) -> None:
        """One projection at a time, so that the one that fails is known and the others go on."""
        for build in tuple(self._running):
            try:
                await apply_singly(self._database, build, events)
            except ProjectionStopped as stopped:
                self._note(stopped)
                self._running.remove(build)

    def _note(self, stopped: ProjectionStopped) -> None:
        self._stopped[stopped.projection] = stopped
        logger.critical("%s", stopped)

    async def _still_serving(self) -> bool:
        async with self._database.transaction() as connection:
            known = await builds.states(connection)
        serving = {(state.projection, state.build) for state in known if state.state == builds.SERVING}
        return all((build.projection.name, build.number) in serving for build in self._running)


def _least(running: Sequence[Build]) -> Positions:
    """Where the build that is furthest behind is, in every shard."""
    keys = set.intersection(*(set(build.positions.reached) for build in running))
    return Positions({key: min(build.positions.reached[key] for build in running) for key in keys})
