"""A worker that takes commands from the real broker, and someone who sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import nats

from adapters.nats.command_client import CommandClient
from adapters.nats.dead_letters import DeadLetter, dead_letters
from commands.handle import Answer
from commands.services import Services
from domain.kernel.ids import StreamId
from infra.bootstrap.write_side import WriteSide, command_bus, write_side
from infra.settings import load
from infra.stack.endpoints import Endpoints

TASK = {"goal": "Add two numbers", "inputs": {"a": 1, "b": 2}, "output": ":int", "plan": "(+ (:a inputs) (:b inputs))"}
PRINCIPAL = "alice"


def submit(command: str, tenant: str, **changes: Any) -> dict[str, Any]:
    return {"id": command, "type": "SubmitRun", "tenant": tenant, "data": {"task": TASK}} | changes


@dataclass(kw_only=True)
class Bus:
    """A worker's command intake, and one principal who speaks to it."""

    tenant: str
    side: WriteSide
    client: CommandClient

    async def send(self, envelope: dict[str, Any], address: str = "run.SubmitRun", within: float = 10.0) -> Answer:
        return await self.send_bytes(json.dumps(envelope).encode(), address, within)

    async def send_bytes(self, body: bytes, address: str = "run.SubmitRun", within: float = 10.0) -> Answer:
        return Answer.model_validate_json(await self.client.send_bytes(address, body, within))

    async def submit(self, command: str, **changes: Any) -> Answer:
        return await self.send(submit(command, self.tenant) | changes)

    async def events(self, run: str) -> list[str]:
        loaded = await self.side.services.store.load(StreamId(self.tenant, "run", run))
        return [event.short_name for event in loaded.events]

    async def buried(self) -> list[DeadLetter]:
        return [letter async for letter in dead_letters(self.side.connection) if f".{self.tenant}." in letter.origin]

    async def still_serves(self) -> None:
        assert (await self.submit("the-next-one")).outcome == "accepted"


@asynccontextmanager
async def serving(
    endpoints: Endpoints, tenant: str, change: Callable[[Services], Services] = lambda services: services
) -> AsyncIterator[Bus]:
    """A worker that takes commands; nobody drives its runs."""
    async with AsyncExitStack() as stack:
        settings = load(data=endpoints.data, tenant=tenant)
        side = await stack.enter_async_context(write_side(settings, endpoints))
        bus = command_bus(replace(side, services=change(side.services)), endpoints)
        await bus.start()
        stack.push_async_callback(bus.stop)
        client = await stack.enter_async_context(CommandClient(side.connection, tenant, PRINCIPAL))
        yield Bus(tenant=tenant, side=side, client=client)


async def until(look: Callable[[], Any], seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110  # what is waited for happens in the broker
            await asyncio.sleep(0.02)
    return found


async def send_raw(client: nats.NATS, command: bytes) -> None:
    await client._send_command(command)
    await client.flush()
