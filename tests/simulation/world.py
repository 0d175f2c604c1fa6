"""A small world of tools that remembers what was really done to it, and faults drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.memory.event_store import MemoryEventStore
from adapters.memory.faults import Delivery, Fate
from commands.ports import Wake
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
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
class SimulatedTools:
    """The ``ToolRunner`` port. Calls take virtual time, in which anything may happen to the worker."""

    dice: random.Random
    store: MemoryEventStore
    done: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(tool, run, effect) -> how often it was really done."""
    too_early: list[str] = field(default_factory=list)
    """Writes that happened without a request on record."""
    too_late: list[str] = field(default_factory=list)
    """Writes that happened although their outcome was on record."""
    sums: dict[str, int] = field(default_factory=dict)

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return DECLARATIONS

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        del inputs
        self.sums[run] = 0

    def close_run(self, run: str) -> None:
        self.sums.pop(run, None)

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        await asyncio.sleep(self.dice.choice((0.0, 0.01, 0.5, 20.0)))
        n = arguments["n"]
        assert isinstance(n, int)
        if name == "sim.sum":  # its state lives in the worker: calls are repeated to rebuild it
            self.sums[call.run] += n
            return ToolSucceeded(value=self.sums[call.run])
        if name != "sim.read":
            self._note(name, call)
        self.done[name, call.run, call.effect] += 1
        await asyncio.sleep(self.dice.choice((0.0, 0.01, 5.0)))
        if name == "sim.fail":
            return ToolFailed(type="sim.failed", message=f"{n} does not work")
        return ToolSucceeded(value=n + 1)

    def _note(self, name: str, call: CallContext) -> None:
        stream = StreamId(call.tenant, "run", call.run)
        kinds = [
            event.short_name for event in self.store._streams.get(stream, []) if event.data.get("effect") == call.effect
        ]
        if "ToolCallRequested" not in kinds:
            self.too_early.append(f"{name} {call.run} {call.effect}")
        if {"ToolCallCompleted", "ToolCallFailed"} & set(kinds):
            self.too_late.append(f"{name} {call.run} {call.effect}")


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


class NoModels:
    """The ``ModelClient`` port, without any model."""

    def names(self) -> Sequence[str]:
        return ()

    async def ask(self, request: object) -> Any:
        raise AssertionError(f"no model is configured, and yet one was asked: {request}")
