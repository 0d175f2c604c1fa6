"""What compiled code calls to apply values and to run functions that apply functions.

Each of these keeps in its variables what the interpreter would keep in frames, so that an interrupted run is rebuilt
from them (``rebuilding``).
"""

from __future__ import annotations

from typing import Any

from domain.rtfs.functions import Applying, Entry
from domain.rtfs.functions.entry import Arguments, Singles
from domain.rtfs.functions.predicates import truthy
from domain.rtfs.metering import Meter
from domain.rtfs.vm.applying import applies_in_frames, apply, begin_sequence, finish_sequence
from domain.rtfs.vm.code import Closure
from domain.rtfs.vm.exhausting import exhaust
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame


class Interrupted(Exception):
    """The interpreter goes on, from before the instruction at which this was raised."""


class Crowded(Interrupted):
    """The interpreter goes on, from after the instruction; memory must be counted."""


def call(meter: Meter, room: int, function: Any, *arguments: Any) -> Any:
    """Apply what is no function of the module."""
    if type(function) is Entry and isinstance(function.implementation, Applying):
        return sequence(meter, room, function, *arguments)
    value = apply(function, meter, arguments)
    if meter.memory > meter.ceiling:
        raise Crowded
    return value


def sequence(meter: Meter, room: int, entry: Entry, *arguments: Any) -> Any:
    """Run a function of the library that applies functions."""
    if room < 1:
        raise Interrupted
    frame = begin_sequence(entry, meter, arguments)
    if meter.memory > meter.ceiling:
        raise Interrupted
    if applies_in_frames(frame):
        following = frame.first()
        value = finish_sequence(frame, meter) if following is None else proceed(meter, room - 2, frame, following)
    else:
        following = exhaust(frame, meter)
        if following is not None:
            raise Interrupted
        value = finish_sequence(frame, meter)
    if meter.memory > meter.ceiling:
        raise Crowded
    return value


def proceed(meter: Meter, room: int, frame: SequenceFrame, following: Arguments) -> Any:
    """Apply what remains to be applied, from ``following`` on, and give the value of the whole."""
    if type(frame.function) is not Closure:
        return apply_one_by_one(meter, room, frame, following)
    if type(frame) is EachFrame:
        return apply_each(meter, room, frame)
    if type(frame) is FoldFrame:
        return fold(meter, room, frame)
    return apply_one_by_one(meter, room, frame, following)


def apply_each(meter: Meter, room: int, frame: EachFrame) -> Any:
    """Apply a function of the module to all, or until enough is known."""
    function = frame.function
    run, captures, results, stop_on = function.code.run, function.captures, frame.results, frame.stop_on
    done = len(results)
    applications = frame.applications[done:] if done else frame.applications
    if stop_on is None:
        # Spreading arguments out costs as much as the call itself.
        if isinstance(applications, Singles):
            for item in applications.items:
                results.append(run(meter, room, captures, item))
        else:
            for arguments in applications:
                results.append(run(meter, room, captures, *arguments))
    else:
        for arguments in applications:
            result = run(meter, room, captures, *arguments)
            results.append(result)
            if truthy(result) is stop_on:
                break
    return finish_sequence(frame, meter)


def fold(meter: Meter, room: int, frame: FoldFrame) -> Any:
    """Apply a function of the module to what it gave before and each item."""
    function, value = frame.function, frame.value
    run, captures = function.code.run, function.captures
    items = iter(frame.items)
    items.__setstate__(frame.place - 1)  # type: ignore[attr-defined]  # iterators of lists have it
    for item in items:
        value = run(meter, room, captures, value, item)
    frame.value, frame.place = value, len(frame.items)
    return value


def apply_one_by_one(meter: Meter, room: int, frame: SequenceFrame, following: Arguments | None) -> Any:
    """Apply whatever the frame says."""
    while following is not None:
        function = frame.function
        if type(function) is not Closure:
            raise Interrupted
        result = function.code.run(meter, room, function.captures, *following)
        following = frame.following(result)
    return finish_sequence(frame, meter)
