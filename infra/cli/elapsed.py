"""How long a run took, and how much of that it stood still: for a person, or paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from commands.runs.log import CATALOG
from domain.kernel.events import Recorded
from domain.kernel.values import parse_time
from domain.runs.effects import SLEEP
from domain.runs.execution import is_own
from domain.runs.folding import evolve
from domain.runs.parts import RunEvent
from domain.runs.state import EMPTY, Run, Settlement


@dataclass(slots=True)
class Elapsed:
    """Folds the events of one run, with the times at which they were recorded."""

    run: Run = EMPTY
    began: datetime | None = None
    latest: datetime | None = None
    waited: float = 0.0
    """Seconds in which the run waited for a person or was paused."""

    @classmethod
    def of(cls, events: tuple[Recorded, ...]) -> Self:
        """The time of a run so far."""
        elapsed = cls()
        for event in events:
            elapsed.see(event)
        return elapsed

    def see(self, recorded: Recorded) -> RunEvent | None:
        """Take in the next event, and give it; None where this release does not know it."""
        now = parse_time(recorded.time)
        if self.latest is not None and (self.run.waiting or self.run.paused):
            self.waited += (now - self.latest).total_seconds()
        self.began, self.latest = self.began or now, now
        event = CATALOG.decode(recorded)
        if not isinstance(event, RunEvent):
            return None
        self.run = evolve(self.run, event)
        return event

    @property
    def inherited(self) -> int:
        """Tool calls that count for the run's limits, and whose answers it has from the run that it is a fork of."""
        return sum(
            entry.inherited
            and entry.settlement is not Settlement.DENIED
            and entry.tool != SLEEP
            and not is_own(entry.tool)
            for entry in self.run.journal.values()
        )

    @property
    def tool_calls(self) -> int:
        """Tool calls that the run itself has made."""
        return self.run.spent.tool_calls - self.inherited

    @property
    def seconds(self) -> float:
        """From the first event to the latest, waiting included."""
        assert self.began is not None, "a run has events"
        assert self.latest is not None, "a run has events"
        return (self.latest - self.began).total_seconds()

    def __str__(self) -> str:
        """For people: ``12.40 s, 11.90 s of them waiting``; without the second part where there was no waiting."""
        waited = f", {self.waited:.2f} s of them waiting" if self.waited else ""
        return f"{self.seconds:.2f} s{waited}"
