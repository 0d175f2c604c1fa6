"""Loads one stream, wherever its epochs are: in the broker's open stream, in closed ones, in the archive."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from adapters.nats.connection import NOT_FOUND_MESSAGE, ApiRefused, Connection
from adapters.nats.epochs import Epochs, Known
from adapters.nats.loader import Loader
from adapters.nats.reader import EpochLeft, ShardReader
from adapters.nats.streams import NOT_FOUND, events_name
from commands.epochs import ArchivedEpochs
from commands.ports import Head, Selection
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_bytes
from domain.ledger.epochs import Closed, carried_from, is_carried

BATCH = 1000
"""Messages of one batch."""


class Tail(NamedTuple):
    """Events of a stream above a version, and where it ends."""

    events: list[Recorded]
    """In order, without the marks that carried it over."""
    head: Head
    """Version of its last event, and what an append must expect: sequence of its last message, a mark perhaps."""
    origin: int
    """Sequence of the last event itself."""

    def ends_at(self, expected: Head) -> bool:
        """Whether the stream still ends where a writer saw it end, be it in an epoch before this one."""
        if self.head.version != expected.version:
            return False
        # Nothing but marks of this same version lies between the event and the head.
        return self.origin <= expected.sequence <= self.head.sequence if self.is_carried else self.head == expected

    @property
    def is_carried(self) -> bool:
        """Whether its last message is a mark."""
        return self.origin != self.head.sequence


class Tails:
    """Loads streams of one shard."""

    def __init__(self, connection: Connection, epochs: Epochs, shard: int) -> None:
        self._connection = connection
        self._epochs = epochs
        self._shard = shard
        self._loader: tuple[int, Loader] | None = None

    async def tail(self, stream: StreamId, after: int) -> Tail:
        """Give what follows a version. Raises ``ServiceUnreachable``, ``StoredDataInvalid``."""
        known = await self._epochs.known(self._shard)
        messages, last = await self._open(known).messages(stream, after)
        for closed in known.earlier:
            if last is not None and not (messages and is_carried(messages[0])):
                break
            older = await self._older(known, closed, stream)
            if not older:
                continue
            last = last or older[-1]
            messages = [each for each in older if each.version > after] + messages
            if older[0].version <= after:
                break
        if last is None:
            return Tail([], Head(), 0)
        origin = carried_from(last).sequence if is_carried(last) else last.position.sequence
        return Tail(_checked(stream, messages, after, last), Head(last.version, last.position.sequence), origin)

    async def has_earlier(self, stream: StreamId) -> bool:
        """Whether a stream has events in a closed epoch."""
        known = await self._epochs.known(self._shard)
        for closed in known.earlier:
            if await self._may_have(known, closed, stream) and await self._older(known, closed, stream):
                return True
        return False

    def _open(self, known: Known) -> Loader:
        if self._loader is None or self._loader[0] != known.open:
            self._loader = known.open, Loader(self._connection, known.open, self._shard)
        return self._loader[1]

    async def _older(self, known: Known, closed: Closed, stream: StreamId) -> Sequence[Recorded]:
        """Messages of a stream in a closed epoch."""
        if not await self._may_have(known, closed, stream):
            return ()
        if closed in known.left:
            return await self._archived().events(closed, stream)
        reader = ShardReader(self._connection, closed.epoch, self._shard, lambda: self._has_left(closed))
        wanted = Selection(tenant=stream.tenant, category=stream.category, stream=stream.id)
        found: list[Recorded] = []
        try:
            async with aclosing(reader.read(closed.first - 1, closed.last, wanted, BATCH)) as batches:
                async for batch in batches:
                    found.extend(batch)
        except EpochLeft:
            self._epochs.forget(self._shard)
            return await self._archived().events(closed, stream)
        return found

    async def _may_have(self, known: Known, closed: Closed, stream: StreamId) -> bool:
        if closed.epoch in known.indexed:
            return self._archived().has(closed, stream)
        subjects = f"evt.{self._shard}.{stream.tenant}.{stream.category}.{stream.id}.>"
        try:
            name = events_name(closed.epoch, self._shard)
            await self._connection.api(f"STREAM.MSG.GET.{name}", {"last_by_subj": subjects})
        except ApiRefused as refusal:
            if refusal.number == NOT_FOUND_MESSAGE:
                return False
            if refusal.number != NOT_FOUND:
                raise
            self._epochs.forget(self._shard)  # it has left the broker meanwhile
            raise ServiceUnreachable(f"epoch {closed.epoch} has just left the broker; try again") from refusal
        return True

    def _archived(self) -> ArchivedEpochs:
        assert self._epochs.archived is not None, "only an archive tells of epochs that it has"
        return self._epochs.archived

    def _has_left(self, closed: Closed) -> bool:
        left = self._epochs.archived.left(self._shard) if self._epochs.archived is not None else ()
        return any(each.epoch == closed.epoch for each in left)


def _checked(stream: StreamId, messages: Sequence[Recorded], after: int, last: Recorded) -> list[Recorded]:
    """The events among these messages, of which none may be missing."""
    events: list[Recorded] = []
    for message in messages:
        if is_carried(message):
            if events and (message.version, message.data.get("digest")) != (
                events[-1].version,
                digest_bytes(events[-1].body),
            ):
                raise StoredDataInvalid(f"the mark at {message.position} does not carry {stream} over as it was")
            continue
        if message.version != after + len(events) + 1:
            raise StoredDataInvalid(f"{stream} has {message.address} where version {after + len(events) + 1} must be")
        events.append(message)
    if last.version > after + len(events):
        raise StoredDataInvalid(f"{stream} ends at version {last.version}; those from {after + 1} on are nowhere")
    return events
