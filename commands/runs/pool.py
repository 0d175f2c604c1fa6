"""A worker's pool of drivers: takes wakes, drives so many runs at once, and sweeps up runs that nobody drives."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from commands.ports import HeldWake, Selection, Wake
from commands.runs.driver import Driver, Rest
from commands.services import Services
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.ids import StreamId

KEEP_EVERY: Final = 1.5
"""Seconds between two words to the queue that a wake is still being worked on."""
SWEEP_EVERY: Final = 5.0
SWEEP_AGAIN: Final = 60.0
"""Seconds before the same run is swept up a second time: its wake may be waiting in a long queue."""
SWEPT_AT_ONCE: Final = 200
SWEPT: Final = "swept"
"""Reason of a sweeper's wake."""
ATTEMPTS: Final = 3
"""How often a driver may fail on one run, by a fault of ours, before the run fails."""
STEERING: Final = ("RunPaused", "RunCancelled")
"""Events after which a driver is to look up from what it does: a full pool takes no wakes, which tell of them else."""
PUT_BACK: Final = {Rest.ELSEWHERE: 1.0, Rest.INCOMPATIBLE: 5.0}
"""Seconds after which a wake that could not be used here is delivered again, to anyone."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Active:
    driver: Driver
    again: bool = False
    """Whether another wake came while the driver was busy: what it brings may have been missed."""


@dataclass(slots=True)
class DriverPool:
    """Drives up to ``concurrent`` runs."""

    services: Services
    author: str
    """This process: ``worker/nonce``."""
    concurrent: int
    _active: dict[StreamId, _Active] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _failures: dict[StreamId, int] = field(default_factory=dict)
    _swept: dict[StreamId, float] = field(default_factory=dict)

    async def work(self) -> None:
        """Work until cancelled. Runs that are under way then are left to their wakes, which another worker gets."""
        sweeper = asyncio.create_task(self._sweep_for_ever())
        try:
            while True:
                await self._take()
        finally:
            sweeper.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(sweeper, *self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Have drivers look up when a person stops their runs, whether wakes are taken or not; for ever."""
        await asyncio.gather(*(self._listen_for(event) for event in STEERING))

    async def _listen_for(self, event: str) -> None:
        while True:
            try:
                store = self.services.store
                async for heard in store.follow(await store.end(), Selection(category="run", event=event)):
                    for each in heard:
                        self._poke(each.stream)
            except ServiceUnreachable as error:
                logger.warning("nobody tells of %s: %s", event, error)
            except Exception:  # a fault on one event must not end the listening
                logger.exception("%s could not be told", event)
            await asyncio.sleep(1)

    def _poke(self, run: StreamId) -> bool:
        """Have the run's driver look at the log, if the run is driven here; tell whether it is."""
        active = self._active.get(run)
        if active is not None:
            active.again = True
            active.driver.poke()
        return active is not None

    async def _take(self) -> None:
        free = self.concurrent - len(self._active)
        if free <= 0:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            return
        try:
            held_wakes = await self.services.wakes.receive(free, wait=1.0)
        except ServiceUnreachable as error:
            logger.warning("no wakes: %s", error)
            await asyncio.sleep(1)
            return
        for held in held_wakes:
            await self._accept(held)

    async def _accept(self, held: HeldWake) -> None:
        run = held.wake.run
        if self._poke(run):
            await _quietly(held.settle())
            return
        self._active[run] = _Active(Driver(self.services, run, self.author))
        task = asyncio.create_task(self._drive(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drive(self, held: HeldWake) -> None:
        run = held.wake.run
        keeper = asyncio.create_task(_keep(held))
        try:
            rest = await self._drive_until_rest(run)
        except ServiceUnreachable as error:
            logger.warning("run %s waits for a service: %s", run.id, error)
            await _quietly(held.put_back(1.0))
        except Exception as error:  # a fault of ours on one run must not stop the others
            logger.exception("run %s could not be driven", run.id)
            await self._failed(held, error)
        else:
            self._failures.pop(run, None)
            # The sweeper sends its wakes again: put back as well, those of a run that nobody can drive would pile up.
            spare = rest is Rest.INCOMPATIBLE and held.wake.reason == SWEPT
            delay = None if spare else PUT_BACK.get(rest)
            await _quietly(held.settle() if delay is None else held.put_back(delay))
        finally:
            keeper.cancel()
            self._active.pop(run, None)

    async def _drive_until_rest(self, run: StreamId) -> Rest:
        while True:
            active = self._active[run]
            active.again = False
            rest = await active.driver.drive()
            if rest is not Rest.WAITING or not active.again:
                return rest
            active.driver = Driver(self.services, run, self.author)

    async def _failed(self, held: HeldWake, error: Exception) -> None:
        run = held.wake.run
        failures = self._failures.pop(run, 0) + 1
        if failures < ATTEMPTS:
            self._failures[run] = failures
            await _quietly(held.put_back(1.0))
            return
        try:
            await Driver(self.services, run, self.author).give_up(error)
        except Exception:
            logger.exception("run %s could not even be failed; it is left to the sweeper", run.id)
        await _quietly(held.settle())

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            try:
                await self.sweep()
            except PrecedentError as error:
                logger.warning("nothing swept up: %s", error)
            except Exception:  # a fault of ours must not leave lost runs lost for ever
                logger.exception("nothing swept up")

    async def sweep(self) -> None:
        """Wake runs that are unfinished and have no live claim: their wake, or their worker, was lost."""
        now = self.services.clock.monotonic()
        self._swept = {run: at for run, at in self._swept.items() if now - at < SWEEP_AGAIN}
        limit = SWEPT_AT_ONCE + len(self._swept)  # those swept a moment ago may be listed before all others
        for run in await self.services.runs.unfinished(self.services.clock.now(), limit):
            if run not in self._swept and run not in self._active:
                await self.services.wakes.send(Wake(run, SWEPT))
                self._swept[run] = now


async def _keep(held: HeldWake) -> None:
    while True:
        await asyncio.sleep(KEEP_EVERY)
        await _quietly(held.keep())


async def _quietly(word: object) -> None:
    """Tell the queue something. If that gets lost the wake is delivered again, which is harmless."""
    try:
        await word  # type: ignore[misc]
    except ServiceUnreachable as error:
        logger.warning("the wake queue was not told: %s", error)
