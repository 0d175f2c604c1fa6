"""The way from the interpreter into compiled code, and back when that cannot go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from domain.rtfs.metering import Fault
from domain.rtfs.vm.compiled.compilation import account
from domain.rtfs.vm.compiled.rebuilding import rebuild
from domain.rtfs.vm.lanes import Lane

NESTED: Final = 100
"""Calls of compiled code within each other; then the interpreter goes on, which needs no stack of Python's."""


def enter(lane: Lane, depth: int, function: Callable[..., Any], *arguments: Any) -> bool:
    """Run compiled code. True: ``lane.value`` is its value. False: the lane stands where the interpreter goes on.

    An error of the program is then in ``lane.fault``.
    ``depth`` is how many calls may wait for one another in all.
    """
    meter = lane.meter
    before = meter.fuel
    try:
        lane.value = function(meter, min(NESTED, depth - len(lane.frames)), *arguments)
    except Exception as problem:  # noqa: BLE001  # whatever it is, it is sorted out there, or rises again
        _leave(lane, problem, before)
        return False
    return True


def _leave(lane: Lane, problem: Exception, before: int) -> None:
    try:
        entrance, frames = rebuild(lane, problem)
    except Fault as fault:
        lane.fault = fault
    except RecursionError:
        lane.fault = Fault("nested-too-deeply", "a value is nested too deeply for this function")
    else:
        # Nobody is to blame for the end of a slice.
        if entrance is not None and lane.meter.fuel - lane.meter.floor > 2 * entrance.code.cost:
            account(entrance, before - lane.meter.fuel, frames)
