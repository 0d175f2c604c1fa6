"""The loop that runs one lane until it waits, ends, or has used its slice of fuel."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.bytecode.operations import Op
from domain.rtfs.functions import Applying, Entry
from domain.rtfs.metering import Fault, fuel_exhausted
from domain.rtfs.types import advice, mismatch, widen
from domain.rtfs.vm.applying import (
    MISUSE,
    applies_in_frames,
    apply,
    begin_sequence,
    cast,
    finish_sequence,
    fit_arguments,
    is_sequence,
    make_map,
    misuse,
)
from domain.rtfs.vm.code import Closure, Code
from domain.rtfs.vm.compiled.calls import proceed
from domain.rtfs.vm.compiled.entering import enter
from domain.rtfs.vm.exhausting import exhaust
from domain.rtfs.vm.lanes import BEGUN, DELIVER, Lane, Status
from domain.rtfs.vm.loading import (
    LIBRARY_CALLS,
    METERED_1,
    METERED_2,
    METERED_N,
    PLAIN_1,
    PLAIN_2,
    PLAIN_N,
    SEQUENCE,
    operands,
)
from domain.rtfs.vm.steps import NO_HINTS, EffectRequest, ErrorValue

# Plain integers compare faster than members of an enumeration.
_MOVE, _JUMP_UNLESS, _JUMP_IF, _JUMP = int(Op.MOVE), int(Op.JUMP_UNLESS), int(Op.JUMP_IF), int(Op.JUMP)
_BACK, _RETURN, _CALL, _TAIL_CALL = int(Op.BACK), int(Op.RETURN), int(Op.CALL), int(Op.TAIL_CALL)
_CALL_SIBLING, _TAIL_SIBLING, _SIBLING = int(Op.CALL_SIBLING), int(Op.TAIL_SIBLING), int(Op.SIBLING)
_CLOSURE, _EFFECT, _VECTOR, _MAP = int(Op.CLOSURE), int(Op.EFFECT), int(Op.VECTOR), int(Op.MAP)
_HINTED_EFFECT = int(Op.HINTED_EFFECT)
_CAST, _PARALLEL = int(Op.CAST), int(Op.PARALLEL)


class _End(Enum):
    """Why the loop was left."""

    STATUS = auto()
    """The lane waits, or has ended."""
    SLICE = auto()
    """The slice of fuel is used."""
    INTERRUPTED = auto()
    """Compiled code could not go on: it has put the lane where the loop goes on."""


def run(lane: Lane, floor: int) -> None:
    """Run a ready lane until its status says otherwise, or its fuel is below ``floor`` and it is still ready."""
    end = _End.STATUS
    while lane.status is Status.READY:
        try:
            if lane.fault is not None:
                fault, lane.fault = lane.fault, None
                raise fault  # an answer that is an error goes the way of all errors
            end = _run(lane, floor, interrupted=end is _End.INTERRUPTED)
            if end is _End.SLICE:
                return
        except Fault as fault:
            _unwind(lane, fault)
        except RecursionError:
            _unwind(lane, Fault("nested-too-deeply", "a value is nested too deeply for this function"))


def _run(lane: Lane, floor: int, *, interrupted: bool) -> _End:  # noqa: PLR0915  # one loop: calls between its parts would double its time
    """Run until something else is to be done.

    ``interrupted``: the function to be entered next is entered here, since compiled code could not go on with it.
    """
    meter, frames = lane.meter, lane.frames
    depth = meter.limits.depth
    ceiling = meter.ceiling
    meter.floor = floor
    code, pc, registers = lane.code, lane.pc, lane.registers
    callee, arguments, value = lane.callee, lane.arguments, lane.value
    instructions = code.instructions if code is not None else ()
    op: tuple[Any, ...] = (0,)
    left = False
    try:
        if meter.memory > ceiling:  # by an answer, or by other lanes
            lane.collect(registers, arguments, value)
        while True:
            while code is None:
                if callee is DELIVER:
                    if not frames:
                        lane.status = Status.DONE
                        return _End.STATUS
                    frame = frames[-1]
                    if isinstance(frame, tuple):
                        frames.pop()
                        code, pc, registers, target = frame
                        registers[target] = value
                        instructions = code.instructions
                        break
                    following = frame.following(value)
                    if following is None:
                        value = finish_sequence(frame, meter)
                        frames.pop()
                        if meter.memory > ceiling:
                            lane.collect(value)
                        continue
                    callee, arguments = frame.function, following
                    if type(callee) is Closure and callee.code.entrance.compiled is not None and not interrupted:
                        if enter(lane, depth, proceed, frame, following):
                            frames.pop()
                            callee, value = DELIVER, lane.value
                            if meter.memory > ceiling:
                                lane.collect(value)
                            continue
                        left = True
                        return _End.INTERRUPTED
                if type(callee) is Closure:
                    entered = callee.code
                    if len(arguments) != entered.parameters or entered.rest:
                        arguments = fit_arguments(entered, arguments)
                    if len(frames) > depth:
                        raise Fault("depth-exceeded", f"more than {depth} calls wait for one another", fatal=True)
                    entrance = entered.entrance
                    if entrance.heat:
                        entrance.heat -= entered.cost
                        if entrance.heat <= 0:
                            entrance.warm(entrance)
                    if entrance.compiled is not None and not interrupted:
                        if entered.rest:
                            arguments = [*arguments[:-1], *arguments[-1]]
                        if enter(lane, depth, entrance.compiled, callee.captures, *arguments):
                            callee, value = DELIVER, lane.value
                            continue
                        left = True
                        return _End.INTERRUPTED
                    interrupted = False
                    registers = [*arguments, *callee.captures, *entered.tail]
                    code, pc, instructions = entered, 0, entered.instructions
                    meter.fuel -= entered.cost
                    if meter.fuel < floor:
                        if meter.fuel < 0:
                            raise fuel_exhausted(meter.limits)
                        return _End.SLICE
                elif type(callee) is Entry and isinstance(callee.implementation, Applying):
                    if len(frames) > depth:
                        raise Fault("depth-exceeded", f"more than {depth} calls wait for one another", fatal=True)
                    frames.append(begin_sequence(callee, meter, arguments))
                    if meter.memory > ceiling:
                        lane.collect()
                    callee = BEGUN
                elif callee is BEGUN:
                    frame = frames[-1]
                    assert not isinstance(frame, tuple)
                    following = frame.first() if applies_in_frames(frame) else exhaust(frame, meter)
                    if following is not None:
                        callee, arguments = frame.function, following
                        if meter.memory > ceiling:
                            lane.collect()
                        continue
                    value = finish_sequence(frame, meter)
                    frames.pop()
                    callee = DELIVER
                    if meter.memory > ceiling:
                        lane.collect(value)
                else:
                    value, callee = apply(callee, meter, arguments), DELIVER
                    if meter.memory > ceiling:
                        lane.collect(value)

            op = instructions[pc]
            pc += 1
            kind = op[0]
            if kind == PLAIN_2:
                registers[op[1]] = op[2](registers[op[3]], registers[op[4]])
            elif kind == _JUMP_UNLESS:
                value = registers[op[1]]
                if value is None or value is False:
                    pc = op[2]
            elif kind == PLAIN_1:
                registers[op[1]] = op[2](registers[op[3]])
            elif kind == _MOVE:
                registers[op[1]] = registers[op[2]]
            elif kind == METERED_2:
                registers[op[1]] = op[2](meter, registers[op[3]], registers[op[4]])
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == METERED_1:
                registers[op[1]] = op[2](meter, registers[op[3]])
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == _RETURN:
                value, callee, code = registers[op[1]], DELIVER, None
            elif kind == _BACK:
                pc = op[1]
                meter.fuel -= op[2]
                if meter.fuel < floor:
                    if meter.fuel < 0:
                        raise fuel_exhausted(meter.limits)
                    return _End.SLICE
                entrance = op[3]
                if entrance.heat:
                    entrance.heat -= op[2]
                    if entrance.heat <= 0:
                        entrance.warm(entrance)
                if entrance.compiled is not None:
                    if enter(lane, depth, entrance.compiled, registers):
                        callee, value, code = DELIVER, lane.value, None
                        continue
                    left = True
                    return _End.INTERRUPTED
            elif kind == _CALL:
                frames.append((code, pc, registers, op[1]))
                callee, arguments, code = registers[op[2]], op[3](registers), None
            elif kind == SEQUENCE:
                frames.append((code, pc, registers, op[1]))
                callee, arguments, code = op[2], op[3](registers), None
            elif kind == _JUMP:
                pc = op[1]
            elif kind == _CALL_SIBLING:
                frames.append((code, pc, registers, op[1]))
                callee, arguments = _sibling(op[2], code, registers), op[3](registers)
                code = None
            elif kind == _TAIL_CALL:
                callee, arguments = registers[op[1]], op[2](registers)
                # What fails at once fails here, while this call can still be pointed at.
                if type(callee) is Closure:
                    fit_arguments(callee.code, arguments)
                elif not is_sequence(callee):
                    value, callee = apply(callee, meter, arguments), DELIVER
                code = None
                if meter.memory > ceiling:
                    lane.collect(value)
            elif kind == _TAIL_SIBLING:
                callee, arguments = _sibling(op[1], code, registers), op[2](registers)
                code = None
            elif kind == _VECTOR:
                registers[op[1]] = list(op[2](registers))
                meter.memory += 1 + op[3]
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == _MAP:
                registers[op[1]] = make_map(op[2], registers)
                meter.memory += 1 + len(op[2])
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == PLAIN_N:
                registers[op[1]] = op[2](*op[3](registers))
            elif kind == METERED_N:
                registers[op[1]] = op[2](meter, *op[3](registers))
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == _CLOSURE:
                registers[op[1]] = Closure(op[2], list(op[3](registers)))
                meter.memory += 1 + op[4]
                if meter.memory > ceiling:
                    lane.collect(registers)
            elif kind == _JUMP_IF:
                value = registers[op[1]]
                if value is not None and value is not False:
                    pc = op[2]
            elif kind == _EFFECT:
                lane.request = _request(lane, op[2], op[3], registers, code.site + pc - 1)
                lane.effect, lane.target, lane.status = op[2], op[1], Status.EFFECT
                return _End.STATUS
            elif kind == _HINTED_EFFECT:
                lane.request = _request(lane, op[2], op[3], registers, code.site + pc - 1, op[4])
                lane.effect, lane.target, lane.status = op[2], op[1], Status.EFFECT
                return _End.STATUS
            elif kind == _CAST:
                registers[op[1]] = cast(registers[op[2]], op[3])
            elif kind == _SIBLING:
                registers[op[1]] = _sibling(op[2], code, registers)
            else:
                arguments, lane.target, lane.status = list(op[2](registers)), op[1], Status.GROUP
                return _End.STATUS
    except MISUSE as problem:
        if code is None or op[0] not in LIBRARY_CALLS:
            raise
        raise misuse(op[-1], operands(op, registers)) from problem
    finally:
        if not left:
            if code is not None:
                # What was applied or given last is no part of the state: the registers have what is needed of it.
                callee = value = None
                if lane.status is not Status.GROUP:
                    arguments = ()
            lane.code, lane.pc, lane.registers = code, pc, registers
            lane.callee, lane.arguments, lane.value = callee, arguments, value


def _sibling(code: Code, current: Code, registers: list[Any]) -> Closure:
    return Closure(code, registers[current.capture_start : current.capture_end])


def _request(
    lane: Lane,
    effect: EffectSignature,
    named: tuple[Any, ...],
    registers: list[Any],
    site: int,
    hints: Mapping[str, Any] = NO_HINTS,
) -> EffectRequest:
    """Check what an effect is given, and take its key."""
    arguments: dict[str, Any] = {}
    cells = 0
    for parameter, register in named:
        value = registers[register]
        if value is None and not parameter.required:
            # Leaving out is how a program says that it has nothing to give.
            continue
        cells += lane.meter.walk(value, leaving=True)
        value = widen(value, parameter.type)
        problem = mismatch(value, parameter.type)
        if problem is not None:
            message = f"`{effect.name}`, argument `{parameter.name}`: {problem}"
            raise Fault("type-mismatch", message, hint=advice(problem))
        arguments[parameter.name] = value
    if cells > lane.meter.limits.output:
        limit = lane.meter.limits.output
        raise Fault(
            "output-too-large", f"the arguments of `{effect.name}` have {cells} cells; {limit} may leave", fatal=True
        )
    for parameter in effect.parameters:
        if parameter.required and parameter.name not in arguments:
            raise Fault("arity", f"`{effect.name}` needs `{parameter.name}`")
    return EffectRequest(lane.key(), effect.name, arguments, site, hints)


def _unwind(lane: Lane, fault: Fault) -> None:
    """Go to the innermost handler of an error, or end the lane with it."""
    site: int | None = None
    while True:
        if lane.code is not None:
            place = lane.pc - 1
            site = lane.code.site + place if site is None else site
            if not fault.fatal:
                for handler in lane.code.handlers:
                    if handler.start <= place < handler.end:
                        lane.registers[handler.register] = _caught(fault)
                        lane.pc = handler.target
                        return
        while lane.frames and not isinstance(lane.frames[-1], tuple):
            lane.frames.pop()
        if not lane.frames:
            lane.code, lane.status, lane.fatal = None, Status.FAILED, fault.fatal
            lane.error = ErrorValue(fault.kind, fault.message, fault.effect, site or 0, fault.hint)
            return
        frame = lane.frames.pop()
        assert isinstance(frame, tuple)
        lane.code, lane.pc, lane.registers, _ = frame


def _caught(fault: Fault) -> dict[Any, Any]:
    """Give what a handler sees of an error."""
    return {
        Keyword("type"): Keyword(fault.kind),
        Keyword("message"): fault.message,
        Keyword("effect"): fault.effect,
    }
