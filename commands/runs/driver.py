"""Drives one run from wherever it stands until it ends or must wait. Re-entrant: everything is read from its events."""

from __future__ import annotations

import logging
from enum import StrEnum

from commands.runs.calling import LEASE, Interrupted
from commands.runs.comparing import stage_comparison
from commands.runs.executing import Executor, Resting, Settled, has_versions
from commands.runs.inheriting import Parent, ParentDiffers
from commands.runs.learning import learn
from commands.runs.log import Overtaken, RunLog
from commands.runs.planning import compile_draft, draft_plan, pin_agent
from commands.runs.routing import refused_tool, route_run
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_json, encode, format_time, parse_time
from domain.runs.controller import Step, concluded, failed, next_step, overtime
from domain.runs.critic import judge
from domain.runs.events import RunClaimed
from domain.runs.reuse import settled_by

logger = logging.getLogger(__name__)


class Rest(StrEnum):
    """Why a driver stopped."""

    ENDED = "ended"
    WAITING = "waiting"
    """For a person or a timer; a wake message will come."""
    ELSEWHERE = "elsewhere"
    """Another worker holds a live claim."""
    INCOMPATIBLE = "incompatible"
    """The run is pinned to versions that this worker does not have."""


class Driver:
    """Drives one run in one worker process."""

    def __init__(self, services: Services, stream: StreamId, author: str) -> None:
        """Drive as ``author`` (``worker/nonce``); a later process of the same worker may take over at once."""
        self._services = services
        self._log = RunLog(services, stream, author)
        self._parent = Parent(services, self._log)
        self._executor = Executor(services, self._log, self._parent)
        self._epoch = 0
        """Epoch of our claim, once staged."""

    def poke(self) -> None:
        """Someone appended to the run: look at it now."""
        self._executor.caller.poke()

    async def drive(self) -> Rest:
        """Drive until the run ends or rests. Raises ``ServiceUnreachable``; then the wake must be delivered again."""
        exact = self._executor.caller.exact
        try:
            await self._log.refresh()
            await exact.recover()
            while True:
                rest = await self._advance()
                if rest is not None:
                    await exact.settle()
                    return rest
        finally:
            await exact.abandon()
            self._executor.caller.close()

    async def give_up(self, error: Exception) -> None:
        """Fail the run for a fault of ours that keeps coming back."""
        await self._log.refresh()
        if not self._log.run.ended:
            message = f"the driver failed: {type(error).__name__}: {error}"
            advice = "This is a fault of Precedent; its logs have the trace. Submit the task again once it is mended."
            self._log.stage(failed("driver.failed", message, advice=advice))
            await self._log.commit()

    async def _advance(self) -> Rest | None:
        try:
            step = next_step(self._log.preview, self._services.clock.now())
            if step is Step.END:
                await self._log.commit()
                await learn(self._services, self._log)
                return Rest.ENDED
            if step is Step.REST:
                self._executor.caller.release_claim()
                await self._log.commit()
                return Rest.WAITING
            return self._claim(step) or await self._take(step)
        except Overtaken as error:
            logger.info("%s", error)
        except Interrupted:
            logger.info("run %s was ended or taken over", self._log.stream.id)
        except ParentDiffers as error:
            advice = "`precedent audit verify` tells whether the log is whole; fork a run that is."
            self._log.stage(failed(error.code, str(error), advice=advice))
        return None

    def _claim(self, step: Step) -> Rest | None:
        """Stage a claim unless we hold one; it is committed together with the first thing that the worker does."""
        claim = self._log.preview.claim
        if claim is not None and claim.worker == self._log.author:
            self._epoch = claim.epoch
            return None
        if claim is not None and (0 < self._epoch < claim.epoch or not self._may_take_over(claim.worker)):
            return Rest.ELSEWHERE
        # Whose time is over needs no tools any more: else a run that no worker can drive would never end.
        if step is not Step.OVERTIME and not has_versions(self._services, self._log.preview):
            return Rest.INCOMPATIBLE
        self._epoch = claim.epoch + 1 if claim else 1
        deadline = format_time(self._services.clock.now() + LEASE)
        self._log.stage(RunClaimed(worker=self._log.author, epoch=self._epoch, deadline=deadline))
        return None

    def _may_take_over(self, holder: str) -> bool:
        claim = self._log.preview.claim
        same_worker = holder.partition("/")[0] == self._log.author.partition("/")[0]
        return claim is None or same_worker or parse_time(claim.deadline) <= self._services.clock.now()

    async def _take(self, step: Step) -> Rest | None:
        """Take one step. Pure steps stay staged, to be committed together with the next that touches the world."""
        run = self._log.preview
        match step:
            case Step.OVERTIME:
                self._log.stage(overtime(run))
            case Step.ROUTE:
                await route_run(self._services, self._log)
            case Step.DRAFT:
                await draft_plan(self._services, self._log, self._executor.caller, self._parent)
            case Step.PIN:
                pin_agent(self._services, self._log)
            case Step.COMPILE:
                compile_draft(self._services, self._log)
            case _:
                return await self._execute()
        return None

    async def _execute(self) -> Rest | None:
        outcome = await self._executor.execute()
        if isinstance(outcome, Resting):
            return Rest.WAITING
        if isinstance(outcome, Settled):
            return None
        task = self._log.preview.accepted_task
        verdict = self._log.preview.verdict
        output = encode(outcome.value)
        if verdict is None:
            verdict = judge(task, outcome.value, saw=digest_json(output))
            self._log.stage(verdict)
        precedent = self._log.preview.precedent
        if precedent is not None:
            settled = settled_by(self._log.preview, precedent, verdict)
            self._log.stage(settled)
            if settled.goes_on:
                return None
        elif (gives_way := refused_tool(self._services, self._log.preview, verdict)) is not None:
            self._log.stage(gives_way)
            return None
        elif verdict.passed:
            await stage_comparison(self._services, self._log, outcome.value)
        self._log.stage(concluded(verdict, output))
        return None
