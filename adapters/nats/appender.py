"""Sends events of one shard to its stream and tells their sequences: pipelined, and grouped when many wait.

A single publish on a server that syncs each write costs it about 0.3 ms; an atomic batch costs 3 ms and 0.04 ms an
event. So up to 16 go singly, and when more wait they go as one batch, each stream with its own expectation.
Nothing here knows whether a lost event was stored: who calls reads the log again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Final, NamedTuple

import orjson

from adapters.nats.client import publication, status
from adapters.nats.connection import Connection
from commands.appends import LARGEST_ATOMIC, Written
from domain.kernel.events import CONTENT_TYPE
from domain.ledger.stored import EPOCH

GROUP_FROM: Final = 16
"""Events under way or waiting beyond which they are sent as one batch."""

FULL: Final = 48
"""Waiting events from which on a batch goes although another is under way: the broker has the next at hand."""

BATCHES: Final = 2
"""Batches under way at most."""

WINDOW: Final = 1000
"""Events under way at most, where they are not grouped."""

LARGEST_BATCH: Final = 8 * 1024 * 1024
"""Bytes of one batch: a share of what the broker holds for one connection."""

ACKNOWLEDGED_WITHIN: Final = 5.0
"""Seconds until an event without acknowledgement counts as lost."""

DUPLICATE: Final = 0
"""Stands where the broker's error code would: it took the event for one that it has."""

WRONG_SEQUENCE: Final = frozenset({10071, 10164})
"""The broker's error codes for a head expectation that does not hold."""

WRONG_STREAM: Final = 10060
"""The broker's error code for an event that names another epoch's stream."""

PASSING: Final = frozenset({DUPLICATE, 10109, 10176, 10201})
"""Refusals that mean nothing by themselves: an id seen a moment ago (alone, in a batch), a batch torn in two, an epoch
that was closed while the event was on its way."""

_SEQUENCE: Final = "Nats-Expected-Last-Subject-Sequence"


class Refused(Exception):  # never leaves this folder
    """The broker refused an event, or had its id already; ``number`` is its error code, or ``DUPLICATE``."""

    def __init__(self, description: str, number: int) -> None:
        super().__init__(description)
        self.number = number


class Unacknowledged(Exception):  # never leaves this folder
    """Nobody can say yet whether the events were stored."""


class Entry:
    """Events of one stream in order, under way together."""

    __slots__ = ("done", "epoch", "expected", "filter", "sequences", "written")

    def __init__(self, written: Sequence[Written], stream_filter: str, expected: int, epoch: str) -> None:
        self.written = written
        self.filter = stream_filter
        self.expected = expected
        self.epoch = epoch
        """Name of the epoch's stream. Where no head is expected, only the name keeps apart a stream that is new from
        one that is older than the epoch."""
        self.sequences: list[int] = []
        self.done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(len(event.body) for event in self.written)

    def fail(self, error: Exception) -> None:
        """Tell who waits, if anyone does."""
        if not self.done.done():
            self.done.set_exception(error)

    def succeed(self) -> None:
        """Tell who waits, if anyone does."""
        if not self.done.done():
            self.done.set_result(self.sequences)

    def expectation(self) -> str:
        """Header lines for the next event: with which sequence its stream must end now."""
        sequence = self.sequences[-1] if self.sequences else self.expected
        if sequence:
            return f"{_SEQUENCE}: {sequence}\r\n{_SEQUENCE}-Subject: {self.filter}\r\n"
        return f"{_SEQUENCE}: 0\r\n{_SEQUENCE}-Subject: {self.filter}\r\n{EPOCH}: {self.epoch}\r\n"


class _Flight:
    """One message, or one batch, on its way to the broker."""

    __slots__ = ("deadline", "divisible", "entries", "grouped", "reply")

    def __init__(self, entries: Sequence[Entry], *, grouped: bool, divisible: bool) -> None:
        self.entries = entries
        self.grouped = grouped
        self.divisible = divisible
        self.reply = b""
        self.deadline = 0.0


class Appender:
    """The one sender of a shard in this process."""

    def __init__(self, connection: Connection, *, grouped: bool) -> None:
        self._connection = connection
        self._grouped = grouped
        self._window = GROUP_FROM if grouped else WINDOW
        self._waiting: deque[Entry] = deque()
        self._waiting_events = 0
        self._under_way: dict[bytes, _Flight] = {}
        self._replies = connection.expect(self._on_answer)
        self._numbers = count(1)
        self._groups = 0
        self._pumping = False
        self._watch: asyncio.TimerHandle | None = None
        self._batches = count(1)
        self.epoch = ""
        """Name of the stream that the newest event went to."""
        self.begins = 0
        """Smallest sequence that is known to be in it."""
        self._stop_listening = connection.on_lost(self._lose_all)

    def close(self) -> None:
        """Give up what is under way."""
        self._stop_listening()
        self._lose_all()
        self._connection.forget(self._replies)

    def send(self, entry: Entry) -> asyncio.Future[list[int]]:
        """Sequences of the events as acknowledged; ``Refused`` or ``Unacknowledged`` otherwise."""
        self._waiting.append(entry)
        self._waiting_events += len(entry.written)
        if not self._under_way or (self._grouped and self._may_group()):
            self._pump()  # an idle broker starts on the first at once
        elif not self._pumping:
            # Others that run in this turn of the loop join the same group.
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)
        return entry.done

    async def send_atomically(self, entries: Sequence[Entry]) -> list[list[int]]:
        """All or nothing, now. Raises as ``send``."""
        if not self._connection.is_up:
            raise Unacknowledged("the connection is broken")
        self._send_group(entries, divisible=False)
        return await asyncio.gather(*(entry.done for entry in entries))

    def _pump(self) -> None:
        self._pumping = False
        if self._waiting and not self._connection.is_up:
            self._lose_all()
        while self._waiting and (not self._groups or self._may_group()):
            if self._grouped and self._waiting_events > GROUP_FROM:
                self._send_group(self._take_group(), divisible=True)
            elif len(self._under_way) < self._window:
                self._send_next(self._take())
            else:
                return

    def _may_group(self) -> bool:
        return self._waiting_events >= FULL and self._groups < BATCHES

    def _take(self) -> Entry:
        entry = self._waiting.popleft()
        self._waiting_events -= len(entry.written)
        return entry

    def _take_group(self) -> list[Entry]:
        group = [self._take()]
        events, size = len(group[0].written), group[0].size
        while self._waiting:
            events += len(self._waiting[0].written)
            size += self._waiting[0].size
            if events > LARGEST_ATOMIC or size > LARGEST_BATCH:
                break
            group.append(self._take())
        return group

    def _send_next(self, entry: Entry) -> None:
        if entry.done.done():
            return  # who waited has gone
        reply = self._depart(_Flight((entry,), grouped=False, divisible=False))
        event = entry.written[len(entry.sequences)]
        headers = entry.expectation() + _identity(event)
        self._connection.client.send(publication(event.address, reply, headers, event.body))

    def _send_group(self, entries: Sequence[Entry], *, divisible: bool) -> None:
        entries = [entry for entry in entries if not entry.done.done()]
        total = sum(len(entry.written) for entry in entries)
        if not total:
            return
        reply = self._depart(_Flight(entries, grouped=True, divisible=divisible))
        batch = f"Nats-Batch-Id: {self._connection.unique}-{next(self._batches)}\r\nNats-Batch-Sequence: "
        commands: list[bytes] = []
        for entry in entries:
            expectation = entry.expectation()
            for event in entry.written:
                is_last = len(commands) + 1 == total
                headers = f"{expectation}{_identity(event)}{batch}{len(commands) + 1}\r\n"
                if is_last:
                    headers += "Nats-Batch-Commit: 1\r\n"
                commands.append(publication(event.address, reply if is_last else "", headers, event.body))
                expectation = ""  # the broker wants one for each stream, on its first event
        self._connection.client.send(b"".join(commands))

    def _depart(self, flight: _Flight) -> str:
        """Keep an eye on it from now; gives its reply subject."""
        reply = f"{self._replies}.{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        flight.reply = reply.encode()
        flight.deadline = loop.time() + ACKNOWLEDGED_WITHIN
        self._under_way[flight.reply] = flight
        self._groups += flight.grouped
        if self._watch is None:
            self._watch = loop.call_later(ACKNOWLEDGED_WITHIN, self._lose_late)
        return reply

    def _on_answer(self, subject: bytes, _reply: bytes, payload: bytes, headers: bytes | None) -> None:
        flight = self._under_way.pop(subject, None)
        if flight is None:
            return  # a doubled acknowledgement, or one that was given up
        self._groups -= flight.grouped
        answer = _answer(payload, headers)
        if isinstance(answer, _Stored):
            self._note(answer, flight)
            self._advance(flight, answer.sequence)
        elif flight.divisible:
            # One member's refusal is no other's: each is asked alone.
            for entry in flight.entries:
                self._send_next(entry)
        else:
            for entry in flight.entries:
                entry.fail(answer)
        self._pump()

    def _note(self, stored: _Stored, flight: _Flight) -> None:
        """Keep in mind where the newest epoch begins: acknowledgements of two may cross."""
        if stored.stream != self.epoch and stored.sequence > self.begins:
            self.epoch, self.begins = stored.stream, stored.sequence
        first = stored.sequence + 1 - (sum(len(entry.written) for entry in flight.entries) if flight.grouped else 1)
        if stored.stream == self.epoch and first < self.begins:
            self.begins = first

    def _advance(self, flight: _Flight, last: int) -> None:
        if not flight.grouped:
            (entry,) = flight.entries
            entry.sequences.append(last)
            if len(entry.sequences) < len(entry.written):
                self._send_next(entry)
            else:
                entry.succeed()
            return
        first = last + 1 - sum(len(entry.written) for entry in flight.entries)
        for entry in flight.entries:  # a batch is stored without gaps
            entry.sequences.extend(range(first, first + len(entry.written)))
            first += len(entry.written)
            entry.succeed()

    def _lose_late(self) -> None:
        self._watch = None
        loop = asyncio.get_running_loop()
        for flight in tuple(self._under_way.values()):  # in the order in which they left
            if flight.deadline > loop.time():
                self._watch = loop.call_at(flight.deadline, self._lose_late)
                break
            self._lose(flight, f"no acknowledgement within {ACKNOWLEDGED_WITHIN:g} s")
        self._pump()

    def _lose_all(self) -> None:
        for flight in tuple(self._under_way.values()):
            self._lose(flight, "the connection broke")
        while self._waiting:
            self._take().fail(Unacknowledged("the connection is broken"))

    def _lose(self, flight: _Flight, reason: str) -> None:
        del self._under_way[flight.reply]
        self._groups -= flight.grouped
        for entry in flight.entries:
            entry.fail(Unacknowledged(reason))


def _identity(event: Written) -> str:
    return f"Nats-Msg-Id: {event.id}\r\ncontent-type: {CONTENT_TYPE}\r\n"


class _Stored(NamedTuple):
    """An acknowledgement."""

    stream: str
    sequence: int


def _answer(payload: bytes, headers: bytes | None) -> _Stored | Exception:
    if status(headers) == 503:
        return Unacknowledged("nobody stores this subject; the stream is missing or the broker is starting")
    answer = orjson.loads(payload)
    if (error := answer.get("error")) is not None:
        return Refused(error["description"], error.get("err_code", 0))
    if answer.get("duplicate"):
        return Refused("the broker has had this event id a moment ago", DUPLICATE)
    return _Stored(answer["stream"], answer["seq"])
