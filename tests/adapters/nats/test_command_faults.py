"""Faults behind the command bus: bugs are tried again and buried, services that are away are waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime

import nats

from adapters.nats.dead_letters import retry
from commands.ports import AnswerStore, EventStore, Head, StreamSlice, Wake
from commands.services import Services
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import StreamId
from infra.stack.endpoints import Endpoints
from tests.adapters.nats.commanding import Bus, serving, submit, until


@dataclass
class _Wrapped:
    """An ``EventStore`` around the real one."""

    inner: EventStore = field(init=False)

    def around(self, services: Services) -> Services:
        self.inner = services.store
        return replace(services, store=self)  # type: ignore[arg-type]

    async def append(self, stream: StreamId, drafts: list[Draft], expected: Head) -> tuple[Recorded, ...]:
        return await self.inner.append(stream, drafts, expected)

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        return await self.inner.load(stream, after)


@dataclass
class BrokenAppends(_Wrapped):
    broken: str | None
    failed: int = 0

    async def append(self, stream: StreamId, drafts: list[Draft], expected: Head) -> tuple[Recorded, ...]:
        if stream.id == self.broken:
            self.failed += 1
            raise ZeroDivisionError("a bug")
        return await super().append(stream, drafts, expected)


@dataclass
class UnreachableAtFirst(_Wrapped):
    left: int

    async def append(self, stream: StreamId, drafts: list[Draft], expected: Head) -> tuple[Recorded, ...]:
        if self.left:
            self.left -= 1
            raise ServiceUnreachable("the log is away")
        return await super().append(stream, drafts, expected)


@dataclass
class LostOnce:
    """``Wakes`` whose first send fails."""

    sent: list[Wake] = field(default_factory=list)
    lost: int = 0

    def around(self, services: Services) -> Services:
        return replace(services, wakes=self)  # type: ignore[arg-type]

    async def send(self, wake: Wake, due: datetime | None = None) -> None:
        if not self.lost:
            self.lost += 1
            raise ServiceUnreachable("the queue is away")
        self.sent.append(wake)


@dataclass
class FullAtFirst:
    """An ``AnswerStore`` around the real one that takes nothing at first."""

    left: int
    kept: list[str] = field(default_factory=list)
    inner: AnswerStore = field(init=False)

    def around(self, services: Services) -> Services:
        self.inner = services.answers
        return replace(services, answers=self)

    async def get(self, tenant: str, command: str) -> bytes | None:
        return await self.inner.get(tenant, command)

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        if self.left:
            self.left -= 1
            raise ServiceUnreachable("no room for answers")
        await self.inner.put(tenant, command, answer)
        self.kept.append(command)


class TestFaults:
    async def test_a_handler_that_raises_is_tried_again_then_buried(self, stack: Endpoints, tenant: str) -> None:
        store = BrokenAppends(broken="c1")

        async with serving(stack, tenant, store.around) as bus:
            answer = await bus.send(submit("c1", tenant), within=20)
            assert (answer.outcome, answer.error and answer.error.code) == ("rejected", "command.unhandled")
            assert "failed 5 times: ZeroDivisionError" in answer.error.message
            assert store.failed == 5
            (letter,) = await bus.buried()
            assert "ZeroDivisionError: a bug" in letter.reason
            await bus.still_serves()

            store.broken = None
            await retry(bus.side.connection, letter)
            assert await until(lambda: bus.events("c1")) == ["RunSubmitted"]
            assert await bus.buried() == []

    async def test_a_service_that_is_away_is_waited_for(self, stack: Endpoints, tenant: str) -> None:
        store = UnreachableAtFirst(7)  # more often than a bug would be tried
        async with serving(stack, tenant, store.around) as bus:
            answer = await bus.send(submit("c1", tenant), within=30)
            assert (answer.outcome, store.left) == ("accepted", 0)
            assert await bus.buried() == []

    async def test_a_reaction_that_was_missed_is_made_up_for(self, stack: Endpoints, tenant: str) -> None:
        wakes = LostOnce()
        async with serving(stack, tenant, wakes.around) as bus:
            assert (await bus.submit("c1")).outcome == "accepted"
            await until(lambda: asyncio.sleep(0, [wake.run.id for wake in wakes.sent]))
        assert [wake.run.id for wake in wakes.sent] == ["c1"]
        assert wakes.lost == 1

    async def test_nobody_is_told_of_a_refusal_that_may_not_last(self, stack: Endpoints, tenant: str) -> None:
        answers = FullAtFirst(1)
        cancel = {"id": "c2", "type": "CancelRun", "tenant": tenant, "data": {"run": "c1", "reason": "late"}}
        async with serving(stack, tenant, answers.around) as bus:
            answer = await bus.send(cancel, "run.CancelRun", within=20)
            # What is delivered again is decided anew: it may be accepted by then.
            assert (answer.outcome, answers.kept) == ("rejected", ["c2"])
            assert await bus.submit("c1") is not None
            assert (await bus.send(cancel, "run.CancelRun")).outcome == "rejected"

    async def test_every_message_is_settled(self, bus: Bus, raw: nats.NATS) -> None:
        await asyncio.gather(*(bus.submit(f"c{number}") for number in range(100)))

        async def unsettled() -> bool:
            info = await raw.jetstream().consumer_info("COMMANDS", f"commands-{bus.tenant}")
            return info.num_ack_pending == 0

        await until(unsettled)
