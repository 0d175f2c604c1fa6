"""What the write side needs of the world. Every port has at least two complete adapters and one contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import Positions, StreamId, token
from domain.kernel.values import Value
from domain.models import ModelOffer
from domain.tools import CallContext, ToolDeclaration, ToolOutcome


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream ends: version of its last event and that event's sequence in its shard; zeros when new."""

    version: int = 0
    sequence: int = 0


NEW_STREAM = Head()


@dataclass(frozen=True, slots=True)
class StreamSlice:
    """Events of one stream in order, and its head."""

    events: tuple[Recorded, ...]
    head: Head


@dataclass(frozen=True, slots=True)
class Append:
    """Events for one stream, on the condition that it still ends at ``expected``."""

    stream: StreamId
    drafts: Sequence[Draft]
    expected: Head


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events a reader wants: each field narrows, None means all. Filtered at the broker."""

    tenant: str | None = None
    category: str | None = None
    stream: str | None = None
    event: str | None = None
    """Short event name, like ``RunCompleted``."""
    whole: bool = True
    """Whether big fields are put back from the content store; else an event's data are its references, as stored."""

    def __post_init__(self) -> None:
        """Refuse hostile names."""
        for what, name in (("tenant", self.tenant), ("category", self.category), ("stream", self.stream)):
            if name is not None:
                token(name, what)
        if self.event is not None:
            token(self.event, "event name")

    def subjects(self, shard: int) -> str:
        """Broker filter of these events in one shard."""
        if self == EVERYTHING:
            return f"evt.{shard}.>"
        return f"evt.{shard}.{self.tenant or '*'}.{self.category or '*'}.{self.stream or '*'}.*.{self.event or '*'}"

    def matches(self, address: str) -> bool:
        """Whether the event at this address is among them."""
        _, _, tenant, category, stream, _, event = address.split(".")
        wanted = (self.tenant, self.category, self.stream, self.event)
        return all(w is None or w == found for w, found in zip(wanted, (tenant, category, stream, event), strict=True))


EVERYTHING = Selection()


class EventStore(Protocol):
    """The immutable log: streams of events with optimistic concurrency, one total order a shard."""

    async def append(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        """Append events in order after ``expected`` and return them as stored (each acknowledged as durable).

        Idempotent by event id: where the log already holds these ids at these versions (a lost or a duplicate
        acknowledgement), the stored events are returned, whose bytes may differ from the drafts' and win.
        Data fields above 64 KiB go to the content store. Raises ``VersionConflict`` if the stream has moved on
        (nothing was appended, or, of several, a prefix that the caller reads as the tail), ``ServiceUnreachable``.
        """
        ...

    async def append_atomically(self, appends: Sequence[Append]) -> tuple[tuple[Recorded, ...], ...]:
        """All or nothing, across streams of one shard. Raises as ``append``."""
        ...

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        """Events of a stream with a version above ``after``, of any number, and its head. Sees all acknowledged."""
        ...

    def read(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """Batches in log order from just after these positions to the end of the log as of the call."""
        ...

    def follow(
        self, after: Positions, selection: Selection = EVERYTHING, batch: int = 1000
    ) -> AsyncIterator[Sequence[Recorded]]:
        """As ``read``, then goes on for ever as events arrive; an empty batch now and then shows that it is alive."""
        ...

    async def end(self) -> Positions:
        """Position of the last event of every shard."""
        ...


class ContentStore(Protocol):
    """Blobs by digest (``sha256:<hex>``), apart by tenant. Create-only."""

    async def put(self, tenant: str, data: bytes, mediatype: str) -> str:
        """Store durably, return the digest. The same bytes again change nothing."""
        ...

    async def get(self, tenant: str, digest: str) -> bytes:
        """The bytes, verified against the digest. Raises ``NotFound`` or ``StoredDataInvalid``."""
        ...


class Clock(Protocol):
    """Time, as an argument to everything that would otherwise read it."""

    def now(self) -> datetime:
        """Wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...


class Randomness(Protocol):
    """Randomness, as an argument."""

    def bytes(self, count: int) -> bytes:
        """So many random bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Wake:
    """A reason to drive a run: submitted, resumed, approved, cancelled, timer due, swept."""

    run: StreamId
    reason: str


class HeldWake(Protocol):
    """A wake delivered to one worker, which must settle it; it is delivered again when the worker falls silent."""

    wake: Wake

    async def settle(self) -> None:
        """The run suspended or ended: never deliver this again."""
        ...

    async def keep(self) -> None:
        """Still working on it: push back the time at which it counts as lost."""
        ...

    async def put_back(self, delay: float) -> None:
        """Deliver it again, to anyone, after so many seconds."""
        ...


class Wakes(Protocol):
    """The work queue of runs that need a driver, with timers."""

    async def send(self, wake: Wake, due: datetime | None = None) -> None:
        """Wake a run, now or at a time. Sending twice may drive twice, which is harmless."""
        ...

    async def receive(self, limit: int, wait: float) -> Sequence[HeldWake]:
        """Up to ``limit`` wakes, as soon as one is there, or none after ``wait`` seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question to a model, in the chat form that OpenAI-compatible servers speak."""

    model: str
    """Name in the configuration, not the server's name for it."""
    messages: tuple[dict[str, str], ...]
    """``{"role": "system"|"user"|"assistant", "content": text}`` in order."""
    parameters: dict[str, object] = field(default_factory=dict)
    """Sampling parameters as sent (temperature, seed, max_tokens, ...)."""
    timeout: float = 120.0
    """Seconds for the whole call, retries included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What a model said and what it cost."""

    text: str
    served_model: str
    """The server's own name and version of the model, or the transcript's label."""
    prompt_tokens: int
    completion_tokens: int
    usd: float
    """0.0 where no price is configured."""
    recorded: bool = False
    """Whether a transcript answered instead of a live model."""


class ModelClient(Protocol):
    """Models by configured name."""

    def names(self) -> Collection[str]:
        """Names of the configured models."""
        ...

    def offers(self) -> Mapping[str, ModelOffer]:
        """What is known of each configured model, by name."""
        ...

    def identity(self, name: str) -> str:
        """What tells a configured model from one that may answer otherwise: name, server, the server's name for it.

        1 to 300 characters. Raises ``ModelNotConfigured``.
        """
        ...

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Ask once (with the retries that are safe). Raises ``ModelUnavailable`` (domain/models.py)."""
        ...


class ToolRunner(Protocol):
    """Tools by name. Whatever a tool does, the answer is an outcome, never an exception."""

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        """Every tool that can be called here."""
        ...

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        """Give a run its stateful tools in their initial state; its journaled stateful calls are then made again."""
        ...

    def close_run(self, run: str) -> None:
        """Forget the state of a run's tools."""
        ...

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        """Call a tool. Cancelling the call stops the tool as far as its isolation allows."""
        ...


class AnswerStore(Protocol):
    """Final answers to commands by command id, kept for a day."""

    async def get(self, tenant: str, command: str) -> bytes | None:
        """The answer, if one is kept."""
        ...

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        """Keep an answer. The first one stays."""
        ...


class Authorizer(Protocol):
    """Who may send which command."""

    def denial(self, tenant: str, principal: str, command: str) -> str | None:
        """Why this is not allowed; None when it is."""
        ...


class RunIndex(Protocol):
    """What the write side needs of the read side: runs that nobody drives."""

    async def unfinished(self, claim_ended_before: datetime, limit: int) -> Sequence[StreamId]:
        """Runs that are neither ended, paused nor waiting for a person, without a claim that lasts beyond this time."""
        ...
