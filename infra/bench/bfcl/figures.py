"""Figures read off recorded runs: counts, bytes, and how long each step took, from the events alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import parse_time

OUTCOMES: Final = frozenset({"ToolCallCompleted", "ToolCallFailed", "ToolCallDenied"})
ENDINGS: Final = frozenset({"RunCompleted", "RunFailed", "RunCancelled"})


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and tail of a sample, in its own unit; nearest rank, 0 for an empty sample."""

    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, sample: Sequence[float]) -> Quantiles:
        """Quantiles of a sample in any order."""
        if not sample:
            return cls(0.0, 0.0, 0.0)
        ordered = sorted(sample)
        return cls(_rank(ordered, 0.5), _rank(ordered, 0.99), ordered[-1])


def _rank(ordered: Sequence[float], quantile: float) -> float:
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a set of runs cost in the log."""

    endings: dict[str, int]
    """Last event type of a run -> runs; ``unfinished`` for those without an end."""
    effects: int
    """Effects with an outcome."""
    outcomes: dict[str, int]
    """Outcome event type -> effects."""
    seconds: float
    """From the first event to the last, by the events' own times."""
    step: Quantiles
    """Milliseconds from the event before to an effect's outcome, acknowledgement of the former included."""
    run: Quantiles
    """Milliseconds from a run's first event to its last."""
    events: int
    event_bytes: Quantiles
    """Bytes of one stored event, envelope included."""
    bytes_by_type: dict[str, tuple[int, int]]
    """Event type -> (events, bytes), largest share first."""

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(self.endings.values())

    @property
    def completed(self) -> int:
        """Runs that gave their result."""
        return self.endings.get("RunCompleted", 0)

    @property
    def effects_per_second(self) -> float:
        """Effects with an outcome, by the span of the whole."""
        return self.effects / self.seconds if self.seconds else 0.0

    @property
    def runs_per_second(self) -> float:
        """Runs by the span of the whole."""
        return self.runs / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_event(self) -> float:
        """Mean size of a stored event."""
        total = sum(size for _, size in self.bytes_by_type.values())
        return total / self.events if self.events else 0.0


@dataclass(slots=True)
class _Collected:
    times: dict[StreamId, list[tuple[int, float, str]]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)


def measure(events: Iterable[Recorded]) -> Figures:
    """Give the figures of these events, of whole runs and in any order."""
    collected = _Collected()
    for event in events:
        moment = parse_time(event.time).timestamp()
        collected.times.setdefault(event.stream, []).append((event.version, moment, event.short_name))
        collected.sizes.append(len(event.body))
        collected.counts[event.short_name] += 1
        collected.bytes[event.short_name] += len(event.body)
    runs = [sorted(run) for run in collected.times.values()]
    moments = [moment for run in runs for _, moment, _ in run]
    outcomes = {name: count for name, count in collected.counts.items() if name in OUTCOMES}
    return Figures(
        endings=dict(Counter(run[-1][2] if run[-1][2] in ENDINGS else "unfinished" for run in runs)),
        effects=sum(outcomes.values()),
        outcomes=outcomes,
        seconds=max(moments) - min(moments) if moments else 0.0,
        step=Quantiles.of([step for run in runs for step in _steps(run)]),
        run=Quantiles.of([1000 * (run[-1][1] - run[0][1]) for run in runs]),
        events=len(collected.sizes),
        event_bytes=Quantiles.of(collected.sizes),
        bytes_by_type={name: (collected.counts[name], size) for name, size in collected.bytes.most_common()},
    )


def _steps(run: list[tuple[int, float, str]]) -> Iterable[float]:
    return (1000 * (after[1] - before[1]) for before, after in pairwise(run) if after[2] in OUTCOMES)
