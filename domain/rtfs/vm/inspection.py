"""A state for people: where each lane is in the source, what is in the variables there, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.functions import Entry
from domain.rtfs.metering import Limits, Meter
from domain.rtfs.printer import print_value
from domain.rtfs.vm.code import Closure, Code
from domain.rtfs.vm.lanes import Frame, Lane, Status
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame
from domain.rtfs.vm.steps import EffectRequest, ErrorValue, State

LONGEST_VALUE: Final = 200
"""Characters of a printed value."""

PROGRAM: Final = "the program"
"""In place of the name of function 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A variable of the source and what it holds, printed and cut after ``LONGEST_VALUE`` characters."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function at work: the innermost one, or one that waits for it."""

    function: str
    """Its name; empty for one without."""
    position: tuple[int, int] | None
    """Line and column; none in functions of the library, or where the source map does not tell."""
    module: str | None
    """The imported module in whose text that is; ``None``: the program itself."""
    step: str | None
    """The innermost `step` around the place."""
    locals: tuple[Local, ...]
    """The names that are seen there, outer ones first."""
    progress: str | None = None
    """In functions of the library that apply others: how far they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One lane of an execution."""

    path: str
    """Empty for the root."""
    status: str
    """``ready``, ``effect``, ``group``, ``done`` or ``failed``."""
    calls: tuple[Call, ...]
    """Innermost first."""
    request: EffectRequest | None
    """What it asks, when it waits for an answer."""
    group: tuple[str, ...]
    """Paths of the lanes that it waits for."""
    value: str | None
    """What it gave, printed, when it is done."""
    error: ErrorValue | None
    """What it failed with."""
    fuel: int
    """Units used."""
    memory: int
    """Cells alive."""


def inspect(state: State, source_map: SourceMap) -> tuple[LaneView, ...]:
    """Look at every lane of a state; the root comes first. The state is left as it is."""
    return tuple(_lane(lane, source_map) for lane in state.lanes)


def _lane(lane: Lane, source_map: SourceMap) -> LaneView:
    done = lane.status is Status.DONE
    return LaneView(
        path=lane.path,
        status=lane.status.name.lower(),
        calls=_calls(lane, source_map),
        request=lane.request,
        group=lane.group,
        value=printed(lane.value, source_map) if done else None,
        error=lane.error,
        fuel=lane.meter.limits.fuel - lane.meter.fuel,
        memory=_alive(lane),
    )


def _alive(lane: Lane) -> int:
    counted = lane.copy()
    counted.meter = Meter(Limits(memory=2**62), 0, 0)
    counted.collect(*([lane.value] if lane.status is Status.DONE else [lane.registers, lane.arguments]))
    return counted.meter.memory


def _calls(lane: Lane, source_map: SourceMap) -> tuple[Call, ...]:
    calls: list[Call] = []
    if lane.code is not None:
        # A lane that waits is behind the instruction that asks; one that is ready is before its next one.
        place = lane.pc if lane.status is Status.READY else lane.pc - 1
        calls.append(_call(lane.code, place, lane.registers, source_map))
    elif lane.status is Status.READY and isinstance(lane.callee, Closure):
        calls.append(_call(lane.callee.code, 0, list(lane.arguments), source_map))
    calls.extend(_frame(frame, source_map) for frame in reversed(lane.frames))
    return tuple(calls)


def _frame(frame: Frame, source_map: SourceMap) -> Call:
    if isinstance(frame, tuple):
        code, pc, registers, _ = frame
        return _call(code, pc - 1, registers, source_map)
    return Call(function=frame.entry.name, position=None, module=None, step=None, locals=(), progress=_progress(frame))


def _progress(frame: SequenceFrame) -> str:
    if isinstance(frame, EachFrame):
        return f"{len(frame.results) + 1} of {len(frame.applications)}"
    if isinstance(frame, FoldFrame):
        return f"{frame.place} of {len(frame.items)}"
    if len(frame.keys) < len(frame.items):
        return f"key {len(frame.keys) + 1} of {len(frame.items)}"
    return f"{len(frame.items)} items, in order by {frame.width}"


def _call(code: Code, place: int, registers: list[Any], source_map: SourceMap) -> Call:
    site = code.site + place
    place_of = source_map.place(site)
    return Call(
        function=PROGRAM if code.number == 0 else source_map.function(code.number),
        position=None if place_of is None else place_of[1:],
        module=None if place_of is None else place_of[0],
        step=source_map.step(site),
        locals=tuple(
            Local(name=name, value=printed(registers[register], source_map))
            for name, register in source_map.names_at(site).items()
            # A source map is not part of the module, and may be of another one.
            if register < len(registers)
        ),
    )


def printed(value: Any, source_map: SourceMap) -> str:
    """Print a value for people, shortly; functions with their names."""
    if isinstance(value, Closure):
        return f"#fn {source_map.function(value.code.number)}".rstrip()
    if isinstance(value, Entry):
        return f"#fn {value.name}"
    return print_value(value, LONGEST_VALUE)
