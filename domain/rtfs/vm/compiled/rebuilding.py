"""From the traceback of an interrupted run of compiled code to the frames that the interpreter would have.

1. The innermost frame of compiled code says where: its line is the instruction, its variables are the registers.
2. An exception that compiled code raised itself came before its instruction did anything: the interpreter does that
   instruction. ``Crowded`` came after it: memory is counted, and the interpreter does the next.
3. An exception from within the library is what the interpreter would have met there: an error of the program.
4. Every outer frame of compiled code waits at a call for a value, or is gone, when that was a call in its place.
5. Functions that apply functions (``calls``) have a frame of the interpreter's among their variables.
"""

from __future__ import annotations

from functools import cached_property
from types import FrameType, TracebackType
from typing import Any, Final

from domain.rtfs.bytecode.operations import OPERATIONS, Op
from domain.rtfs.bytecode.verifying import MAX_REGISTERS
from domain.rtfs.vm.applying import MISUSE, misuse
from domain.rtfs.vm.code import Closure, Entrance
from domain.rtfs.vm.compiled import calls
from domain.rtfs.vm.compiled.compilation import ENTRANCES, Compilation
from domain.rtfs.vm.compiled.writing import FIRST_LINE
from domain.rtfs.vm.lanes import BEGUN, DELIVER, Lane
from domain.rtfs.vm.loading import LIBRARY_CALLS, operands
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame

_CALLS: Final = {id(calls.call.__code__): "call", id(calls.sequence.__code__): "sequence"}
_APPLYING: Final = {id(each.__code__) for each in (calls.apply_each, calls.fold, calls.apply_one_by_one)}
_REGISTERS: Final = {f"r{register}": register for register in range(MAX_REGISTERS)}
_FIRST_CALL: Final = id(Compilation.call_first.__code__)
"""It only passes on what it is given."""
_TAIL: Final = frozenset({Op.TAIL_CALL, Op.TAIL_SIBLING})


class _Place:
    """One frame of the traceback that matters."""

    def __init__(self, frame: FrameType, line: int, entrance: Entrance | None) -> None:
        self.entrance = entrance
        """None: it is one of ``calls``."""
        begins = -1 if entrance is None or entrance.head is None else entrance.head
        self.instruction = max(begins, line - FIRST_LINE)
        """Below 0: before the function is entered."""
        self.frame = frame
        self.call = _CALLS.get(id(frame.f_code))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """Variables by name."""
        return dict(self.frame.f_locals)

    def registers(self) -> list[Any]:
        """Give the registers of a frame of compiled code."""
        entrance, variables = self.entrance, self.variables
        assert entrance is not None
        code = entrance.code
        if entrance.head is None:
            registers = [*[None] * code.capture_start, *variables["k"], *code.tail]
        else:
            registers = variables["registers"].copy()
        for name, value in variables.items():
            register = _REGISTERS.get(name)
            if register is not None:
                registers[register] = value
        return registers


def rebuild(lane: Lane, problem: Exception) -> tuple[Entrance | None, int]:
    """Put a lane where compiled code was interrupted; give the entrance whose code could not go on, and the frames.

    The lane's frames are those below the compiled code. Raises what the program is to be told (a ``Fault``), with the
    lane standing where that happens, and what is no matter of programs.
    """
    places, within = _places(problem.__traceback__)
    size = len(places)
    problem.__traceback__ = None
    if _did_nothing(places[-1], problem, within=within):
        # The call is made again, or fails, where it was made.
        while places[-1].entrance is None:
            places.pop()
    last = places.pop()
    _wait(lane, places)
    if last.entrance is None:
        _in_call(lane, problem, last, within=within)
        return next((place.entrance for place in reversed(places) if place.entrance is not None), None), size
    if last.instruction < 0:
        _at_entry(lane, last)
    else:
        _at_instruction(lane, problem, last, within=within)
    return last.entrance, size


def _places(traceback: TracebackType | None) -> tuple[list[_Place], bool]:
    """Give the frames that matter, and whether the exception rose from something that the last of them called."""
    places: list[_Place] = []
    within = False
    while traceback is not None:
        frame = traceback.tb_frame
        entrances = frame.f_globals.get(ENTRANCES)
        entrance = entrances.get(frame.f_code.co_name) if entrances is not None else None
        if id(frame.f_code) == _FIRST_CALL:
            traceback = traceback.tb_next
            continue
        within = entrance is None and id(frame.f_code) not in _CALLS and id(frame.f_code) not in _APPLYING
        if not within:
            places.append(_Place(frame, traceback.tb_lineno, entrance))
        traceback = traceback.tb_next
    return places, within


def _did_nothing(last: _Place, problem: Exception, *, within: bool) -> bool:
    """Tell whether a call has failed at once, or has not begun."""
    if last.call is None or isinstance(problem, calls.Crowded):
        return False
    return last.call == "call" if within else "frame" not in last.variables


def _wait(lane: Lane, outer: list[_Place]) -> None:
    """Push the frames that wait for a value."""
    for place in outer:
        if place.entrance is not None:
            code = place.entrance.code
            given = code.instructions[place.instruction]
            if OPERATIONS.get(given[0]) not in _TAIL:
                lane.frames.append((code, place.instruction + 1, place.registers(), given[1]))
        elif place.call is None:
            _push(lane, place)


def _push(lane: Lane, place: _Place) -> SequenceFrame:
    """Push the frame of a function that applies functions, unless it is there."""
    frame: SequenceFrame = place.variables["frame"]
    if isinstance(frame, FoldFrame) and "items" in place.variables:
        frame.value = place.variables["value"]
        frame.place = len(frame.items) - place.variables["items"].__length_hint__()
    if not lane.frames or lane.frames[-1] is not frame:
        lane.frames.append(frame)
    return frame


def _at_entry(lane: Lane, last: _Place) -> None:
    """Leave a function to be entered."""
    assert last.entrance is not None
    code, variables = last.entrance.code, last.variables
    arguments = [variables[f"r{each}"] for each in range(code.parameters)]
    if code.rest:
        arguments += variables[f"r{code.parameters}"]
    lane.code, lane.callee, lane.arguments = None, Closure(code, variables["k"]), arguments


def _at_instruction(lane: Lane, problem: Exception, last: _Place, *, within: bool) -> None:
    """Leave an instruction to be done, or done, or failed."""
    assert last.entrance is not None
    code = last.entrance.code
    lane.code, lane.pc, lane.registers = code, last.instruction, last.registers()
    if isinstance(problem, calls.Crowded):
        lane.pc += 1
        lane.collect(lane.registers)
    elif within and not isinstance(problem, calls.Interrupted):
        lane.pc += 1
        op = code.instructions[last.instruction]
        if isinstance(problem, MISUSE) and op[0] in LIBRARY_CALLS:
            raise misuse(op[-1], operands(op, lane.registers)) from problem
        raise problem


def _in_call(lane: Lane, problem: Exception, last: _Place, *, within: bool) -> None:
    """Leave a function that applies functions at work, or a value to be given to the frame below."""
    lane.code, lane.registers = None, []
    variables = last.variables
    frame: SequenceFrame | None = _push(lane, last) if last.call is None else variables.get("frame")
    if isinstance(problem, calls.Crowded) and "value" in variables and last.call is not None:
        lane.callee, lane.value, lane.arguments = DELIVER, variables["value"], ()
        lane.collect(lane.value)
    elif (within and not isinstance(problem, calls.Interrupted)) or frame is None:
        lane.callee = DELIVER
        raise problem
    elif last.call is not None:
        lane.frames.append(frame)
        following = variables.get("following")
        lane.callee, lane.arguments = (BEGUN, ()) if following is None else (frame.function, following)
        if lane.meter.memory > lane.meter.ceiling:
            lane.collect()
    else:
        lane.callee, lane.arguments = frame.function, _pending(last, frame, problem)


def _pending(last: _Place, frame: SequenceFrame, problem: Exception) -> Any:
    """Give what a function was being applied to."""
    if "following" in last.variables:
        return last.variables["following"]
    if isinstance(frame, FoldFrame):
        return (frame.value, frame.items[frame.place - 1])
    assert isinstance(frame, EachFrame)
    if len(frame.results) == len(frame.applications):
        raise problem  # all is applied: there was no room to finish
    return frame.applications[len(frame.results)]
