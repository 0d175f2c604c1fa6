"""What the machine and its host say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from domain.kernel.values import Value
from domain.rtfs.metering import Limits

if TYPE_CHECKING:
    from domain.rtfs.vm.lanes import Lane
    from domain.rtfs.vm.loading import Module


NO_HINTS: Final[Mapping[str, Value]] = {}


@dataclass(frozen=True, slots=True)
class EffectRequest:
    """What the program asks of the world."""

    key: str
    """Where it is asked: the path of its lane and a counter, as ``0`` or ``2/1/0``; unique within an execution."""
    capability: str
    arguments: dict[str, Value]
    """By parameter name; a parameter that was left out is absent."""
    site: int
    """Place in the program: the source map gives its line and column."""
    hints: Mapping[str, Value] = field(default_factory=dict)
    """What the text suggests to who carries it out, as ``runtime.timeout``; it is no part of what is asked."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The effect happened and gave this."""

    value: Value


@dataclass(frozen=True, slots=True)
class Raised:
    """The effect failed: an error of this type, which the program may catch."""

    type: str
    message: str


Answer: TypeAlias = Returned | Raised


@dataclass(frozen=True, slots=True)
class ErrorValue:
    """An error of a program."""

    type: str
    message: str
    effect: str | None
    """Key of the effect that failed, if one did."""
    site: int
    """Place in the program: the source map gives its line and column."""
    hint: str | None = field(default=None, compare=False)
    """What helps, for who reads it now: no program sees it, and neither states nor histories keep it."""


@dataclass(frozen=True, slots=True)
class State:
    """An execution between two steps. It is not changed by going on from it: going on twice gives the same twice.

    Two states are the same when ``encode_state`` gives the same bytes for them.
    """

    module: Module
    limits: Limits
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Suspended:
    """The program waits for these effects; go on with ``resume`` and answers to one or more of them."""

    state: State
    requests: tuple[EffectRequest, ...]


@dataclass(frozen=True, slots=True)
class Yielded:
    """The slice of fuel is used; go on with ``resume`` and no answers."""

    state: State


@dataclass(frozen=True, slots=True)
class Finished:
    """The program gave this value, of its output type."""

    value: Value
    fuel: int
    """Units used in all."""


@dataclass(frozen=True, slots=True)
class Trapped:
    """The program failed with an error that it did not catch."""

    error: ErrorValue
    fuel: int
    """Units used in all."""


Step: TypeAlias = Suspended | Yielded | Finished | Trapped
