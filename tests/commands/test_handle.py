"""One way for every command: check, load, decide, append, react, answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.memory.clock import BIRTH
from adapters.memory.event_store import MemoryEventStore
from commands.handle import ATTEMPTS, LONGEST_MESSAGE, CommandEnvelope, CommandHandler, is_final
from commands.ports import Head
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.ids import StreamId
from tests.commands.world import TENANT, World

RUN = StreamId(TENANT, "run", "r1")


@pytest.fixture
def world() -> World:
    return World()


async def test_an_accepted_command_names_its_events_and_their_place(world: World) -> None:
    answer = await world.submit("r1", "7")
    assert answer.model_dump(exclude_none=True) == {
        "commandid": "r1",
        "outcome": "accepted",
        "position": "0.0:1",
        "events": ({"type": "precedent.run.RunSubmitted.v1", "sequence": "1"},),
    }
    (event,) = (await world.store.load(RUN)).events
    assert (event.causation, event.correlation, event.actor) == ("r1", "r1", "user:someone")


async def test_its_events_are_reacted_to(world: World) -> None:
    await world.submit("r1", "7")
    (held,) = await world.services.wakes.receive(5, 0.1)
    assert (held.wake.run, held.wake.reason) == (RUN, "RunSubmitted")


async def test_the_trace_goes_on_in_the_events(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await world.send("SubmitRun", {"task": {"goal": "g", "plan": "7"}}, "r1", traceparent=trace)
    (event,) = (await world.store.load(RUN)).events
    assert event.document["traceparent"] == trace


async def test_rules_reject_and_say_why(world: World) -> None:
    await world.submit("r1", "7")
    answer = await world.send("ResumeRun", {"run": "r1"}, "c1")
    assert answer.outcome == "rejected"
    assert answer.error is not None
    assert (answer.error.code, answer.error.message) == ("run.not-paused", "run r1 is not paused")
    assert is_final(answer)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("SubmitRun", {}, "task"),
        ("SubmitRun", {"task": []}, "task"),
        ("CancelRun", {"run": 7}, "run"),
        ("CancelRun", {"run": "r1", "reason": "x" * 10_001}, "reason"),
        ("GrantApproval", {"run": "r1", "effect": "0" * 257}, "effect"),
        ("ResolveOutcome", {"run": "r1", "effect": "0", "outcome": "perhaps"}, "outcome"),
        ("PauseRun", {"run": "r1", "why": "lunch"}, "why"),
    ],
)
async def test_wrong_data_names_its_field(world: World, kind: str, data: dict[str, Any], field: str) -> None:
    answer = await world.send(kind, data, "c1")
    assert answer.outcome == "invalid"
    assert answer.error is not None
    assert [problem["field"] for problem in answer.error.detail] == [field]
    assert f"{kind}: {field}: " in answer.error.message


async def test_what_was_sent_is_quoted_only_so_far(world: World) -> None:
    answer = await world.submit("r1", "7", tools=["x" * 100_000])
    assert answer.error is not None
    assert answer.error.message.endswith("characters)")
    assert len(answer.error.message) < LONGEST_MESSAGE + 50


async def test_a_tenant_that_this_worker_does_not_serve_is_denied_before_anything_is_read(world: World) -> None:
    class Unread(MemoryEventStore):
        async def load(self, stream: StreamId, after: int = 0) -> Any:
            raise AssertionError("nothing may be read")

    services = replace(world.services, store=Unread(world.services.content))
    handler = CommandHandler(services, world.handler.commands, world.handler.reactions)
    envelope = CommandEnvelope(id="r1", type="SubmitRun", tenant="other", data={"task": {"goal": "g"}})
    answer = (await handler.handle(envelope, "someone")).answer
    assert (answer.outcome, answer.error and answer.error.code) == ("denied", "access.denied")


async def test_an_expected_version_is_held(world: World) -> None:
    await world.submit("r1", "7")
    assert (await world.send("PauseRun", {"run": "r1"}, "c1", expectedversion=2)).outcome == "conflict"
    assert (await world.send("PauseRun", {"run": "r1"}, "c1", expectedversion=1)).outcome == "accepted"
    assert (await world.send("SubmitRun", {"task": {"goal": "g"}}, "r2", expectedversion=1)).outcome == "conflict"
    assert (await world.send("SubmitRun", {"task": {"goal": "g"}}, "r2", expectedversion=0)).outcome == "accepted"


async def test_expiry_is_the_moment_itself(world: World) -> None:
    now = world.clock.now()
    assert (await world.send("SubmitRun", {"task": {"goal": "g"}}, "r1", expires=now)).outcome == "expired"
    assert now > BIRTH


@pytest.mark.parametrize("time", ["2026-11-21T08:00:00", "yesterday", ""])
@pytest.mark.parametrize("field", ["time", "expires"])
def test_a_time_without_a_zone_is_no_time(field: str, time: str) -> None:
    with pytest.raises(ValidationError):
        CommandEnvelope.model_validate({"id": "c", "type": "T", "tenant": "t", "data": {}, field: time})


async def test_a_decision_is_taken_anew_when_others_append_meanwhile(world: World) -> None:
    await world.submit("r1", "7")
    store = Contended(world, times=ATTEMPTS - 1)
    handler = CommandHandler(replace(world.services, store=store), world.handler.commands, {})
    envelope = CommandEnvelope(id="c1", type="PauseRun", tenant=TENANT, data={"run": "r1"})
    assert (await handler.handle(envelope, "someone")).answer.outcome == "accepted"
    assert store.left == 0


async def test_endless_contention_is_a_conflict_that_may_be_tried_again(world: World) -> None:
    await world.submit("r1", "7")
    store = Contended(world, times=ATTEMPTS)
    handler = CommandHandler(replace(world.services, store=store), world.handler.commands, {})
    envelope = CommandEnvelope(id="c1", type="PauseRun", tenant=TENANT, data={"run": "r1"})
    answer = (await handler.handle(envelope, "someone")).answer
    assert (answer.outcome, is_final(answer)) == ("conflict", False)
    assert (await handler.handle(envelope, "someone")).answer.outcome == "accepted"


async def test_a_service_that_is_away_is_the_callers_to_wait_for(world: World) -> None:
    class Away(MemoryEventStore):
        async def load(self, stream: StreamId, after: int = 0) -> Any:
            raise ServiceUnreachable("gone")

    handler = CommandHandler(replace(world.services, store=Away(world.services.content)), world.handler.commands, {})
    with pytest.raises(ServiceUnreachable):
        await handler.handle(CommandEnvelope(id="c", type="PauseRun", tenant=TENANT, data={"run": "r"}), "someone")


async def test_one_command_at_many_moments_at_once_has_one_effect(world: World) -> None:
    answers = await asyncio.gather(*(world.submit("r1", "7") for _ in range(10)))
    assert len({answer.model_dump_json() for answer in answers}) == 1
    assert await world.kinds("r1") == ["RunSubmitted"]


async def test_a_result_of_a_tool_that_is_gone_cannot_be_told_here(world: World) -> None:
    await world.submit("r1", "(call :t.add {:n 1})")

    async def lost(_: Any) -> None:
        raise ServiceUnreachable("gone")

    world.tools.during = lost
    with pytest.raises(ServiceUnreachable):
        await world.drive("r1")
    world.tools.during = None
    await world.drive("r1", "worker/2")
    assert (await world.state("r1")).waiting == {"0"}
    services = replace(world.services, tools=NoTools())
    handler = CommandHandler(services, world.handler.commands, {})
    data = {"run": "r1", "effect": "0", "outcome": "happened", "result": 2}
    envelope = CommandEnvelope(id="c1", type="ResolveOutcome", tenant=TENANT, data=data)
    answer = (await handler.handle(envelope, "someone")).answer
    assert (answer.outcome, answer.error and answer.error.code) == ("rejected", "not-found")
    assert "t.add" in ((answer.error and answer.error.message) or "")


class NoTools:
    """The ``ToolRunner`` port of a worker without tools."""

    def declarations(self) -> dict[str, Any]:
        return {}


class Contended(MemoryEventStore):
    """The same log, in whose streams others append first, so many times."""

    def __init__(self, world: World, times: int) -> None:
        super().__init__(world.services.content)
        self._logs, self._streams = world.store._logs, world.store._streams
        self.left = times

    async def append(self, stream: StreamId, drafts: Any, expected: Head) -> Any:
        if self.left:
            self.left -= 1
            raise VersionConflict("others were first")
        return await super().append(stream, drafts, expected)
