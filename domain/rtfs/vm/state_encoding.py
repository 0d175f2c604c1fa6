"""A state as bytes, so that an execution goes on in another process as it would have gone on in this one.

Layout: magic, format, digest of the module, limits, table of values, lanes. What follows from the module is not
written: constants in registers, the register that an answer goes to, the lanes of a group. Equal executions have
equal bytes, so two states are compared by them. Reading is in state_decoding.py.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from domain.kernel.errors import PrecedentError
from domain.rtfs.bytecode.packing import Packer
from domain.rtfs.functions.entry import Singles
from domain.rtfs.metering import Fault
from domain.rtfs.vm.code import Code
from domain.rtfs.vm.lanes import Frame, Lane, Status
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame
from domain.rtfs.vm.state_values import ValueWriter
from domain.rtfs.vm.steps import ErrorValue, State

MAGIC: Final = b"\x00rtst"
FORMAT: Final = 1
MAX_STATE: Final = 256_000_000
"""Bytes of one state."""

STATUSES: Final = (Status.READY, Status.EFFECT, Status.GROUP, Status.DONE, Status.FAILED)
"""By the number that is stored."""
CALLER, EACH, FOLD, SORT = range(4)
"""Kinds of frames."""


class StateTooLarge(PrecedentError):
    """Go on without storing the state, or give the program a smaller limit of memory."""

    code: ClassVar[str] = "rtfs.state-too-large"


def encode_state(state: State) -> bytes:
    """Give the canonical bytes of a state. Raises ``StateTooLarge``."""
    lanes = _LaneWriter(state)
    lanes.list(state.lanes, lanes.lane)
    head = Packer()
    head.out += MAGIC
    head.number(FORMAT)
    head.text(state.module.digest)
    limits = state.limits
    for each in (limits.fuel, limits.memory, limits.depth, limits.output):
        head.number(each)
    head.number(lanes.values.count)
    size = len(head.out) + len(lanes.values.packer.out) + len(lanes.out)
    if size > MAX_STATE:
        raise StateTooLarge(f"the state has {size} bytes; at most {MAX_STATE} are stored")
    return bytes(head.out + lanes.values.packer.out + lanes.out)


def signed(value: int) -> int:
    """Give a number that is not negative for one that may be: small ones stay small."""
    return value << 1 if value >= 0 else ~value << 1 | 1


class _LaneWriter(Packer):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.values = ValueWriter(state.module)
        self.functions = state.module.parts.functions

    def value(self, value: Any) -> None:
        self.number(self.values.reference(value))

    def lane(self, lane: Lane) -> None:
        meter = lane.meter
        self.text(lane.path)
        self.number(lane.counter)
        self.number(meter.limits.fuel)
        self.number(meter.limits.memory)
        self.number(signed(meter.fuel))
        self.number(meter.memory)
        self.number(STATUSES.index(lane.status))
        if lane.status is Status.DONE:
            self.value(lane.value)
            return
        if lane.status is Status.FAILED:
            assert lane.error is not None, "a failed lane has its error"
            self.error(lane.error, fatal=lane.fatal)
            return
        self.list(lane.frames, self.frame)
        self.number(int(lane.code is not None))
        if lane.code is not None:
            self.code(lane.code, lane.pc, lane.registers)
        else:
            self.value(lane.callee)
            self.list(lane.arguments, self.value)
        if lane.status is Status.READY:
            self.list([] if lane.fault is None else [lane.fault], self.fault)
        elif lane.status is Status.EFFECT:
            self.request(lane)

    def code(self, code: Code, pc: int, registers: list[Any]) -> None:
        self.number(code.number)
        self.number(pc)
        for value in (*registers[: code.capture_end], *registers[self.functions[code.number].first_local :]):
            self.value(value)

    def request(self, lane: Lane) -> None:
        """Write the arguments in the order of the parameters, behind whether they are given."""
        assert lane.request is not None
        assert lane.effect is not None
        given = lane.request.arguments
        for parameter in lane.effect.parameters:
            self.list([given[parameter.name]] if parameter.name in given else [], self.value)

    def fault(self, fault: Fault) -> None:
        self.error(ErrorValue(fault.kind, fault.message, fault.effect, 0), fatal=fault.fatal)

    def error(self, error: ErrorValue, *, fatal: bool) -> None:
        self.text(error.type)
        self.text(error.message)
        self.list([] if error.effect is None else [error.effect], self.text)
        self.number(error.site)
        self.number(int(fatal))

    def frame(self, frame: Frame) -> None:
        if isinstance(frame, tuple):
            self.number(CALLER)
            self.code(*frame[:3])
            return
        self.number(EACH if isinstance(frame, EachFrame) else FOLD if isinstance(frame, FoldFrame) else SORT)
        self.value(frame.entry)
        self.sequence(frame)

    def sequence(self, frame: SequenceFrame) -> None:
        if isinstance(frame, EachFrame):
            self.value(frame.function)
            self.value(frame.context)
            applications = frame.applications
            self.number(int(isinstance(applications, Singles)))
            if isinstance(applications, Singles):
                self.value(applications.items)
            else:
                self.list(applications, self.value)
            self.list(frame.results, self.value)
        elif isinstance(frame, FoldFrame):
            self.value(frame.function)
            self.value(frame.items)
            self.value(frame.value)
            self.number(frame.place)
        else:
            self.value(frame.key)
            self.value(frame.comparison)
            self.number(int(frame.descending))
            self.value(frame.items)
            self.list([] if frame.key is None else frame.keys, self.value)
            self.list(frame.order, self.number)
            self.list(frame.merged, self.number)
            for each in (frame.width, frame.start, frame.left, frame.right):
                self.number(each)
