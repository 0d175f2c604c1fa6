"""What a process has heard of streams: answered from there while the log is heard, and by the log's leader else.

A look-up so waits for no broker, which may have to read a whole file of its store before it can give one event. What is
heard is at most ``LONGEST_SILENCE`` old, which is within what a withdrawal may take to be heard everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Protocol

from commands.ports import EventStore
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.ledger.epochs import is_carried

LONGEST_SILENCE: Final = 1.0
"""Seconds without a word of the log after which it is asked."""


class KeptStreams(Protocol):
    """Whole streams, kept as they are heard. Ours alone: what another process can write to is no such place."""

    def add(self, recorded: Recorded) -> None:
        """Keep the next event of its stream; one that is there already is left. Never raises.

        A stream that cannot be kept, of which an event is missing, or of which another log was heard (``contradicts``),
        is not known from then on.
        """

    def events(self, stream: StreamId, after: int = 0) -> Sequence[Recorded] | None:
        """All that was heard of a stream above a version, which may be nothing; None where the log must be asked.

        Costs no more where more lies below. Never raises.
        """


def contradicts(recorded: Recorded, kept: Recorded) -> bool:
    """Whether no log has both of these events of one stream: another log was put back in its place."""
    if recorded.version == kept.version:
        return recorded != kept and not (is_carried(recorded) and _is_later(recorded.position, kept.position))
    older, newer = sorted((recorded, kept), key=attrgetter("version"))
    return not _is_later(newer.position, older.position)


def _is_later(one: Position, other: Position) -> bool:
    """Sequences of a shard go on from one epoch to the next."""
    if one.shard != other.shard:
        return one.epoch > other.epoch
    return one.epoch >= other.epoch and one.sequence > other.sequence


class NothingKept:
    """Keeps nothing: the log is asked each time."""

    def add(self, recorded: Recorded) -> None:
        """As the port says."""

    def events(self, stream: StreamId, after: int = 0) -> Sequence[Recorded] | None:  # noqa: ARG002  # as the port
        """As the port says."""
        return None


def never_heard(category: str) -> float:  # noqa: ARG001  # as `Feed.silent_for`
    """Of a process that no feed tells anything."""
    return float("inf")


@dataclass(slots=True)
class Heard:
    """Streams as this process knows them."""

    kept: KeptStreams = field(default_factory=NothingKept)
    silent_for: Callable[[str], float] = never_heard
    """Seconds since the log was heard, by category (``Feed.silent_for``)."""

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of a category that is heard from the first event on."""
        self.kept.add(recorded)

    async def events(self, store: EventStore, stream: StreamId, after: int = 0) -> tuple[Recorded, ...]:
        """Events of a stream above a version, at most ``LONGEST_SILENCE`` late. Raises as ``EventStore.load``."""
        if self.silent_for(stream.category) <= LONGEST_SILENCE:
            known = self.kept.events(stream, after)
            if known is not None:
                return tuple(known)
        return (await store.load(stream, after)).events


UNHEARD: Final = Heard()
"""For who must know what the log says now: it is asked each time."""
