"""Verify a recorded run: execute its program again, every effect answered from the journal, and compare.

Steps, in this order:

1. The events fold into a state; what is no history of a run, and an event that this release does not know, is refused.
2. Every recorded request, result and output has its recorded digest, and the program's bytes have theirs.
3. The program is executed. Each request must be in the journal at the same key with the same digest.
4. Every effect in the journal was asked for again.
5. The end is the same: the output's bytes, or the error; and the critic's verdict on it.

Pure: no server is needed, only the events. The first difference raises ``ReplayDiverged``; what cannot even be read as
a run raises ``HistoryInvalid``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import orjson

from domain.agents.execution import AgentExecution, Waiting
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.values import Json, Value, ValueNotDecodable, digest_json, encode
from domain.rtfs import vm
from domain.rtfs.bytecode.module import ModuleInvalid
from domain.rtfs.modules import ModuleSource
from domain.runs.critic import judge
from domain.runs.events import (
    OutcomeResolved,
    RunCompleted,
    RunFailed,
    RunSubmitted,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallRequested,
    ValueRecorded,
)
from domain.runs.execution import (
    NONE,
    Agents,
    ProgramExecution,
    Step,
    agent_execution,
    before_patch,
    locate,
)
from domain.runs.folding import evolve
from domain.runs.guard import request_digest
from domain.runs.journal import ReplayDiverged, answer_of, asked_by
from domain.runs.parts import RunEvent
from domain.runs.planning import AgentPinned, ProgramCompiled, ReuseSettled
from domain.runs.slices import Sliced, at_once
from domain.runs.state import EMPTY, Entry, Phase, Run

STUCK: Final = "limits.stuck"
"""Type of the failure of an agent that came to no effect and no end."""

FROM_OUTSIDE: Final = ("limits.", "driver.", "replay.", "stored.", "program.revoked")
"""Types of failures that did not come out of the program."""


CameTo: TypeAlias = Callable[[str], None]


class HistoryInvalid(StoredDataInvalid):
    """These events were never a run, or some are missing: ``precedent audit verify`` tells whether the log is whole."""

    code = "stored.history-invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a verification went through without finding a difference."""

    events: int
    effects: int
    """Effects asked for again and answered from the journal."""
    ended: str
    """Phase in which the run is; an open run is verified as far as it has come."""
    output_digest: str | None
    fuel: int
    replayable: bool = True
    """False: the run has no program and no agent yet, or ended before it had one."""


def fold(events: Iterable[RunEvent]) -> Run:
    """State of a run after these events. Raises ``HistoryInvalid``."""
    run = EMPTY
    for number, event in enumerate(events, start=1):
        if number == 1 and not isinstance(event, RunSubmitted):
            raise HistoryInvalid(f"the first event is {event.short_name()}; a run begins with RunSubmitted")
        try:
            run = evolve(run, event)
        except KeyError as error:
            raise HistoryInvalid(
                f"event {number} is {event.short_name()} of effect {error.args[0]}, of which no event before it tells"
            ) from error
    return run


def verify(events: Iterable[RunEvent], agents: Agents = NONE, came_to: CameTo = lambda _: None) -> Replay:
    """Verify one run; that of an agent needs the agent. ``came_to`` is told the key of each effect as it is asked for.

    Raises ``ReplayDiverged``, ``HistoryInvalid``, ``AgentUnavailable``.
    """
    return at_once(verifying(events, agents, came_to))


def verifying(events: Iterable[RunEvent], agents: Agents = NONE, came_to: CameTo = lambda _: None) -> Sliced[Replay]:
    """``verify`` in slices."""
    recorded = list(events)
    run = fold(recorded)  # 1
    begun = max((place for place, event in enumerate(recorded, start=1) if _routes_anew(event)), default=0)
    # A program that was reused and did not do is verified as the open run that it left.
    before = (yield from verifying(recorded[: begun - 1], agents, came_to)) if begun else None
    made = yield from _verified(recorded, begun, run, agents, came_to)
    if before is None:
        return made
    return replace(
        made,
        effects=made.effects + before.effects,
        fuel=made.fuel + before.fuel,
        replayable=made.replayable or before.replayable,
    )


def _routes_anew(event: RunEvent) -> bool:
    return isinstance(event, ReuseSettled) and event.goes_on


def _verified(recorded: list[RunEvent], begun: int, run: Run, agents: Agents, came_to: CameTo) -> Sliced[Replay]:
    if run.pinned is None:
        return Replay(events=len(recorded), effects=0, ended=run.phase, output_digest=None, fuel=0, replayable=False)
    try:
        made = yield from _verify(recorded[begun:], run, run.pinned, agents, came_to)
    except ReplayDiverged as error:
        locate(error, run, agents)
        raise
    except (ValueNotDecodable, ModuleInvalid) as error:
        raise HistoryInvalid(f"the record holds what no run ever wrote: {error}") from error
    return replace(made, events=len(recorded))


def _verify(
    recorded: list[RunEvent], run: Run, pinned: ProgramCompiled | AgentPinned, agents: Agents, came_to: CameTo
) -> Sliced[Replay]:
    output_digest = _check_digests(recorded)  # 2
    if isinstance(pinned, ProgramCompiled):
        execution = _Execution(run, pinned, _program(run, pinned))
    else:
        execution = _Execution(run, pinned, agent_execution(pinned, run, agents))
    try:
        step = yield from execution.run(came_to)  # 3
    finally:
        execution.close()
    execution.check_all_asked()  # 4
    output = _check_end(run, step, output_digest, execution.encoded)  # 5
    fuel = step.fuel if isinstance(step, vm.Finished | vm.Trapped) else 0
    return Replay(events=len(recorded), effects=len(execution.asked), ended=run.phase, output_digest=output, fuel=fuel)


def execute(run: Run, program: ProgramCompiled) -> vm.Suspended | vm.Finished | vm.Trapped:
    """Execute a run's program as far as its journal answers. Raises ``ReplayDiverged``."""
    try:
        step = at_once(_Execution(run, program, _program(run, program)).run())
    except ReplayDiverged as error:
        error.locate(run)
        raise
    assert not isinstance(step, Waiting), "programs are suspended"
    return step


def _check_digests(events: Iterable[RunEvent]) -> str | None:
    """Compare what is recorded with its digests; give that of the output, if there is one."""
    requests: dict[str, str] = {}
    output: str | None = None
    for event in events:
        if isinstance(event, ToolCallRequested | ToolCallCompleted | ToolCallFailed):
            _check_request(event, requests.setdefault(event.effect, event.request_digest))
        match event:
            case ToolCallCompleted(effect=where, result=value, result_digest=expected):
                _check_digest(where, value, expected)
            case ValueRecorded(effect=where, kind=kind, arguments=asked, request_digest=expected):
                if (actual := request_digest(kind, "", asked)) != expected:
                    raise ReplayDiverged(where, f"a request {expected}", f"arguments whose digest is {actual}")
            case OutcomeResolved(effect=where, result=value, result_digest=str(expected)):
                _check_digest(where, value, expected)
            case RunCompleted(output=value, output_digest=output):
                _check_digest("output", value, output)
    return output


def _check_request(event: ToolCallRequested | ToolCallCompleted | ToolCallFailed, before: str) -> None:
    recorded = event.request_digest
    if recorded != before:
        raise ReplayDiverged(event.effect, f"a request {before}", f"{recorded} in another event")
    if event.arguments is not None:
        actual = request_digest(event.tool, event.version, event.arguments)
        if actual != recorded:
            raise ReplayDiverged(event.effect, f"a request {recorded}", f"arguments whose digest is {actual}")


def _check_digest(where: str, value: Any, expected: str) -> None:
    if (actual := digest_json(value)) != expected:
        raise ReplayDiverged(where, f"digest {expected}", f"a value with digest {actual}")


def _program(run: Run, program: ProgramCompiled) -> ProgramExecution:
    execution = ProgramExecution(program, run.accepted_task.input_values)
    if execution.digest != program.digest:
        raise ReplayDiverged("program", program.digest, execution.digest)
    _check_modules(run, program)
    return execution


def _check_modules(run: Run, program: ProgramCompiled) -> None:
    """Refuse a program that was compiled with other texts than its task has."""
    texts = run.accepted_task.modules
    for pin in program.modules:
        actual = ModuleSource(texts[pin.name]).digest if pin.name in texts else "no text in the task"
        if actual != pin.digest:
            raise ReplayDiverged("program", f"module {pin.name} {pin.digest}", actual)


class _Execution:
    def __init__(
        self, run: Run, pinned: ProgramCompiled | AgentPinned, execution: ProgramExecution | AgentExecution
    ) -> None:
        self.asked: set[str] = set()
        self._given: list[tuple[Value, Json]] = []
        """Results given to a program, with their JSON forms."""
        self._run = run
        self._pinned = pinned
        self._execution = execution

    def run(self, came_to: CameTo = lambda _: None) -> Sliced[vm.Suspended | Waiting | vm.Finished | vm.Trapped]:
        """Execute as far as the journal answers."""
        if self._stuck_now():
            return Waiting(())
        try:
            step: Step = self._execution.start()
        except vm.ArgumentsInvalid as error:
            raise ReplayDiverged("inputs", "inputs that the program takes", str(error)) from error
        while isinstance(step, vm.Suspended | Waiting | vm.Yielded):
            if isinstance(step, vm.Yielded):
                yield
                step = self._execution.resume({})
                continue
            for request in step.requests:
                came_to(request.key)
                if request.key in self._run.journal:
                    self.asked.add(request.key)
            answers: dict[str, vm.Answer] = {}
            for request in step.requests:
                if (answer := self._answer(request)) is not None:
                    answers[request.key] = answer
            if len(answers) < len(step.requests) or self._stuck_now():
                return step
            step = self._execution.resume(answers)
        return step

    def _stuck_now(self) -> bool:
        """Whether this is where the agent never came back from: it must not be tried again."""
        error = self._run.error
        return error is not None and error.error.type == STUCK and self._run.journal.keys() <= self.asked

    def close(self) -> None:
        """Let go of an agent."""
        if isinstance(self._execution, AgentExecution):
            self._execution.close()

    def _answer(self, request: vm.EffectRequest) -> vm.Answer | None:
        asked = asked_by(self._pinned, request)
        entry = self._run.journal.get(asked.key)
        if entry is None and before_patch(self._run, asked, self.asked):
            return vm.Returned(value=False)
        if entry is None and self._run.ended and self._run.phase is Phase.COMPLETED:
            raise ReplayDiverged(asked.key, "no such effect", f"{asked.tool} {asked.digest}", site=asked.site)
        answer = answer_of(entry, asked)
        if entry is not None and isinstance(answer, vm.Returned):
            self._given.append((answer.value, entry.result))
        return answer

    def encoded(self, value: Value) -> Json:
        """The JSON form of what came out; what a program passes on unchanged was read from its form in the journal."""
        if isinstance(self._execution, AgentExecution):
            return encode(value)  # Python may have changed what it was given
        return _encoded(value, {id(given): form for given, form in self._given})

    def check_all_asked(self) -> None:
        """Refuse a journal that holds more than the program asks for."""
        for key, entry in self._run.journal.items():
            if key not in self.asked:
                raise ReplayDiverged(key, _described(entry), "nothing there")


def _encoded(value: Value, known: Mapping[int, Json]) -> Json:
    """As ``encode``, where the JSON forms of some vectors and maps within are known by their ``id``."""
    if type(value) is list:
        return known.get(id(value)) or [_encoded(item, known) for item in value]
    if type(value) is dict and all(type(key) is str and key.isascii() and "$" not in key for key in value):
        return known.get(id(value)) or {key: _encoded(item, known) for key, item in value.items()}
    return encode(value)


def _described(entry: Entry) -> str:
    return f"{entry.tool} {entry.request_digest} ({entry.settlement})"


def _bytes(tree: Any) -> bytes:
    # Equal just where the canonical bytes are, and made in a fraction of the time.
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)


def _check_end(run: Run, step: Step, recorded: str | None, encoded: Callable[[Value], Json]) -> str | None:
    if run.phase is Phase.COMPLETED:
        if not isinstance(step, vm.Finished):
            raise ReplayDiverged("output", "a completed run", _ended(step), site=_site(step))
        assert recorded is not None, "only an output completes a run"
        actual = encoded(step.value)
        if _bytes(actual) != _bytes(run.output):
            raise ReplayDiverged("output", recorded, digest_json(actual), values=(run.output, actual))
        verdict = judge(run.accepted_task, step.value, saw=recorded)
        if run.verdict is None or verdict != run.verdict:
            raise ReplayDiverged("verdict", str(run.verdict), str(verdict))
        return recorded
    if run.phase is Phase.JUDGED and run.verdict is not None and isinstance(step, vm.Finished):
        if (verdict := judge(run.accepted_task, step.value)) != run.verdict:
            raise ReplayDiverged("verdict", str(run.verdict), str(verdict))
        return None
    if run.phase is Phase.FAILED and run.error is not None:
        _check_failure(run, run.error, step)
    return None


def _check_failure(run: Run, failure: RunFailed, step: Step) -> None:
    if failure.error.type.startswith(FROM_OUTSIDE):
        return
    expected = f"{failure.error.type} at {failure.effect}: {failure.error.message}"
    if run.verdict is not None:
        if not isinstance(step, vm.Finished):
            raise ReplayDiverged("output", "an output that the critic rejected", _ended(step), site=_site(step))
        if (verdict := judge(run.accepted_task, step.value)) != run.verdict:
            raise ReplayDiverged("verdict", str(run.verdict), str(verdict))
        return
    if not isinstance(step, vm.Trapped):
        raise ReplayDiverged("error", expected, _ended(step), site=_site(step))
    same = (failure.error.type, failure.effect) == (step.error.type, step.error.effect)
    if not same or not failure.error.message.startswith(step.error.message):
        raise ReplayDiverged("error", expected, _ended(step), site=_site(step))


def _ended(step: Step) -> str:
    match step:
        case vm.Finished():
            return "the program finishes"
        case vm.Trapped(error=error):
            return f"the program stops: {error.type} at {error.effect}: {error.message}"
        case _:
            return "the program waits for an effect that is not in the journal"


def _site(step: Step) -> int | None:
    return step.error.site if isinstance(step, vm.Trapped) else None
