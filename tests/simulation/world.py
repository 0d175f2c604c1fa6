"""A small world of tools that remembers what was really done to it, and faults drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.memory.event_store import MemoryEventStore
from adapters.memory.faults import Delivery, Fate
from adapters.memory.wakes import MemoryWakes
from commands.ports import Head, HeldWake, ModelAnswer, ModelRequest, StreamSlice, Wake
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
from domain.models import ModelOffer, ModelUnavailable
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.types import parse_type
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome, ToolSucceeded

INT = parse_type(":int")


def declaration(name: str, effects: Any, *, idempotent: bool = False, stateful: bool = False) -> ToolDeclaration:
    capability = Capability(
        name=name, version="1", effects=effects, parameters=(Parameter("n", INT),), result=INT, doc=name
    )
    return ToolDeclaration(capability=capability, timeout=60, idempotent=idempotent, stateful=stateful)


DECLARATIONS = {
    tool.name: tool
    for tool in (
        declaration("sim.read", "read"),
        declaration("sim.add", "write"),
        declaration("sim.put", "write", idempotent=True),
        declaration("sim.fail", "external"),
        declaration("sim.sum", "write", idempotent=True, stateful=True),
    )
}


@dataclass
class Deeds:
    """What the tools really did to the world, whoever called them."""

    store: MemoryEventStore
    done: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(tool, run, effect) -> how often it was really done."""
    too_early: list[str] = field(default_factory=list)
    """Writes that happened without a request on record."""
    too_late: list[str] = field(default_factory=list)
    """Writes that happened although their outcome was on record."""

    def note(self, name: str, call: CallContext) -> None:
        self.done[name, call.run, call.effect] += 1
        if name == "sim.read":
            return
        stream = StreamId(call.tenant, "run", call.run)
        kinds = {
            event.short_name for event in self.store._streams.get(stream, []) if event.data.get("effect") == call.effect
        }
        if "ToolCallRequested" not in kinds:
            self.too_early.append(f"{name} {call.run} {call.effect}")
        if {"ToolCallCompleted", "ToolCallFailed"} & kinds:
            self.too_late.append(f"{name} {call.run} {call.effect}")


class Process:
    """One life of a worker, which may stand still for longer than its claims hold, and then go on."""

    def __init__(self, dice: random.Random, stalls: float) -> None:
        self.dice = dice
        self.stalls = stalls
        """Probability that it stands still after an append."""
        self._until = 0.0

    def maybe_stall(self) -> None:
        if self.dice.random() < self.stalls:
            self._until = asyncio.get_running_loop().time() + self.dice.choice((5.0, 40.0, 100.0))

    async def runs(self) -> None:
        while (left := self._until - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(left)


@dataclass
class ProcessTools:
    """The ``ToolRunner`` port in one process. Calls take virtual time, in which anything may happen to the worker."""

    process: Process
    deeds: Deeds
    sums: dict[str, int] = field(default_factory=dict)

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return DECLARATIONS

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        del inputs
        self.sums[run] = 0

    def close_run(self, run: str) -> None:
        self.sums.pop(run, None)

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        dice = self.process.dice
        # Who may stand still does its deed within what is left of a claim that is relied on.
        await asyncio.sleep(dice.choice((0.0, 0.01, 0.5, 0.5 if self.process.stalls else 20.0)))
        n = arguments["n"]
        assert isinstance(n, int)
        if name == "sim.sum":  # its state lives in the worker: calls are repeated to rebuild it
            self.sums[call.run] += n
            return ToolSucceeded(value=self.sums[call.run])
        self.deeds.note(name, call)
        await asyncio.sleep(dice.choice((0.0, 0.01, 5.0)))
        await self.process.runs()
        if name == "sim.fail":
            return ToolFailed(type="sim.failed", message=f"{n} does not work")
        return ToolSucceeded(value=n + 1)


@dataclass(frozen=True)
class ProcessStore:
    """The log as one process reaches it."""

    process: Process
    store: MemoryEventStore

    async def append(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        await self.process.runs()
        stored = await self.store.append(stream, drafts, expected)
        self.process.maybe_stall()
        await self.process.runs()
        return stored

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        await self.process.runs()
        return await self.store.load(stream, after)


@dataclass(frozen=True)
class ProcessWakes:
    """The work queue as one process reaches it. Some timers are lost on their way there."""

    process: Process
    wakes: MemoryWakes
    lost_timers: float

    async def send(self, wake: Wake, due: datetime | None = None) -> None:
        await self.process.runs()
        if due is None or self.process.dice.random() >= self.lost_timers:
            await self.wakes.send(wake, due)

    async def receive(self, limit: int, wait: float) -> Sequence[HeldWake]:
        await self.process.runs()
        return [ProcessWake(self.process, held) for held in await self.wakes.receive(limit, wait)]


class ProcessWake:
    """A wake that one process holds: while that stands still, nobody says so to the queue."""

    def __init__(self, process: Process, held: HeldWake) -> None:
        self.wake = held.wake
        self._process = process
        self._held = held

    async def settle(self) -> None:
        await self._process.runs()
        await self._held.settle()

    async def keep(self) -> None:
        await self._process.runs()
        await self._held.keep()

    async def put_back(self, delay: float) -> None:
        await self._process.runs()
        await self._held.put_back(delay)


@dataclass(frozen=True)
class SeededFaults:
    """Loses, doubles, tears and delays messages."""

    dice: random.Random
    trouble: float
    """Probability that a message meets a fault."""

    def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
        del streams
        fate = Fate.DELIVERED
        # The last attempt arrives, so that a history ends by itself; giving up is tested on its own.
        if attempt < 3 and self.dice.random() < self.trouble:
            fate = self.dice.choice((Fate.LOST, Fate.UNACKNOWLEDGED, Fate.DOUBLED, Fate.TORN))
        return Delivery(fate, self._delay(), self._delay())

    def load(self, stream: StreamId) -> float:
        del stream
        return self._delay()

    def wake(self, wake: Wake) -> Delivery:
        del wake
        lost = self.dice.random() < self.trouble
        return Delivery(self.dice.choice((Fate.LOST, Fate.DOUBLED)) if lost else Fate.DELIVERED, self._delay())

    def _delay(self) -> float:
        return self.dice.choice((0.0, 0.0, 0.001, 0.05)) if self.dice.random() < 0.9 else self.dice.uniform(0, 8)


@dataclass(frozen=True)
class SimulatedModels:
    """The ``ModelClient`` port: a planner that is slow, often wrong, and at times away."""

    dice: random.Random
    plan: str

    def names(self) -> Sequence[str]:
        return ("default",)

    def offers(self) -> dict[str, ModelOffer]:
        return {name: ModelOffer() for name in self.names()}

    def identity(self, name: str) -> str:
        return f"{name}:m-1"

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        await asyncio.sleep(self.dice.choice((0.0, 3.0, 45.0)))
        if self.dice.random() < 0.05:
            raise ModelUnavailable("it is away", retryable=False)
        text = self.dice.choice(("I do not know.", "(+ 1", self.plan, self.plan, self.plan))
        return ModelAnswer(
            text=f"```rtfs\n{text}\n```",
            served_model=request.model,
            prompt_tokens=10,
            completion_tokens=5,
            usd=0.0,
        )
