"""A state from its bytes. Whatever they are, reading takes time and memory in proportion to their number.

1. They begin as a state of this format and of this very module, and are what writing the state gives again.
2. Every value is one of the language, refers only to values before it, and holds only functions of the module.
3. Every frame is in a function of the module, at one of its instructions, with as many registers as it has; those
   that wait for a value are behind an instruction that takes one.
4. A lane that waits for an answer is behind the instruction that asks, with arguments as the effect declares them;
   one that waits for others is behind the instruction that starts them, and they are there; there are no further ones.
5. No lane has more fuel than its limit.

The limits are those that are stored: a host that did not store the state itself compares them with its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from domain.kernel.errors import PrecedentError
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS, Op
from domain.rtfs.bytecode.packing import Unpacker
from domain.rtfs.functions import Applying, Each, Entry, Fold
from domain.rtfs.functions.entry import Applications, Singles
from domain.rtfs.metering import Fault, Limits
from domain.rtfs.types import mismatch
from domain.rtfs.vm.code import Code
from domain.rtfs.vm.lanes import CodeFrame, Frame, Lane, Status
from domain.rtfs.vm.loading import Module, hints_of
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame, SortFrame
from domain.rtfs.vm.state_encoding import CALLER, EACH, FOLD, FORMAT, MAGIC, MAX_STATE, SORT, STATUSES, encode_state
from domain.rtfs.vm.state_values import StateInvalid, ValueReader
from domain.rtfs.vm.steps import NO_HINTS, EffectRequest, ErrorValue, State

LARGE: Final = 62
"""Bits of a counter or a meter."""

Item = TypeVar("Item")


def decode_state(module: Module, data: bytes) -> State:
    """Read a state of this module. Raises ``StateInvalid``; after that going on from it can do no harm."""
    if len(data) > MAX_STATE:
        raise StateInvalid(f"a state of {len(data)} bytes; at most {MAX_STATE} are read")
    if data[: len(MAGIC)] != MAGIC:
        raise StateInvalid("these bytes do not begin as a state does")
    reader = _Reader(module, data)
    try:
        state = reader.state()
        canonical = encode_state(state)
    except StateInvalid:
        raise
    except (PrecedentError, ValueError, OverflowError) as problem:
        raise StateInvalid(f"the state is damaged near byte {reader.at}: {problem!s:.300}") from problem
    if canonical != data:
        raise StateInvalid("the state is not in canonical form")
    return state


class _Reader(Unpacker):
    def __init__(self, module: Module, data: bytes) -> None:
        super().__init__(data, len(MAGIC), "the state", StateInvalid)
        self.module = module
        self.limits = Limits()
        self.values: ValueReader

    def refuse(self, problem: str) -> StateInvalid:
        return StateInvalid(f"{problem}, near byte {self.at}")

    def state(self) -> State:
        found = self.number()
        if found != FORMAT:
            raise StateInvalid(f"the state has format {found}; this release reads {FORMAT}")
        digest = self.text()
        if digest != self.module.digest:
            raise StateInvalid(f"the state is of module {digest:.80}; given is {self.module.digest}")
        fuel, memory, depth, output = (self.number(LARGE) for _ in range(4))
        self.limits = Limits(fuel=fuel, memory=memory, depth=depth, output=output)
        self.values = ValueReader(self, self.module)
        lanes = self.list(self.lane)
        self.end()
        self.check(lanes)
        return State(self.module, self.limits, lanes)

    def check(self, lanes: tuple[Lane, ...]) -> None:
        """The first lane is the root, the others are those that a lane waits for, each once."""
        paths = [lane.path for lane in lanes]
        awaited = [path for lane in lanes for path in lane.group]
        if not lanes or paths[0] or sorted(paths[1:]) != sorted(awaited) or len(set(paths)) != len(paths):
            raise StateInvalid("the lanes of the state are not those that its groups wait for")
        if lanes[0].meter.limits != self.limits:
            raise StateInvalid("the first lane has other limits than the state")

    def one(self, read: Callable[[], Item]) -> Item | None:
        """Read what may be absent."""
        found = self.list(read)
        if len(found) > 1:
            raise self.refuse("two where one is expected")
        return found[0] if found else None

    def signed(self) -> int:
        value = self.number(LARGE + 1)
        return ~(value >> 1) if value & 1 else value >> 1

    def lane(self) -> Lane:
        path, counter = self.text(), self.number(LARGE)
        limits = Limits(
            fuel=self.number(LARGE), memory=self.number(LARGE), depth=self.limits.depth, output=self.limits.output
        )
        lane = Lane(path, limits, None, ())
        lane.counter = counter
        lane.meter.fuel, lane.meter.memory = self.signed(), self.number(LARGE)
        if lane.meter.fuel > limits.fuel:
            raise self.refuse(f"a lane has {lane.meter.fuel} units of fuel, more than its limit of {limits.fuel}")
        status = self.number()
        if status >= len(STATUSES):
            raise self.refuse(f"status {status} is not known")
        lane.status = STATUSES[status]
        if lane.status is Status.DONE:
            lane.value = self.values.value()
        elif lane.status is Status.FAILED:
            lane.error, lane.fatal = self.error_value()
        else:
            self.work(lane)
        return lane

    def work(self, lane: Lane) -> None:
        """Read where a lane is that has not ended."""
        lane.frames = list(self.list(self.frame))
        if self.flag():
            waits = lane.status is not Status.READY
            lane.code, lane.pc, lane.registers = self.code(int(waits))
        elif lane.status is not Status.READY:
            raise self.refuse("a lane waits and has no function")
        else:
            lane.callee, lane.arguments = self.values.value(), self.list(self.values.value)
        if lane.status is Status.READY:
            fault = self.one(self.error_value)
            if fault is not None:
                error, fatal = fault
                lane.fault = Fault(error.type, error.message, effect=error.effect, fatal=fatal)
        elif lane.status is Status.EFFECT:
            self.request(lane)
        else:
            self.group(lane)

    def code(self, least: int) -> tuple[Code, int, list[Any]]:
        """Read a function, the instruction at which it goes on (not before ``least``), and its registers."""
        number, pc = self.number(), self.number()
        if number >= len(self.module.functions):
            raise self.refuse(f"function {number} does not exist")
        code, parts = self.module.functions[number], self.module.parts.functions[number]
        if not least <= pc < len(code.instructions):
            raise self.refuse(f"function {number} has no instruction {pc} to go on with")
        held = [self.values.value() for _ in range(parts.first_constant)]
        constants = code.tail[: len(parts.constants)]
        return code, pc, [*held, *constants, *[self.values.value() for _ in range(parts.locals)]]

    def before(self, code: Code, pc: int) -> tuple[int, ...]:
        """Give the instruction behind which a function waits."""
        return self.module.parts.functions[code.number].instructions[pc - 1]

    def request(self, lane: Lane) -> None:
        code = lane.code
        assert code is not None, "it was read"
        instruction = self.before(code, lane.pc)
        operation = OPERATIONS[instruction[0]]
        if operation not in (Op.EFFECT, Op.HINTED_EFFECT) or not lane.counter:
            raise self.refuse("a lane waits for an answer where nothing is asked")
        effect = self.module.parts.effects[instruction[2]]
        arguments: dict[str, Any] = {}
        for parameter in effect.parameters:
            given = self.list(lambda: self.values.data(self.limits.output))
            if len(given) > 1 or (parameter.required and not given):
                raise self.refuse(f"`{effect.name}` takes one `{parameter.name}`")
            for value in given:
                problem = mismatch(value, parameter.type)
                if problem is not None:
                    raise self.refuse(f"`{effect.name}`, argument `{parameter.name}`: {problem}")
                arguments[parameter.name] = value
        lane.effect, lane.target = effect, instruction[1]
        key = f"{lane.path}{lane.counter - 1}"
        hints = hints_of(self.module.parts, instruction[3]) if operation is Op.HINTED_EFFECT else NO_HINTS
        lane.request = EffectRequest(key, effect.name, arguments, code.site + lane.pc - 1, hints)

    def group(self, lane: Lane) -> None:
        assert lane.code is not None, "it was read"
        instruction = self.before(lane.code, lane.pc)
        if OPERATIONS[instruction[0]] is not Op.PARALLEL or not lane.counter:
            raise self.refuse("a lane waits for others where none are started")
        lane.target = instruction[1]
        lane.group = tuple(f"{lane.path}{lane.counter - 1}/{number}/" for number in range(instruction[2]))

    def error_value(self) -> tuple[ErrorValue, bool]:
        error = ErrorValue(self.text(), self.text(), self.one(self.text), self.number())
        return error, self.flag()

    def frame(self) -> Frame:
        kind = self.number()
        if kind == CALLER:
            return self.caller()
        if kind not in (EACH, FOLD, SORT):
            raise self.refuse(f"kind {kind} of frames is not known")
        entry = self.values.value()
        if not isinstance(entry, Entry) or not isinstance(entry.implementation, Applying):
            raise self.refuse("a frame of what applies no functions")
        return self.sequence(kind, entry, entry.implementation)

    def caller(self) -> CodeFrame:
        code, pc, registers = self.code(1)
        instruction = self.before(code, pc)
        if OPERANDS[OPERATIONS[instruction[0]]][:1] != ("write",):
            raise self.refuse(f"function {code.number} waits behind instruction {pc - 1}, which takes no value")
        return code, pc, registers, instruction[1]

    def sequence(self, kind: int, entry: Entry, run: Applying) -> SequenceFrame:
        if kind == EACH and isinstance(run, Each):
            frame = EachFrame(entry, run, self.values.value(), self.values.anything(), self.applications())
            frame.results = list(self.list(self.values.value))
            if len(frame.results) >= len(frame.applications):
                raise self.refuse(f"`{entry.name}` has more results than it waits for")
            return frame
        if kind == FOLD and isinstance(run, Fold):
            function, items, value = self.values.value(), self.values.vector(), self.values.value()
            place = self.number()
            if place > len(items):
                raise self.refuse(f"`{entry.name}` is beyond its last item")
            return FoldFrame(entry, function, value, items, place)
        if kind == SORT and not isinstance(run, Each | Fold):
            return self.sort(entry)
        raise self.refuse(f"a frame that `{entry.name}` does not have")

    def applications(self) -> Applications:
        return Singles(self.values.vector()) if self.flag() else [*self.list(self.values.arguments)]

    def sort(self, entry: Entry) -> SortFrame:
        key, comparison, descending = self.values.value(), self.values.value(), self.flag()
        frame = SortFrame(entry, key, comparison, descending, self.values.vector())
        keys, count = list(self.list(self.values.value)), len(frame.items)
        if key is not None:
            frame.keys = keys
        frame.order, frame.merged = list(self.list(self.number)), list(self.list(self.number))
        frame.width, frame.start, frame.left, frame.right = (self.number() for _ in range(4))
        if len(keys) > count or (key is None and keys) or not _is_order(frame, count):
            raise self.refuse(f"`{entry.name}` arranges what is not there")
        if len(frame.keys) == count:
            frame.function = comparison
        return frame


def _is_order(frame: SortFrame, count: int) -> bool:
    """Tell whether a sort is where a merge from below can be, with two keys to compare or keys to be made."""
    places = set(range(count))
    if set(frame.order) != places or len(frame.order) != count or not places.issuperset(frame.merged):
        return False
    width, start = frame.width, frame.start
    if not width or width & (width - 1) or start % (2 * width):
        return False
    middle, end = min(start + width, count), min(start + 2 * width, count)
    if len(frame.keys) < count:
        return not frame.merged and (width, start, frame.left, frame.right) == (1, 0, 0, 1)
    if frame.comparison is None or not (start <= frame.left < middle <= frame.right < end):
        return False
    return len(frame.merged) == frame.left + frame.right - middle
