"""Commands on the real broker: repeated, expired, answered to whom they belong."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import pytest

from adapters.nats.command_bus import CONCURRENT, REPLY_HEADER
from adapters.nats.command_client import AnswerOverdue, CommandClient
from adapters.nats.connection import Connection
from commands.handle import Answer
from commands.services import Services
from domain.kernel.ids import StreamId
from infra.stack.endpoints import Endpoints
from tests.adapters.nats.commanding import PRINCIPAL, Bus, serving, submit, until


class ForgetfulAnswers:
    """An ``AnswerStore`` whose day is over at once."""

    async def get(self, tenant: str, command: str) -> bytes | None:
        return None

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        pass


class SlowAnswers(ForgetfulAnswers):
    """An ``AnswerStore`` that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def get(self, tenant: str, command: str) -> bytes | None:
        self.asked.set()
        await self.go.wait()
        return None


class TestStopping:
    async def test_what_was_begun_is_finished(self, stack: Endpoints, tenant: str) -> None:
        slow = SlowAnswers()
        async with serving(stack, tenant, lambda services: replace(services, answers=slow)) as bus:
            sending = asyncio.create_task(bus.submit("c1"))
            await slow.asked.wait()
            asyncio.get_running_loop().call_later(0.2, slow.go.set)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with serving(stack, tenant) as bus:
            assert await bus.events("c1") == ["RunSubmitted"]

    async def test_more_commands_than_are_handled_at_once_are_all_answered(self, stack: Endpoints, tenant: str) -> None:
        slow = SlowAnswers()
        async with serving(stack, tenant, lambda services: replace(services, answers=slow)) as bus:
            sending = [asyncio.create_task(bus.submit(f"c{number}")) for number in range(3 * CONCURRENT)]
            await slow.asked.wait()
            slow.go.set()
            assert {answer.outcome for answer in await asyncio.gather(*sending)} == {"accepted"}


class TestExpiry:
    async def test_an_expired_command_is_answered_so_for_ever(self, bus: Bus) -> None:
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        answer = await bus.submit("c1", expires=past)
        assert (answer.outcome, answer.error and answer.error.code) == ("expired", "command.expired")
        assert await bus.events("c1") == []
        assert await bus.submit("c1") == answer

    async def test_a_command_in_time_is_not(self, bus: Bus) -> None:
        soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        answer = await bus.submit("c1", expires=soon)
        assert answer.outcome == "accepted"
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        assert await bus.submit("c1", expires=past) == answer, "what it did cannot expire"


class TestRepeats:
    async def test_a_repeated_command_has_one_effect_and_one_answer(self, bus: Bus) -> None:
        first = await bus.submit("c1")
        assert first.outcome == "accepted"
        assert [event.type for event in first.events] == ["precedent.run.RunSubmitted.v1"]
        assert [await bus.submit("c1") for _ in range(3)] == [first] * 3
        assert await bus.events("c1") == ["RunSubmitted"]

    async def test_repeats_at_the_same_moment(self, bus: Bus) -> None:
        for command in ("c1", "c2", "c3"):
            answers = await asyncio.gather(*(bus.submit(command) for _ in range(20)))
            assert len({answer.model_dump_json() for answer in answers}) == 1
            assert answers[0].outcome == "accepted"
            assert await bus.events(command) == ["RunSubmitted"]
        pause = submit("pause", bus.tenant, type="PauseRun", data={"run": "c1"})
        answers = await asyncio.gather(*(bus.send(pause, "run.PauseRun") for _ in range(20)))
        assert len({answer.model_dump_json() for answer in answers}) == 1
        assert await bus.events("c1") == ["RunSubmitted", "RunPaused"]

    async def test_answers_outlive_the_worker(self, stack: Endpoints, tenant: str) -> None:
        pause = submit("pause", tenant, type="PauseRun", data={"run": "c1"})
        again = submit("again", tenant, type="PauseRun", data={"run": "c1"})
        resume = submit("resume", tenant, type="ResumeRun", data={"run": "c1"})
        wrong = submit("wrong", tenant, data={"task": {}})

        async def ask(bus: Bus) -> list[Answer]:
            return [
                await bus.submit("c1"),
                await bus.send(pause, "run.PauseRun"),
                await bus.send(again, "run.PauseRun"),
                await bus.send(wrong),
            ]

        async with serving(stack, tenant) as bus:
            before = await ask(bus)
        assert [answer.outcome for answer in before] == ["accepted", "accepted", "rejected", "invalid"]
        async with serving(stack, tenant) as bus:
            assert (await bus.send(resume, "run.ResumeRun")).outcome == "accepted"
            assert await ask(bus) == before, "the run is not paused any more, and yet the rejection stays"
            assert await bus.events("c1") == ["RunSubmitted", "RunPaused", "RunResumed"]

    async def test_accepted_answers_are_found_from_events_alone(self, stack: Endpoints, tenant: str) -> None:
        def forgetful(services: Services) -> Services:
            return replace(services, answers=ForgetfulAnswers())

        async with serving(stack, tenant, forgetful) as bus:
            first = await bus.submit("c1")
            assert await bus.submit("c1") == first
            assert await bus.events("c1") == ["RunSubmitted"]

    async def test_a_conflict_is_not_final(self, bus: Bus) -> None:
        await bus.submit("c1")
        pause = submit("pause", bus.tenant, type="PauseRun", data={"run": "c1"}, expectedversion=7)
        answer = await bus.send(pause, "run.PauseRun")
        assert (answer.outcome, answer.error and answer.error.code) == ("conflict", "stream.conflict")
        assert "version 1, not 7" in answer.error.message
        assert (await bus.send(pause | {"expectedversion": 1}, "run.PauseRun")).outcome == "accepted"
        repeated = await bus.send(pause | {"expectedversion": 1}, "run.PauseRun")
        assert repeated.outcome == "accepted", "its own event is no conflict"


class TestReplies:
    @pytest.mark.parametrize(
        "inbox",
        [
            "_INBOX.{tenant}.bob.1",
            "_INBOX.other.alice.1",
            "_INBOX.{tenant}.alice",
            "_INBOX.{tenant}.alice.",
            "_INBOX.{tenant}.alice.*",
            "_INBOX.{tenant}.alice.>",
            "_INBOX.{tenant}.alice.1 2",
            "_INBOX.{tenant}.alice..1",
            "evt.0.{tenant}.run.r.1.RunCompleted",
            "",
        ],
    )
    async def test_an_answer_goes_to_no_inbox_but_ones_own(self, bus: Bus, raw: nats.NATS, inbox: str) -> None:
        heard: list[str] = []

        async def hear(message: Any) -> None:
            if message.data.startswith(b'{"commandid"'):
                heard.append(message.subject)

        await raw.subscribe(">", cb=hear)
        await raw.flush()
        subject = f"cmd.{bus.tenant}.{PRINCIPAL}.run.SubmitRun"
        reply = {REPLY_HEADER: inbox.format(tenant=bus.tenant)}
        await raw.publish(subject, json.dumps(submit("c1", bus.tenant)).encode(), headers=reply)
        await until(lambda: bus.events("c1"))
        await bus.still_serves()
        await raw.flush()
        assert heard, "it hears what is answered"
        assert all(name.startswith((bus.client._inbox, f"ans.{bus.tenant}.")) for name in heard), heard

    async def test_a_plain_client_as_in_the_documentation(self, bus: Bus, raw: nats.NATS) -> None:
        inbox = await raw.subscribe(f"_INBOX.{bus.tenant}.bob.1")
        body = json.dumps(submit("hello-1", bus.tenant)).encode()
        header = {"Precedent-Reply": f"_INBOX.{bus.tenant}.bob.1"}
        await raw.jetstream().publish(f"cmd.{bus.tenant}.bob.run.SubmitRun", body, headers=header)
        answer = json.loads((await inbox.next_msg(timeout=10)).data)
        assert (answer["commandid"], answer["outcome"]) == ("hello-1", "accepted")
        (event,) = (await bus.side.services.store.load(StreamId(bus.tenant, "run", "hello-1"))).events
        assert event.actor == "user:bob"

    async def test_without_an_inbox_it_is_handled_all_the_same(self, bus: Bus, raw: nats.NATS) -> None:
        body = json.dumps(submit("c1", bus.tenant)).encode()
        await raw.jetstream().publish(f"cmd.{bus.tenant}.{PRINCIPAL}.run.SubmitRun", body)
        assert await until(lambda: bus.events("c1")) == ["RunSubmitted"]

    async def test_nobody_answers_without_a_worker(self, stack: Endpoints, tenant: str, connection: Connection) -> None:
        async with CommandClient(connection, tenant, PRINCIPAL) as client:
            body = json.dumps(submit("c1", tenant)).encode()
            with pytest.raises(AnswerOverdue):
                await client.send_bytes("run.SubmitRun", body, within=0.5)
            async with serving(stack, tenant) as bus:
                assert await until(lambda: bus.events("c1")) == ["RunSubmitted"], "it was on the bus"
