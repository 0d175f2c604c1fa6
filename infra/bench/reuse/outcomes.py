"""What the events say of a run: who answered it, what the levels of reuse said, what it took, whether it was right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.cache.confidence import lower_limit, upper_limit
from domain.kernel.values import Json
from domain.runs.events import (
    ModelCallAnswered,
    ModelCallFailed,
    ModelCallRequested,
    RunCompleted,
    ToolCallCompleted,
    ToolCallFailed,
)
from domain.runs.parts import Lookup, RunEvent
from domain.runs.planning import ProgramReused, ReuseSettled, RunRouted

MODEL: Final = "model"
NOBODY: Final = "nobody"
ANSWERING: Final = ("L2", "L3", "L4")
"""Levels that answer in place of the model; L1 only says who is asked first."""

_TWO_SIDED: Final = 0.975
_DETAILS: Final = (
    (re.compile(r"(the goals differ in \w+).*", re.DOTALL), r"\1"),
    (
        re.compile(r"rights: it calls .*, which is not among the task's tools"),
        "rights: it calls what is not among the task's tools",
    ),
    (re.compile(r"(: database\.\w+).*", re.DOTALL), r"\1"),
    (re.compile(r"(constants equal inputs).*", re.DOTALL), r"\1"),
    (re.compile(r"(nobody is near|it is \w+): .*", re.DOTALL), r"\1"),
    (re.compile(r" \((similarity|score) .*", re.DOTALL), ""),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|sha256:[0-9a-f]+|\d+(\.\d+)?"), "#"),
)
"""What a reason says of its very case, and what stands for it where like ones are counted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run."""

    entry: str
    by: str
    """Level whose answer the run ended with, ``model``, or ``nobody``."""
    completed: bool
    right: bool
    """Whether its output is that of the ground truth."""
    model_calls: int
    spent: int
    """Tokens."""
    saved: int
    """Tokens that the answer had cost when it was made."""
    lookups: tuple[Lookup, ...]
    tool_lookups: tuple[Lookup, ...]
    """Of answers of tools, which are level L2 too."""
    setbacks: tuple[str, ...]
    """What was reused and did not do: its outcome, a level's name before it."""


def outcome_of(entry: str, history: Sequence[RunEvent], expected: Json) -> Outcome:
    """Read a run's events in order."""
    reading = _Reading()
    for event in history:
        reading.read(event)
    output = next((event.output for event in history if isinstance(event, RunCompleted)), None)
    completed = any(isinstance(event, RunCompleted) for event in history)
    return Outcome(
        entry=entry,
        by=reading.by,
        completed=completed,
        right=completed and output == expected,
        model_calls=reading.calls,
        spent=reading.spent,
        saved=reading.saved,
        lookups=tuple(reading.lookups),
        tool_lookups=tuple(reading.tool_lookups),
        setbacks=tuple(reading.setbacks),
    )


@dataclass(slots=True)
class _Reading:
    by: str = NOBODY
    calls: int = 0
    spent: int = 0
    saved: int = 0
    lookups: list[Lookup] = field(default_factory=list)
    tool_lookups: list[Lookup] = field(default_factory=list)
    setbacks: list[str] = field(default_factory=list)

    def read(self, event: RunEvent) -> None:
        match event:
            case RunRouted(lookups=lookups) | ModelCallRequested(lookups=lookups):
                self.lookups.extend(lookups)
            case ToolCallCompleted(lookups=lookups) | ToolCallFailed(lookups=lookups):
                self.tool_lookups.extend(lookups)
            case ModelCallAnswered(source="executed"):
                self.by, self.calls = MODEL, self.calls + 1
                self.spent += event.prompt_tokens + event.completion_tokens
            case ModelCallAnswered(source="cache"):
                self.by = "L3" if event.entry is not None else "L2"
                self.saved += event.saved.tokens
            case ModelCallFailed():
                self.calls += 1
            case ProgramReused():
                self.by = "L4"
            case ReuseSettled(outcome="succeeded"):
                if event.level == "L4":
                    self.saved += event.saved.tokens
            case ReuseSettled():
                self.setbacks.append(f"{event.level} {event.outcome}")


@dataclass(slots=True)
class Tally:
    """Runs counted together."""

    runs: int = 0
    completed: int = 0
    model_calls: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    """Runs by who answered."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Those of them whose output is not that of the ground truth."""
    untold: Counter[str] = field(default_factory=Counter)
    """Those of the wrong ones that no goal tells apart: the model, when it is asked, answers them wrongly too."""
    hits: Counter[str] = field(default_factory=Counter)
    """Look-ups that found something to use, by level."""
    tool_hits: int = 0
    misses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Look-ups that did not, by level and reason, details left out; explorations among them."""
    spent: int = 0
    saved: int = 0
    setbacks: Counter[str] = field(default_factory=Counter)

    @property
    def reused(self) -> int:
        """Runs that a level answered."""
        return sum(self.answered[level] for level in ANSWERING)

    @property
    def wrong_reused(self) -> int:
        """Those of them that were wrong."""
        return sum(self.wrong[level] for level in ANSWERING)

    @property
    def untold_reused(self) -> int:
        """Those of the wrong ones that the model would have got wrong as well."""
        return sum(self.untold[level] for level in ANSWERING)

    @property
    def wrong_share(self) -> float:
        """Wrong hits / hits; 0 where there are none."""
        return self.wrong_reused / self.reused if self.reused else 0.0

    @property
    def avoidable_share(self) -> float:
        """Of the hits, those that were wrong where asking the model would have been right."""
        return (self.wrong_reused - self.untold_reused) / self.reused if self.reused else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wrong hits / hits: the interval of Clopper and Pearson that covers the true share in 95 % of samples."""
        wrong, hits = self.wrong_reused, self.reused
        return lower_limit(wrong, hits, _TWO_SIDED), upper_limit(wrong, hits, _TWO_SIDED)

    def add(self, outcome: Outcome, *, untold: bool) -> None:
        """Count one run."""
        self.runs += 1
        self.completed += outcome.completed
        self.model_calls += outcome.model_calls
        self.spent += outcome.spent
        self.saved += outcome.saved
        self.answered[outcome.by] += 1
        if not outcome.right:
            self.wrong[outcome.by] += 1
            self.untold[outcome.by] += untold
        self.tool_hits += sum(lookup.outcome == "hit" for lookup in outcome.tool_lookups)
        self.setbacks.update(outcome.setbacks)
        for lookup in outcome.lookups:
            if lookup.outcome == "hit":
                self.hits[lookup.level] += 1
            else:
                said = plain(lookup.reason)
                self.misses[lookup.level, said if lookup.outcome == "miss" else f"{lookup.outcome}: {said}"] += 1


def tallied(outcomes: Iterable[Outcome], untold: frozenset[str]) -> Tally:
    """Count these runs."""
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome, untold=outcome.entry in untold)
    return tally


def plain(reason: str) -> str:
    """A reason without what it says of this very case, so that like ones are counted together."""
    for detail, kept in _DETAILS:
        reason = detail.sub(kept, reason)
    return reason


def durations(outcomes: Iterable[Outcome]) -> Mapping[str, list[float]]:
    """By level, milliseconds of each look-up that was made: one that is switched off takes no time and is left out."""
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        for lookup in outcome.lookups:
            if lookup.duration > 0:
                found.setdefault(lookup.level, []).append(1_000 * lookup.duration)
    return found
