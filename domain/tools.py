"""Tools: how one is declared, and how a call of it can end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

from domain.kernel.errors import InvalidInput
from domain.kernel.values import Json, Value, canonical_json, encode
from domain.rtfs.capability import Capability

Isolation: TypeAlias = Literal["in-process", "thread", "sandbox"]
"""Where a call runs: in the worker's event loop, in a thread of its own, or in a process that can change nothing."""

Volatility: TypeAlias = Literal["static", "slow", "fast", "never"]
"""How soon an answer may change: not at all, within days, within minutes, at once (it is never given again)."""

Upcast: TypeAlias = Callable[[Value], Value]
"""From a result as an earlier version gave it to what the present one gives: pure, so that replays are."""

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*\Z")
FAMILY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
LONGEST_NAME: Final = 128


class ToolNotDeclarable(InvalidInput):
    """Correct the declaration that the message names; the worker does not start with a tool it cannot describe."""

    code = "tool.not-declarable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDeclaration:
    """All that is known of a tool before it is called."""

    capability: Capability
    timeout: float
    """Seconds after which a call has failed."""
    idempotent: bool = False
    """Whether repeating a call with the same idempotency key has no second effect."""
    isolation: Isolation = "thread"
    stateful: bool = False
    """Whether a call sees what earlier calls of its run did: after a crash its journaled calls are made again."""
    momentary: bool = False
    """Whether an answer belongs to its moment (clock, randomness, network), so that asking again means nothing."""
    data: str | None = None
    """Family of the data that it reads or writes: what one writes, no other gives again as it was."""
    volatility: Volatility | None = None
    """How soon its answers may change; None for what follows from its effects (``lasting``)."""
    tags: tuple[str, ...] = ()
    """Words by which people find it."""
    upcasts: Mapping[str, Upcast] = field(default_factory=dict, compare=False, repr=False)
    """By earlier version of the tool: what makes a result of this version of one of that."""

    def __post_init__(self) -> None:
        """Refuse a name that no program could write, and a timeout that no call could meet."""
        if len(self.name) > LONGEST_NAME or not NAME.match(self.name):
            raise ToolNotDeclarable(
                f"tool name {self.name[:LONGEST_NAME]!r} is refused: use words of letters, digits, '_' and '-', "
                "joined by dots, like python.metadata"
            )
        if self.data is not None and not FAMILY.match(self.data):
            raise ToolNotDeclarable(f"{self.name}: data {self.data[:80]!r} is not 1 to 64 letters, digits, - and _")
        if self.volatility not in (None, "never") and not self._may_last:
            raise ToolNotDeclarable(
                f"{self.name}: volatility {self.volatility!r} is for pure tools, and for read tools that name their "
                "data; what is stateful is never given again"
            )
        if not 0 < self.timeout <= 24 * 3600:
            raise ToolNotDeclarable(f"{self.name}: timeout {self.timeout!r} is not between 0 and 86400 seconds")

    @property
    def name(self) -> str:
        """The name by which programs call it."""
        return self.capability.name

    @property
    def _may_last(self) -> bool:
        if self.stateful:
            return False
        # Whoever names the data says what an answer depends on, though it belongs to its moment.
        readable = self.capability.effects == "read" and self.data is not None
        return readable or (self.capability.effects == "pure" and not self.momentary)

    @property
    def lasting(self) -> Volatility:
        """How soon its answers may change; ``never``: they are never given again."""
        if not self._may_last:
            return "never"
        return self.volatility or ("static" if self.capability.effects == "pure" else "slow")

    @property
    def repeatable(self) -> bool:
        """Whether a call whose outcome was lost may simply be made again."""
        return self.idempotent or self.capability.effects in ("pure", "read")

    @property
    def deterministic(self) -> bool:
        """Whether a replay may make a call again, without harm, and expect the recorded answer."""
        if self.momentary:
            return False
        # What a stateful tool changes is its run's own, and made anew.
        return self.stateful or self.capability.effects in ("pure", "read")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """On whose behalf a tool is called."""

    tenant: str
    run: str
    effect: str
    """Where in the run it is asked: lane path and counter, as `2/0/1`."""
    seconds: float | None = None
    """What the plan allows the call, where that is less than the tool's own timeout."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this effect, and for no other."""
        return f"{self.run}:{self.effect}"


@dataclass(frozen=True, kw_only=True)
class ToolSucceeded:
    """The tool gave a value of its declared type."""

    value: Value
    transcript: bytes | None = None
    """What it printed, for people; it belongs in the content store."""
    duration: float = 0.0
    """Seconds."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What it used, where that is known: `cpu-seconds`."""

    @cached_property
    def encoded(self) -> Json:
        """The value as events hold it; encoded once."""
        return encode(self.value)

    @cached_property
    def canonical(self) -> bytes:
        """Canonical bytes of the value; made once."""
        return canonical_json(self.encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFailed:
    """The tool gave no value, and why."""

    type: str
    """Stable name of the reason, on which a program's `catch` matches: `tool.timeout`, `fs.not-found`, …"""
    message: str
    retryable: bool = False
    """Whether the same call may succeed later."""
    outcome_unknown: bool = False
    """Whether the world may have changed all the same, so that a person must look before it is tried again."""
    transcript: bytes | None = None
    duration: float = 0.0
    """Seconds."""


ToolOutcome: TypeAlias = ToolSucceeded | ToolFailed
