"""Runs a program: each effect it asks for is answered by the journal, or guarded, recorded, done and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from commands.ports import Wake
from commands.runs.calling import Caller
from commands.runs.inheriting import Parent
from commands.runs.log import RunLog
from commands.services import Services
from domain.kernel.values import parse_time
from domain.rtfs import vm
from domain.rtfs.bytecode.source_map import SourceMap
from domain.runs.controller import failed, overtime
from domain.runs.decide import remaining
from domain.runs.effects import SLEEP, SLEEP_TERMS, SleepRefused, timer
from domain.runs.events import (
    Fault,
    ProgramCompiled,
    RunFailed,
    TimerFired,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallRequested,
)
from domain.runs.guard import Asked, Terms, authorize
from domain.runs.journal import PROGRAM_LIMITS, ReplayDiverged, answer_of, asked_by, loaded
from domain.runs.state import Entry, Run, Settlement


@dataclass(frozen=True, slots=True)
class Resting:
    """The program waits for a person or a timer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The run's end was staged."""


Answers = dict[str, vm.Answer]


class Executor:
    """Executes the program of one run. It may be called again and again: the journal answers what is answered."""

    def __init__(self, services: Services, log: RunLog, parent: Parent) -> None:
        self._services = services
        self._log = log
        self._parent = parent
        self._caller = Caller(services, log)

    @property
    def caller(self) -> Caller:
        """Who calls the tools."""
        return self._caller

    async def execute(self) -> vm.Finished | Resting | Settled:
        """Run the program as far as it goes. The last outcomes may still be staged when this returns."""
        program, task = self._log.preview.program, self._log.preview.accepted_task
        assert program is not None, "only compiled runs execute"
        step = vm.start(loaded(program.module)[1], {"inputs": task.input_values}, PROGRAM_LIMITS)
        while True:
            match step:
                case vm.Finished():
                    return step
                case vm.Trapped():
                    self._log.stage(_trapped(program, step.error))
                    return Settled()
                case vm.Yielded():
                    await self._log.commit()
                    await asyncio.sleep(0)
                    step = vm.resume(step.state, {})
                case vm.Suspended():
                    answers = await self._answers([asked_by(program, request) for request in step.requests])
                    if not isinstance(answers, dict):
                        return answers
                    step = vm.resume(step.state, answers)

    async def _answers(self, effects: Sequence[Asked]) -> Answers | Resting | Settled:
        try:
            answers, unanswered = self._recorded(effects)
            if not unanswered:
                return answers
            if remaining(self._log.preview, self._services.clock.now()) <= 0:
                self._log.stage(overtime(self._log.preview))
                return Settled()
            await self._settle(await self._not_inherited(unanswered))
            answers, unanswered = self._recorded(effects)
        except ReplayDiverged as error:
            error.locate(self._log.preview)
            advice = "The program is not what was recorded; fork the run, or submit the task again."
            self._log.stage(failed(error.code, str(error), effect=error.effect, advice=advice))
            return Settled()
        if self._log.preview.ended:
            return Settled()
        return await self._rest() if unanswered else answers

    def _recorded(self, effects: Sequence[Asked]) -> tuple[Answers, list[Asked]]:
        journal = self._log.preview.journal
        answers: Answers = {}
        unanswered = []
        for asked in effects:
            answer = answer_of(journal.get(asked.key), asked)
            if answer is None:
                unanswered.append(asked)
            else:
                answers[asked.key] = answer
        return answers, unanswered

    async def _not_inherited(self, effects: Sequence[Asked]) -> list[Asked]:
        """Stage the answers that a fork inherits; give what is left to be asked of the world."""
        left = []
        for asked, answer in zip(effects, await self._parent.answers(effects), strict=True):
            if answer is None:
                left.append(asked)
            else:
                self._log.stage(answer)
        return left

    async def _settle(self, effects: Sequence[Asked]) -> None:
        """Guard, record, do, record: in that order for every open effect of a group."""
        self._caller.renew_claim()
        ready: list[Asked] = []
        uncounted = 0
        for asked in effects:
            if self._prepare(asked, uncounted):
                ready.append(asked)
                uncounted += not self._is_counted(asked)
        if ready:
            await self._log.commit()
            await self._caller.call(ready)

    def _is_counted(self, asked: Asked) -> bool:
        entry = self._log.preview.journal.get(asked.key)
        return entry is not None and entry.settlement is not Settlement.APPROVED

    def _prepare(self, asked: Asked, under_way: int) -> bool:
        """Stage what comes before an effect; tell whether it may be done now."""
        entry = self._log.preview.journal.get(asked.key)
        if entry is None or entry.settlement is Settlement.APPROVED:
            return self._begin(asked, under_way)
        if entry.settlement is Settlement.REQUESTED:
            return self._recover(asked)
        if entry.settlement is Settlement.SLEEPING and self._due(entry):
            self._log.stage(TimerFired(effect=asked.key))
        return False

    def _begin(self, asked: Asked, under_way: int) -> bool:
        now = self._services.clock.now()
        event = authorize(self._log.preview, asked, self._terms(asked.tool), now, under_way)
        if event is not None:
            self._log.stage(event)
        elif asked.tool == SLEEP:
            self._start_timer(asked)
            return False
        return event is None or isinstance(event, ToolCallRequested)

    def _start_timer(self, asked: Asked) -> None:
        try:
            self._log.stage(timer(asked, self._services.clock.now()))
        except SleepRefused as error:
            self._log.stage(
                ToolCallFailed(
                    effect=asked.key,
                    tool=asked.tool,
                    version=SLEEP_TERMS.version,
                    arguments=asked.arguments,
                    request_digest=asked.digest,
                    error=Fault(type=error.code, message=str(error)),
                    duration=0.0,
                )
            )

    def _recover(self, asked: Asked) -> bool:
        """A worker vanished between request and outcome: repeat what may be repeated, else ask a person."""
        terms = self._terms(asked.tool)
        if terms is not None and terms.repeatable:
            return True
        left = remaining(self._log.preview, self._services.clock.now())
        self._log.stage(ToolCallOutcomeUnknown(effect=asked.key, tool=asked.tool, remaining=left))
        return False

    def _terms(self, tool: str) -> Terms | None:
        if tool == SLEEP:
            return SLEEP_TERMS
        declaration = self._services.tools.declarations().get(tool)
        if declaration is None:
            return None
        capability = declaration.capability
        return Terms(version=capability.version, mode=capability.effects, idempotent=declaration.idempotent)

    def _due(self, entry: Entry) -> bool:
        return entry.due is not None and parse_time(entry.due) <= self._services.clock.now()

    async def _rest(self) -> Resting:
        if self._log.has_news:
            await self._log.commit()
        due = [
            parse_time(e.due) for e in self._log.run.journal.values() if e.due and e.settlement is Settlement.SLEEPING
        ]
        if due and self._log.run.deadline is not None:
            soonest = min(*due, parse_time(self._log.run.deadline))
            await self._services.wakes.send(Wake(self._log.stream, "timer due"), soonest)
        return Resting()


def _trapped(program: ProgramCompiled, error: vm.ErrorValue) -> RunFailed:
    place = SourceMap.decode(program.source_map.encode()).position(error.site)
    where = f" (line {place[0]}, column {place[1]} of the plan)" if place else ""
    advice = "`precedent show` gives the effect and the timeline; correct the plan, the task's rights or the tool."
    return failed(error.type, error.message + where, effect=error.effect, advice=advice)


def has_versions(services: Services, run: Run) -> bool:
    """Whether this worker has the run's tools, at the versions to which its program is pinned."""
    declared = services.tools.declarations()
    if run.program is None:
        return all(tool == SLEEP or tool in declared for tool in run.accepted_task.tools)
    return all(
        effect.name == SLEEP or (effect.name in declared and declared[effect.name].capability.version == effect.version)
        for effect in run.program.effects
    )
