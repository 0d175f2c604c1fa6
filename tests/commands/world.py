"""A write side on the in-memory adapters, with tools of this test's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.access.same_tenant import OnlyTenants
from adapters.memory.answers import MemoryAnswers
from adapters.memory.clock import LoopClock
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.run_index import LogRunIndex
from adapters.memory.wakes import MemoryWakes
from adapters.system.clock import SystemRandomness
from commands.agents import AgentRunner, NoAgents
from commands.catalog import COMMANDS, REACTIONS
from commands.handle import Answer, CommandEnvelope, CommandHandler
from commands.ports import ModelAnswer, ModelRequest
from commands.replays import recorded_events, verify_run
from commands.runs.driver import Driver, Rest
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
from domain.models import ModelNotConfigured, ModelOffer
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.types import parse_type
from domain.runs.replay import Replay, fold
from domain.runs.state import Run
from domain.runs.task import Limits
from domain.tools import CallContext, ToolDeclaration, ToolOutcome, ToolSucceeded

TENANT = "acme"
INT = parse_type(":int")


def declaration(name: str, effects: Any, **more: Any) -> ToolDeclaration:
    capability = Capability(
        name=name, version="1", effects=effects, parameters=(Parameter("n", INT),), result=INT, doc=name
    )
    return ToolDeclaration(capability=capability, timeout=60, **more)


DECLARATIONS = {
    each.name: each
    for each in (
        declaration("t.read", "read"),
        declaration("t.add", "write"),
        declaration("t.put", "write", idempotent=True),
    )
}


@dataclass
class Tools:
    """The ``ToolRunner`` port: counts what was done; ``during`` is awaited within each call."""

    done: Counter[str] = field(default_factory=Counter)
    during: Callable[[CallContext], Awaitable[None]] | None = None

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return DECLARATIONS

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        pass

    def close_run(self, run: str) -> None:
        pass

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        self.done[call.effect] += 1
        if self.during is not None:
            await self.during(call)
        n = arguments["n"]
        assert isinstance(n, int)
        return ToolSucceeded(value=n + 1)


@dataclass
class Models:
    """The ``ModelClient`` port: gives these answers in turn."""

    answers: list[str] = field(default_factory=list)
    asked: list[ModelRequest] = field(default_factory=list)

    offered: dict[str, ModelOffer] = field(default_factory=lambda: {"default": ModelOffer()})

    def names(self) -> Sequence[str]:
        return tuple(self.offered)

    def offers(self) -> Mapping[str, ModelOffer]:
        return self.offered

    def identity(self, name: str) -> str:
        return f"{name}:m-1"

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        self.asked.append(request)
        if not self.answers:
            raise ModelNotConfigured("no more answers", retryable=False)
        return ModelAnswer(
            text=self.answers.pop(0), served_model="m-1", prompt_tokens=10, completion_tokens=5, usd=0.25
        )


@dataclass
class World:
    tools: Tools = field(default_factory=Tools)
    models: Models = field(default_factory=Models)
    agents: AgentRunner = field(default_factory=NoAgents)
    principal: str = "someone"
    """Who sends commands."""

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        content = MemoryContentStore()
        self.store = MemoryEventStore(content)
        self.services = Services(
            store=self.store,
            content=content,
            wakes=MemoryWakes(self.clock),
            answers=MemoryAnswers(),
            authorizer=OnlyTenants([TENANT]),
            tools=self.tools,
            models=self.models,
            agents=self.agents,
            runs=LogRunIndex(self.store),
            clock=self.clock,
            randomness=SystemRandomness(),
            default_limits=Limits(),
        )
        self.handler = CommandHandler(self.services, COMMANDS, REACTIONS)

    async def send(self, kind: str, data: dict[str, Any], command: str, **more: Any) -> Answer:
        envelope = CommandEnvelope.model_validate({"id": command, "type": kind, "tenant": TENANT, "data": data} | more)
        handled = await self.handler.handle(envelope, self.principal)
        await self.handler.react(handled)
        return handled.answer

    async def submit(self, run: str, plan: str | None, **task: Any) -> Answer:
        return await self.send(
            "SubmitRun", {"task": {"goal": "Test", "plan": plan, "tools": list(DECLARATIONS), **task}}, run
        )

    async def drive(self, run: str, author: str = "worker/1") -> Rest:
        return await Driver(self.services, StreamId(TENANT, "run", run), author).drive()

    async def state(self, run: str) -> Run:
        return fold(await recorded_events(self.store, StreamId(TENANT, "run", run)))

    async def kinds(self, run: str) -> list[str]:
        return [event.short_name for event in (await self.store.load(StreamId(TENANT, "run", run))).events]

    async def verify(self, run: str) -> Replay:
        return await verify_run(self.store, StreamId(TENANT, "run", run), self.agents.agents())


async def forever() -> None:
    await asyncio.Event().wait()
