"""Library functions that apply what makes no frames: functions of the library, keywords and maps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.functions import Applying, Entry
from domain.rtfs.functions.entry import Arguments
from domain.rtfs.functions.items import get
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.vm.applying import MISUSE, apply
from domain.rtfs.vm.sequences import EachFrame, FoldFrame, SequenceFrame

APPLICATION: Final = 2
"""Fuel of one application."""


def exhaust(frame: SequenceFrame, meter: Meter) -> Arguments | None:
    """Apply until there is nothing more to apply, or until memory must be counted: what is next is given then."""
    following = frame.first()
    if following is None:
        return None
    direct = _direct(frame.function, len(following))
    if direct is not None and isinstance(frame, EachFrame) and meter.fuel >= APPLICATION * len(frame.applications):
        following = _each(frame, meter, direct)
    elif direct is not None and isinstance(frame, FoldFrame) and meter.fuel >= APPLICATION * len(frame.items):
        following = _fold(frame, meter, direct)
    # What fails fails again here, in full.
    while following is not None and meter.memory <= meter.ceiling:
        meter.spend(APPLICATION)
        following = frame.following(apply(frame.function, meter, following))
    return following


def _direct(function: Any, count: int) -> Callable[..., Any] | None:
    """Give what to call without any preparation; none when that cannot be, or when it uses the meter."""
    if type(function) is Keyword and count == 1:
        return lambda item: item.get(function) if type(item) is dict else get(item, function)
    if type(function) is not Entry or function.metered or not function.accepts(count):
        return None
    assert not isinstance(function.implementation, Applying)
    return function.binary if count == 2 and function.binary is not None else function.implementation


def _each(frame: EachFrame, meter: Meter, direct: Callable[..., Any]) -> Arguments | None:
    """Apply to all, or until enough is known or something fails; give what to apply to next."""
    results = frame.results
    try:
        if frame.stop_on is None:
            results.extend(starmap(direct, frame.applications))
        following = frame.applications[0] if frame.stop_on is not None else None
        while following is not None:
            following = frame.following(direct(*following))
    except (Fault, *MISUSE):
        following = frame.applications[len(results)]
    finally:
        meter.spend(APPLICATION * len(results))
    return following


def _fold(frame: FoldFrame, meter: Meter, direct: Callable[..., Any]) -> Arguments | None:
    """Combine all, or until something fails; give what to apply to next."""
    value, place = frame.value, 0
    items = frame.items
    try:
        for item in items:
            value = direct(value, item)
            place += 1
    except (Fault, *MISUSE):
        frame.value, frame.place = value, place + 1
        return (value, items[place])
    finally:
        meter.spend(APPLICATION * place)
    frame.value, frame.place = value, place
    return None
