"""Start a module, go on with answers: lanes are run in order until each of them waits or has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value
from domain.rtfs.bytecode.operations import Op
from domain.rtfs.metering import Fault, Limits
from domain.rtfs.types import advice, mismatch, widen
from domain.rtfs.vm.code import Closure
from domain.rtfs.vm.lanes import Lane, Status
from domain.rtfs.vm.loading import Module
from domain.rtfs.vm.running import run
from domain.rtfs.vm.steps import (
    Answer,
    EffectRequest,
    ErrorValue,
    Finished,
    Raised,
    State,
    Step,
    Suspended,
    Trapped,
    Yielded,
)

SLICE: Final = 200_000
"""Fuel of one step: some tens of milliseconds."""

_ENDS: Final = frozenset({Op.RETURN, Op.TAIL_CALL, Op.TAIL_SIBLING})


class ArgumentsInvalid(PrecedentError):
    """Give the module exactly the arguments that its interface names, with values of their types."""

    code: ClassVar[str] = "rtfs.arguments-invalid"


class UnexpectedAnswer(PrecedentError):
    """Answer only what the last step asked, by the keys of its requests."""

    code: ClassVar[str] = "rtfs.unexpected-answer"


def start(
    module: Module, arguments: Mapping[str, Value], limits: Limits | None = None, slice_fuel: int = SLICE
) -> Step:
    """Run a module from its beginning to its first effects, its end, or the end of the slice.

    Raises ``ArgumentsInvalid``.
    """
    limits = limits or Limits()
    names = [name for name, _ in module.parts.parameters]
    if set(arguments) != set(names):
        given = ", ".join(sorted(arguments)) or "none"
        raise ArgumentsInvalid(f"the module takes {', '.join(names) or 'none'}; given are {given}")
    values: list[Any] = []
    for name, expected in module.parts.parameters:
        problem = mismatch(arguments[name], expected)
        if problem is not None:
            raise ArgumentsInvalid(f"`{name}`: {problem}")
        values.append(arguments[name])
    root = Lane("", limits, Closure(module.functions[0], []), values)
    return _Execution(module, limits, [root]).step(slice_fuel)


def resume(state: State, answers: Mapping[str, Answer], slice_fuel: int = SLICE) -> Step:
    """Go on from a state with answers by effect key; further effects may stay open.

    The state is not changed. Raises ``UnexpectedAnswer``.
    """
    execution = _Execution(state.module, state.limits, [lane.copy() for lane in state.lanes])
    execution.answer(answers)
    return execution.step(slice_fuel)


class _Execution:
    """One step at work, on lanes of its own."""

    def __init__(self, module: Module, limits: Limits, lanes: list[Lane]) -> None:
        self.module = module
        self.limits = limits
        self.lanes = {lane.path: lane for lane in lanes}

    def answer(self, answers: Mapping[str, Answer]) -> None:
        """Hand answers to the lanes that wait for them."""
        waiting = {lane.request.key: lane for lane in self.lanes.values() if lane.request is not None}
        for key, answer in answers.items():
            lane = waiting.get(key)
            if lane is None:
                raise UnexpectedAnswer(f"effect {key} is not open; open are {', '.join(waiting) or 'none'}")
            self.take(lane, key, answer)

    def take(self, lane: Lane, key: str, answer: Answer) -> None:
        effect = lane.effect
        assert effect is not None
        lane.request, lane.effect, lane.status = None, None, Status.READY
        if isinstance(answer, Raised):
            lane.fault = Fault(answer.type, answer.message, effect=key)
            return
        try:
            lane.meter.allocate(lane.meter.walk(answer.value))
        except Fault as fault:
            lane.fault = fault
            return
        problem = mismatch(answer.value, effect.result)
        if problem is not None:
            message = f"`{effect.name}` gave what it does not declare: {problem}"
            lane.fault = Fault("type-mismatch", message, effect=key, hint=advice(problem))
            return
        lane.registers[lane.target] = answer.value

    def step(self, slice_fuel: int) -> Step:
        """Run what can run, and say how it stands."""
        while True:
            ready = [lane for lane in self.lanes.values() if lane.status is Status.READY]
            for lane in ready:
                before = lane.meter.fuel
                run(lane, max(0, before - slice_fuel))
                slice_fuel -= before - lane.meter.fuel
                if lane.status is Status.READY:
                    return Yielded(self.state())
                if lane.status is Status.GROUP:
                    self.fork(lane)
            settled = self.join()
            if not ready and not settled:
                return self.outcome()

    def fork(self, lane: Lane) -> None:
        """Start a lane for every function of a parallel group."""
        if lane.group:
            return
        group = lane.key()
        paths = []
        count = max(1, len(lane.arguments))
        # Equal shares: which lane is answered first must not decide which of them runs dry.
        share = replace(lane.meter.limits, fuel=lane.meter.fuel // count, memory=lane.meter.limits.memory // count)
        for number, function in enumerate(lane.arguments):
            path = f"{group}/{number}/"
            self.lanes[path] = Lane(path, share, function, ())
            paths.append(path)
        lane.group = tuple(paths)
        lane.arguments = ()

    def join(self) -> bool:
        """Let lanes go on whose whole group has ended; the error of the lowest lane wins."""
        settled = False
        if len(self.lanes) == 1 and self.lanes[""].status is not Status.GROUP:
            return settled  # as most are
        for lane in list(self.lanes.values()):
            if lane.status is not Status.GROUP:
                continue
            members = [self.lanes[path] for path in lane.group]
            if all(member.status in (Status.DONE, Status.FAILED) for member in members):
                self.settle(lane, members)
                settled = True
        return settled

    def settle(self, lane: Lane, members: list[Lane]) -> None:
        lane.meter.fuel -= sum(member.meter.limits.fuel - member.meter.fuel for member in members)
        lane.meter.memory += sum(member.meter.memory for member in members)
        lane.group, lane.status = (), Status.READY
        for member in members:
            del self.lanes[member.path]
        lane.registers[lane.target] = [member.value for member in members]
        for member in members:
            if member.error is not None:
                error = member.error
                lane.fault = Fault(error.type, error.message, effect=error.effect, fatal=member.fatal, hint=error.hint)
                break

    def outcome(self) -> Step:
        """Say how things stand when no lane can run."""
        root = self.lanes[""]
        used = self.limits.fuel - root.meter.fuel
        if root.status is Status.FAILED:
            assert root.error is not None
            return Trapped(root.error, used)
        if root.status is Status.DONE:
            return self.finish(root, used)
        requests: list[EffectRequest] = [lane.request for lane in self.lanes.values() if lane.request is not None]
        return Suspended(self.state(), tuple(requests))

    def finish(self, root: Lane, used: int) -> Step:
        """Check what the program gives."""
        output, site = self.module.parts.output, self.result_site()
        try:
            cells = root.meter.walk(root.value, leaving=True)
        except Fault as fault:
            return Trapped(ErrorValue(fault.kind, fault.message, None, site, fault.hint), used)
        if cells > self.limits.output:
            message = f"the result has {cells} cells; {self.limits.output} may leave the program"
            return Trapped(ErrorValue("output-too-large", message, None, site), used)
        value = widen(root.value, output)
        problem = mismatch(value, output)
        if problem is not None:
            message = f"the result is not of its type: {problem}"
            return Trapped(ErrorValue("output-mismatch", message, None, site, advice(problem)), used)
        return Finished(value, used)

    def result_site(self) -> int:
        """Give the site of the expression whose value is the result; that of the beginning where there are several."""
        main = self.module.parts.functions[0]
        ends = [place for place, given in enumerate(main.instructions) if given[0] in _ENDS]
        return ends[0] if len(ends) == 1 else 0

    def state(self) -> State:
        return State(self.module, self.limits, tuple(self.lanes.values()))
