"""Calls the tools of one run: several at once, watched while they work, and their outcomes recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final

from commands.cache.exact import Exact
from commands.runs.log import Overtaken, RunLog
from commands.services import Services
from domain.kernel.values import decode, digest_bytes, format_time, parse_time
from domain.runs.controller import overtime
from domain.runs.decide import remaining
from domain.runs.events import RunClaimed, ToolCallCompleted, ToolCallFailed, ToolCallOutcomeUnknown
from domain.runs.guard import Asked
from domain.runs.parts import Fault, RunEvent
from domain.runs.state import Settlement
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome, ToolSucceeded

LEASE: Final = timedelta(seconds=30)
"""How long a claim holds without a further word."""

WATCH: Final = LEASE.total_seconds() / 3
"""Seconds after which a driver looks up from effects that are still under way."""

RENEWED_BELOW: Final = LEASE.total_seconds() / 2
"""Seconds left of a claim below which it is renewed: it must outlast the next look, and the append of its renewal."""

SKEW: Final = 2.0
"""Seconds by which the clocks of two workers may differ: a claim with less left is not relied on."""

_RUN_ALREADY: Final = frozenset({Settlement.COMPLETED, Settlement.FAILED})


class Interrupted(Exception):
    """Someone ended the run or took it over while effects were under way; they were stopped."""


class Caller:
    """Calls tools for one run."""

    def __init__(self, services: Services, log: RunLog) -> None:
        self._services = services
        self._log = log
        self._opened = False
        self._opening = asyncio.Lock()
        self.exact = Exact(services, log)
        """What is given again instead of being asked of the world."""
        self._poked: asyncio.Future[None] | None = None
        self._overtaken = False
        """Whether others appended to the run since the calls under way began."""

    def poke(self) -> None:
        """Someone appended to the run: look at it now, even while effects are under way."""
        if self._poked is not None and not self._poked.done():
            self._poked.set_result(None)

    def close(self) -> None:
        """Forget the state of the run's tools."""
        if self._opened:
            self._services.tools.close_run(self._log.stream.id)
            self._opened = False

    def renew_claim(self) -> None:
        """Stage a renewal when little is left of the claim."""
        claim = self._log.preview.claim
        if claim is not None and self._claim_left() < RENEWED_BELOW:
            deadline = format_time(self._services.clock.now() + LEASE)
            self._log.stage(RunClaimed(worker=claim.worker, epoch=claim.epoch, deadline=deadline))

    def release_claim(self) -> None:
        """Stage the end of our claim: the run rests, and whoever is woken for it may go on at once."""
        claim = self._log.preview.claim
        if claim is not None and claim.worker == self._log.author and self._claim_left() > 0:
            now = format_time(self._services.clock.now())
            self._log.stage(RunClaimed(worker=claim.worker, epoch=claim.epoch, deadline=now))

    async def call(self, effects: Sequence[Asked]) -> None:
        """Do these effects at once and stage their outcomes. Raises as ``watch``."""
        await self.hold_claim()
        self.exact.begin_writes(effects)
        if len(effects) == 1 and self.is_short(effects[0]):
            self._log.stage(await self._outcome(effects[0]))
        else:
            await self.watch([self._outcome(asked) for asked in effects])

    async def watch(self, calls: Sequence[Coroutine[Any, Any, RunEvent]]) -> None:
        """See these calls to their end and stage what they come to; renew the claim and keep the limit of time.

        Raises ``Interrupted`` when the run is no longer ours, and ``Overtaken`` after the last call when others
        appended in the meantime: paused or approved, the run may have to go on differently.
        """
        tasks = [asyncio.create_task(call) for call in calls]
        try:
            await self._until_done(tasks)
        finally:
            if unfinished := [task for task in tasks if not task.done()]:
                for task in unfinished:
                    task.cancel()
                await asyncio.gather(*unfinished, return_exceptions=True)
        if self._overtaken:
            await self._log.commit()
            raise Overtaken(f"others appended to run {self._log.stream.id} while it was busy")

    async def hold_claim(self) -> None:
        """See, just before a call, that the claim holds: this process may have stood still. Raises ``Overtaken``."""
        while self._claim_left() <= SKEW:
            self.renew_claim()
            await self._log.commit()

    def _claim_left(self) -> float:
        claim = self._log.preview.claim
        assert claim is not None, "a driver claims before it executes"
        return (parse_time(claim.deadline) - self._services.clock.now()).total_seconds()

    def is_short(self, asked: Asked) -> bool:
        """Whether a call is over before anyone would look up from it: it needs no task of its own."""
        declaration = self._services.tools.declarations()[asked.tool]
        if self.exact.wants(asked.tool):
            return False  # it may wait for another's call
        return declaration.isolation == "in-process" and declaration.timeout <= min(WATCH, self._time_left())

    def _time_left(self) -> float:
        return remaining(self._log.preview, self._services.clock.now())

    async def _until_done(self, tasks: Sequence[asyncio.Task[RunEvent]]) -> None:
        self._overtaken = False
        self._poked = asyncio.get_running_loop().create_future()
        pending: set[asyncio.Future[Any]] = set(tasks)
        while pending:
            # While it stands still, for a pause or a person, time ends nothing.
            left = WATCH if self._log.preview.deadline is None else self._time_left()
            if left <= 0:
                self._log.stage(overtime(self._log.preview))
                return
            assert self._poked is not None, "it is set while effects are under way"
            done, _ = await asyncio.wait(
                {*pending, self._poked}, timeout=min(WATCH, left), return_when=asyncio.FIRST_COMPLETED
            )
            finished = [task for task in tasks if task in done]
            for task in finished:
                self._log.stage(task.result())
            pending.difference_update(finished)
            if pending:
                await self._look_up()

    async def _look_up(self) -> None:
        """Record what is done so far, renew the claim, and see what others have appended."""
        self._poked = asyncio.get_running_loop().create_future()
        committed = False
        while not committed:
            self.renew_claim()
            try:
                await self._log.commit()
                version = self._log.version
                await self._log.refresh()
            except Overtaken:
                self._overtaken = True  # the renewal was dropped: once more
            else:
                committed = True
                self._overtaken |= self._log.version > version
            if self._log.run.ended or not self._log.holds_claim:
                raise Interrupted

    async def _outcome(self, asked: Asked) -> RunEvent:
        declaration = self._services.tools.declarations()[asked.tool]
        return await self.exact.tool(asked, declaration, lambda: self._called(asked, declaration))

    async def _called(self, asked: Asked, declaration: ToolDeclaration) -> RunEvent:
        if declaration.stateful:
            await self._open()
        run = self._log.stream.id
        context = CallContext(tenant=self._log.stream.tenant, run=run, effect=asked.key, seconds=asked.seconds)
        arguments = {name: decode(value) for name, value in asked.arguments.items()}
        outcome = await self._services.tools.run(asked.tool, arguments, context)
        return await self._event(asked, declaration.capability.version, outcome, repeatable=declaration.repeatable)

    async def _open(self) -> None:
        """Make the state of the run's tools, and bring it to where the journal is."""
        async with self._opening:
            if self._opened:
                return
            # With what waits for a commit: answers that a fork inherits were given by calls that are not made here.
            run, stream = self._log.preview, self._log.stream
            self._services.tools.open_run(stream.id, run.accepted_task.inputs_by_name)
            declared = self._services.tools.declarations()
            for key, entry in run.journal.items():
                done = entry.settlement in _RUN_ALREADY and not entry.by_person
                if done and entry.tool in declared and declared[entry.tool].stateful:
                    arguments = {name: decode(value) for name, value in entry.arguments.items()}
                    context = CallContext(tenant=stream.tenant, run=stream.id, effect=key)
                    await self._services.tools.run(entry.tool, arguments, context)
            self._opened = True

    async def _event(self, asked: Asked, version: str, outcome: ToolOutcome, *, repeatable: bool) -> RunEvent:
        if isinstance(outcome, ToolFailed) and outcome.outcome_unknown and not repeatable:
            return ToolCallOutcomeUnknown(effect=asked.key, tool=asked.tool, remaining=self._time_left())
        entry = self._log.preview.journal.get(asked.key)
        common = {
            "effect": asked.key,
            "tool": asked.tool,
            "version": version,
            "arguments": asked.arguments if entry is None or entry.arguments is None else None,
            "request_digest": asked.digest,
            "duration": outcome.duration,
            "transcript": await self._kept(outcome),
        }
        if isinstance(outcome, ToolSucceeded):
            digest = digest_bytes(outcome.canonical)
            return ToolCallCompleted(result=outcome.encoded, result_digest=digest, **common)
        return ToolCallFailed(error=Fault(type=outcome.type, message=outcome.message), **common)

    async def _kept(self, outcome: ToolOutcome) -> str | None:
        if outcome.transcript is None:
            return None
        return await self._services.content.put(self._log.stream.tenant, outcome.transcript, "text/plain")
