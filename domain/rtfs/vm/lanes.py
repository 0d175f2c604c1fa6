"""One line of execution: frames, registers, and what it waits for."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, TypeAlias

from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.functions.entry import Arguments
from domain.rtfs.metering import Fault, Limits, Meter, memory_exhausted
from domain.rtfs.vm.code import Closure, Code
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame, SortFrame
from domain.rtfs.vm.steps import EffectRequest, ErrorValue

CodeFrame: TypeAlias = tuple[Code, int, list[Any], int]
"""A caller: code, next instruction, registers, and the register that the value goes to."""

Frame: TypeAlias = CodeFrame | SequenceFrame


class Status(Enum):
    """What a lane does next."""

    READY = auto()
    EFFECT = auto()
    """It waits for the answer to ``request``."""
    GROUP = auto()
    """It waits for the lanes that it has started."""
    DONE = auto()
    FAILED = auto()


class Delivery:
    """In place of a function to apply: there is a value to give to the frame below."""


DELIVER: Final = Delivery()


class Beginning:
    """In place of a function to apply: the frame on top has applied nothing yet."""


BEGUN: Final = Beginning()


class Lane:
    """One lane. Only ``run`` and the execution that owns it change it; a state's lanes are copied first."""

    __slots__ = (
        "arguments",
        "callee",
        "code",
        "counter",
        "effect",
        "error",
        "fatal",
        "fault",
        "frames",
        "group",
        "meter",
        "path",
        "pc",
        "registers",
        "request",
        "status",
        "target",
        "value",
    )

    def __init__(self, path: str, limits: Limits, callee: Any, arguments: Arguments) -> None:
        self.path = path
        """Before the counter in effect keys: empty for the root, else ending in a slash."""
        self.counter = 0
        self.meter = Meter(limits, limits.fuel, 0)
        self.status = Status.READY
        self.frames: list[Frame] = []
        self.code: Code | None = None
        """The function at work; ``None``: ``callee`` is to be applied, or ``value`` delivered."""
        self.pc = 0
        self.registers: list[Any] = []
        self.callee: Any = callee
        self.arguments: Arguments = arguments
        self.value: Any = None
        self.fault: Fault | None = None
        self.request: EffectRequest | None = None
        self.effect: EffectSignature | None = None
        self.target = 0
        self.group: tuple[str, ...] = ()
        self.error: ErrorValue | None = None
        self.fatal = False
        """Whether the error is a limit that was reached, which nobody catches."""

    def copy(self) -> Lane:
        """Give a lane that goes on from here on its own."""
        lane: Lane = object.__new__(Lane)
        # One by one: a loop over the slots takes three times as long, and every answer makes a copy.
        lane.path, lane.counter, lane.status, lane.group = self.path, self.counter, self.status, self.group
        lane.code, lane.pc, lane.target, lane.value = self.code, self.pc, self.target, self.value
        lane.callee, lane.arguments, lane.fault = self.callee, self.arguments, self.fault
        lane.request, lane.effect, lane.error, lane.fatal = self.request, self.effect, self.error, self.fatal
        lane.meter = Meter(self.meter.limits, self.meter.fuel, self.meter.memory)
        lane.registers = self.registers.copy()
        lane.frames = [
            (frame[0], frame[1], frame[2].copy(), frame[3]) if isinstance(frame, tuple) else frame.copy()
            for frame in self.frames
        ]
        return lane

    def key(self) -> str:
        """Take the next key of this lane."""
        key = f"{self.path}{self.counter}"
        self.counter += 1
        return key

    def collect(self, *roots: Any) -> None:
        """Count what the frames and these roots keep alive; raises the fatal ``memory-exhausted`` beyond the limit."""
        limit = self.meter.limits.memory
        pending: list[Any] = [*roots]
        for frame in self.frames:
            if isinstance(frame, tuple):
                pending.append(frame[2])
            else:
                pending.extend(frame.roots())
        cells = 0
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            if type(value) is str:
                cells += 1 + (len(value) >> 3)
            inner = _held(value)
            if inner is None or id(value) in seen:
                continue
            seen.add(id(value))
            cells += len(inner)
            if cells > limit:
                raise memory_exhausted(self.meter.limits)
            pending.extend(inner)
        self.meter.memory = cells


def _held(value: Any) -> Any:
    kind = type(value)
    if kind is list or kind is tuple:
        return value
    if kind is dict:
        return value.values()
    if kind is Closure:
        return value.captures
    if kind is EachFrame or kind is FoldFrame or kind is SortFrame:
        return value.roots()
    return None
