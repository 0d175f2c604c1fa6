"""One run's stream as its driver sees it: staged decisions, committed together, state evolved with the stored bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from commands.ports import NEW_STREAM, Head
from commands.services import Services
from domain.kernel.errors import VersionConflict
from domain.kernel.events import Draft, EventCatalog, Recorded
from domain.kernel.ids import StreamId, event_id
from domain.kernel.values import format_time
from domain.runs.events import (
    RUN_EVENTS,
    ModelCallAnswered,
    ModelCallFailed,
    RunClaimed,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ValueRecorded,
)
from domain.runs.folding import evolve
from domain.runs.parts import RunEvent
from domain.runs.state import EMPTY, Run

CATALOG: Final = EventCatalog(RUN_EVENTS)

HAPPENED: Final = (
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallOutcomeUnknown,
    ModelCallAnswered,
    ModelCallFailed,
    ValueRecorded,
)
"""Events that tell what the world did, and so cannot be decided anew."""


class Overtaken(VersionConflict):
    """Someone else appended to the run; its state has moved on: look again what comes next."""

    code = "run.overtaken"


class RunLog:
    """Loads, stages, commits. Nothing staged counts as having happened before ``commit`` returns."""

    def __init__(self, services: Services, stream: StreamId, author: str) -> None:
        self._services = services
        self._head = Head()
        self._staged: list[RunEvent] = []
        self._staged_at = 0.0
        self._last_id = ""
        self.stream = stream
        self.author = author
        """One process of one worker: ``name/nonce``."""
        self.run: Run = EMPTY
        """State as committed."""
        self.preview: Run = EMPTY
        """State as it will be after ``commit``: for decisions that are committed together with what is staged."""
        self.after_commit: list[Callable[[], None]] = []
        """Called when the log has taken what was staged."""

    @property
    def version(self) -> int:
        """Version of the newest event that counts."""
        return self._head.version

    async def refresh(self) -> None:
        """Evolve with whatever was appended since; drops what was staged.

        A run that was accepted here a moment ago is taken as it was then.
        """
        self._staged.clear()
        fresh = self._services.fresh.take(self.stream) if self._head == NEW_STREAM else None
        tail = fresh or await self._services.store.load(self.stream, self._head.version)
        for recorded in tail.events:
            self._evolve(recorded)
        self.preview = self.run
        self._head = tail.head

    def stage(self, *events: RunEvent) -> None:
        """Add decisions to the next commit."""
        if not self._staged:
            self._staged_at = self._services.clock.monotonic()
        for event in events:
            self._staged.append(event)
            self.preview = evolve(self.preview, event)

    @property
    def has_news(self) -> bool:
        """Whether more than a claim is staged: a claim alone is not worth an event."""
        return any(not isinstance(event, RunClaimed) for event in self._staged)

    @property
    def staged(self) -> Sequence[RunEvent]:
        """What waits for a commit."""
        return self._staged

    def staged_for(self) -> float:
        """Seconds since the first of what is staged was."""
        return self._services.clock.monotonic() - self._staged_at if self._staged else 0.0

    @property
    def holds_claim(self) -> bool:
        """Whether the log says that this author drives the run."""
        return self.run.claim is not None and self.run.claim.worker == self.author

    async def commit(self) -> None:
        """Append what is staged. Raises ``Overtaken`` after evolving with the others' events.

        Decisions that others overtook are dropped, to be taken anew. What already happened in the world is not: it is
        appended after their events, as long as the run is still ours.
        """
        overtaken = False
        while self._staged:
            events, self._staged = self._staged, []
            drafts = self._drafts(events, format_time(self._services.clock.now()))
            try:
                stored = await self._services.store.append(self.stream, drafts, self._head)
            except VersionConflict:
                overtaken = True
                await self.refresh()
                if self.holds_claim and not self.run.ended:
                    self.stage(*(event for event in events if isinstance(event, HAPPENED)))
            else:
                self._adopt(stored, drafts)
        if overtaken:
            raise Overtaken(f"run {self.stream.id} moved on to version {self.version} meanwhile")

    def _adopt(self, stored: Sequence[Recorded], drafts: Sequence[Draft]) -> None:
        if all(
            recorded.body == draft.body(self.stream, recorded.version)
            for recorded, draft in zip(stored, drafts, strict=True)
        ):
            self.run = self.preview  # the log holds just what was previewed
            self._last_id = drafts[-1].id
        else:
            for recorded in stored:
                self._evolve(recorded)
            self.preview = self.run
        self._head = Head(stored[-1].version, stored[-1].position.sequence)
        for tell in self.after_commit:
            tell()

    def _drafts(self, events: Sequence[RunEvent], now: str) -> list[Draft]:
        # Author and moment are in the name: two that decide at once must not take each other's event for theirs,
        # nor one that decides anew its own earlier one, given up as unreachable, that arrives after all.
        cause = f"{self.stream}@{self.author}@{now}"
        return [
            Draft(
                id=event_id(cause, version),
                type=event.TYPE,
                time=now,
                correlation=self.stream.id,
                causation=self._last_id,
                actor=f"agent:{event.ROLE}",
                data=event.as_json(),
            )
            for version, event in enumerate(events, start=self._head.version + 1)
        ]

    def _evolve(self, recorded: Recorded) -> None:
        event = CATALOG.decode(recorded)
        if isinstance(event, RunEvent):
            self.run = evolve(self.run, event)
        self._last_id = recorded.id
