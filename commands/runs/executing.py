"""Runs a program: each effect it asks for is answered by the journal, or guarded, recorded, done and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commands.agents import AgentStuck
from commands.ports import Wake
from commands.programs.log import revocation
from commands.runs.calling import LEASE, Caller
from commands.runs.inheriting import Parent
from commands.runs.log import RunLog
from commands.runs.routing import stopped_tool
from commands.services import Services
from domain.agents.execution import AgentExecution, Waiting
from domain.kernel.values import parse_time
from domain.rtfs import vm
from domain.rtfs.bytecode.source_map import SourceMap
from domain.runs.controller import failed, overtime
from domain.runs.decide import remaining
from domain.runs.effects import SLEEP, SLEEP_TERMS, SleepRefused, timer
from domain.runs.events import (
    RunFailed,
    TimerFired,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ToolCallRequested,
)
from domain.runs.execution import (
    MOST_EFFECTS,
    RANDOM_BYTES,
    Own,
    ProgramExecution,
    Step,
    agent_execution,
    before_patch,
    is_own,
    locate,
)
from domain.runs.guard import Asked, Terms, authorize
from domain.runs.journal import ReplayDiverged, answer_of, asked_by
from domain.runs.parts import Fault, RunEvent
from domain.runs.planning import AgentPinned, ProgramCompiled
from domain.runs.replay import STUCK
from domain.runs.reuse import settled_badly
from domain.runs.state import Entry, Phase, Run, Settlement

LONGEST_PIECE: Final = LEASE.total_seconds() / 2
"""Seconds that an agent may compute without awaiting anything: nothing renews the claim meanwhile."""

MOST_STAGED: Final = 100
"""Values and outcomes that wait for a commit; more would be lost at once."""

SOON: Final = 0.005
"""Seconds for which outcomes may wait for the next commit: about what a commit takes."""

CALLED: Final = (ToolCallCompleted, ToolCallFailed)
"""What comes of a call that was made."""

AWAIT_MORE: Final = "Let the agent await something now and then: what computes for long belongs into a tool."
TOO_MANY: Final = f"the agent has asked for {MOST_EFFECTS} effects"
FEWER: Final = "Let one agent do less, in several runs, or look in the timeline for a loop without an end."


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
        self._asked: set[str] = set()
        """Keys of all effects that the program has asked for since it was begun."""

    @property
    def caller(self) -> Caller:
        """Who calls the tools."""
        return self._caller

    async def execute(self) -> vm.Finished | Resting | Settled:
        """Run the program or agent as far as it goes. The last outcomes may still be staged when this returns."""
        run = self._log.preview
        self._asked.clear()
        if run.program is not None:
            if run.phase is Phase.EXECUTING and (ended := await self._withdrawn()):
                self._log.stage(*ended)
                return Settled()
            return await self._execute(run.program, ProgramExecution(run.program, run.accepted_task.input_values))
        assert run.agent is not None, "only compiled or pinned runs execute"
        execution = agent_execution(run.agent, run, self._services.agents.agents())
        try:
            return await self._execute(run.agent, execution)
        except AgentStuck as error:
            self._log.stage(failed(STUCK, str(error), advice=AWAIT_MORE))
            return Settled()
        finally:
            self._services.agents.release(execution)

    async def _execute(
        self, pinned: ProgramCompiled | AgentPinned, execution: ProgramExecution | AgentExecution
    ) -> vm.Finished | Resting | Settled:
        step = await self._advance(execution, None)
        while True:
            match step:
                case vm.Finished():
                    return step
                case vm.Trapped():
                    self._log.stage(*self._stopped(pinned, step.error))
                    return Settled()
                case vm.Yielded():
                    await self._log.commit()
                    await asyncio.sleep(0)
                    step = await self._advance(execution, {})
                case vm.Suspended() | Waiting():
                    answers = await self._answers([asked_by(pinned, request) for request in step.requests])
                    if not isinstance(answers, dict):
                        return answers
                    step = await self._advance(execution, answers)

    async def _advance(self, execution: ProgramExecution | AgentExecution, answers: Answers | None) -> Step:
        if isinstance(execution, ProgramExecution):
            return execution.start() if answers is None else execution.resume(answers)
        self._caller.renew_claim()
        left = remaining(self._log.preview, self._services.clock.now())
        return await self._services.agents.advance(execution, answers, min(LONGEST_PIECE, left))

    def _stopped(self, pinned: ProgramCompiled | AgentPinned, error: vm.ErrorValue) -> Sequence[RunEvent]:
        """The run's failure; what was reused only ends its turn, where it has changed nothing."""
        failure, precedent = _trapped(pinned, error), self._log.preview.precedent
        if precedent is None:
            why = f"{error.type}: {error.message}"
            gives_way = stopped_tool(self._services, self._log.preview, why)
            return [failure] if gives_way is None else [gives_way]
        settled = settled_badly(self._log.preview, precedent, "failed", f"{error.type}: {error.message}")
        return [settled] if settled.goes_on else [settled, failure]

    async def _withdrawn(self) -> Sequence[RunEvent]:
        """What ends a reused program whose module was revoked since it was chosen; nothing where it may go on."""
        run = self._log.preview
        program, precedent = run.reused, run.precedent
        if program is None or precedent is None:
            return []
        reason = await revocation(self._services, self._log.stream.tenant, program.digest)
        if reason is None:
            return []
        settled = settled_badly(run, precedent, "revoked", reason)
        advice = "Submit the task again: it is then planned anew."
        failure = failed("program.revoked", f"program {program.entry} was revoked: {reason}", advice=advice)
        return [settled] if settled.goes_on else [settled, failure]

    async def _answers(self, effects: Sequence[Asked]) -> Answers | Resting | Settled:
        try:
            answers, unanswered = self._recorded(effects)
            if not unanswered:
                return answers
            if ended := await self._withdrawn():
                self._log.stage(*ended)
                return Settled()
            if remaining(self._log.preview, self._services.clock.now()) <= 0:
                self._log.stage(overtime(self._log.preview))
                return Settled()
            if self._log.preview.agent is not None and len(self._log.preview.journal) >= MOST_EFFECTS:
                self._log.stage(failed("limits.effects", TOO_MANY, advice=FEWER))
                return Settled()
            await self._settle(await self._not_inherited(unanswered))
            answers, unanswered = self._recorded(effects)
        except ReplayDiverged as error:
            advice = "The program is not what was recorded; fork the run, or submit the task again."
            locate(error, self._log.preview, self._services.agents.agents())
            self._log.stage(failed(error.code, str(error), effect=error.effect, advice=advice))
            return Settled()
        if self._log.preview.ended:
            return Settled()
        return await self._rest() if unanswered else answers

    def _recorded(self, effects: Sequence[Asked]) -> tuple[Answers, list[Asked]]:
        journal = self._log.preview.journal
        answers: Answers = {}
        unanswered = []
        self._asked.update(asked.key for asked in effects)
        for asked in effects:
            answer = answer_of(journal.get(asked.key), asked)
            if answer is None and before_patch(self._log.preview, asked, self._asked):
                answer = vm.Returned(value=False)
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
            if not self._may_go_first(ready):
                await self._log.commit()
            await self._caller.call(ready)
        elif len(self._log.staged) > MOST_STAGED:
            await self._log.commit()

    def _may_go_first(self, ready: Sequence[Asked]) -> bool:
        """Whether a call may be made while the outcomes before it still wait for a commit.

        A crash then loses what is had again by the same calls, in less time than a commit takes; the next call may
        take longer, and they wait for it. Whatever the world must not see twice has been asked for first, by an event
        that is acknowledged before the call.
        """
        return (
            len(ready) == 1
            and len(self._log.staged) <= MOST_STAGED
            and all(self._can_be_had_again(event) for event in self._log.staged)
            and self._log.staged_for() < SOON
            and sum(each.duration for each in self._log.staged if isinstance(each, CALLED)) < SOON
            and self._caller.is_short(ready[0])
        )

    def _can_be_had_again(self, event: RunEvent) -> bool:
        if not isinstance(event, CALLED):
            return False
        terms = self._terms(event.tool)
        return terms is not None and terms.repeatable

    def _is_counted(self, asked: Asked) -> bool:
        entry = self._log.preview.journal.get(asked.key)
        return entry is not None and entry.settlement is not Settlement.APPROVED

    def _prepare(self, asked: Asked, under_way: int) -> bool:
        """Stage what comes before an effect; tell whether it may be done now."""
        entry = self._log.preview.journal.get(asked.key)
        if entry is None and is_own(asked.tool):
            own = Own(self._services.clock.now(), self._services.randomness.bytes(RANDOM_BYTES))
            self._log.stage(own.answer(asked))
            return False
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
            self._caller.release_claim()
            await self._log.commit()
        due = [
            parse_time(e.due) for e in self._log.run.journal.values() if e.due and e.settlement is Settlement.SLEEPING
        ]
        if due and self._log.run.deadline is not None:
            soonest = min(*due, parse_time(self._log.run.deadline))
            await self._services.wakes.send(Wake(self._log.stream, "timer due"), soonest)
        return Resting()


def _trapped(pinned: ProgramCompiled | AgentPinned, error: vm.ErrorValue) -> RunFailed:
    if isinstance(pinned, ProgramCompiled):
        place = SourceMap.decode(pinned.source_map.encode()).place(error.site)
        text = f"the module {place[0]}" if place and place[0] else "the plan"
        where = f" (line {place[1]}, column {place[2]} of {text})" if place else ""
    else:
        where = f" (line {error.site} of agent {pinned.agent} {pinned.version})" if error.site else ""
    what = "plan" if isinstance(pinned, ProgramCompiled) else "agent"
    advice = f"`precedent show` gives the effect and the timeline; correct the {what}, the task's rights or the tool."
    return failed(error.type, error.message + where, effect=error.effect, advice=advice)


def has_versions(services: Services, run: Run) -> bool:
    """Whether this worker has the run's tools and its agent, at the versions to which it is pinned."""
    declared = services.tools.declarations()
    name = run.accepted_task.agent
    agent = None if name is None else services.agents.agents().get(name)
    if name is not None and (agent is None or (run.agent is not None and agent.version != run.agent.version)):
        return False
    if run.pinned is None:
        return all(tool == SLEEP or tool in declared for tool in run.accepted_task.tools)
    return all(
        effect.name == SLEEP or (effect.name in declared and declared[effect.name].capability.version == effect.version)
        for effect in run.pinned.effects
    )
