"""Commands on the real broker: whatever is sent gets an answer, and the next command is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import pytest

from adapters.nats.command_bus import LARGEST_COMMAND, REPLY_HEADER
from adapters.nats.command_client import AnswerOverdue, CommandClient
from adapters.nats.connection import Connection
from adapters.nats.dead_letters import DeadLetter, DeadLetterCut, dead_letters, retry
from adapters.nats.publishing import MessageTooLarge
from commands.handle import Answer
from commands.ports import EventStore, Head, StreamSlice, Wake
from commands.services import Services
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Draft, Recorded
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


@pytest.fixture
async def bus(stack: Endpoints, tenant: str) -> AsyncIterator[Bus]:
    async with serving(stack, tenant) as bus:
        yield bus


@pytest.fixture
async def raw(stack: Endpoints) -> AsyncIterator[nats.NATS]:
    """A client that may send what ours refuse to send."""
    client = await nats.connect(**stack.nats_options())
    yield client
    await client.close()


class TestWhatIsNoCommand:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "Invalid JSON"),
            (b"hello", "Invalid JSON"),
            (b'{"id": "c1", "type": "SubmitRun"', "Invalid JSON"),
            (b'"SubmitRun"', "should be an object"),
            (b"[]", "should be an object"),
            (b"null", "should be an object"),
            (b"{}", "id: Field required; type: Field required; tenant: Field required; data: Field required"),
            (b'{"id": "\xff\xfe"}', "Invalid JSON"),
            (b'{"id": "\\ud800"}', "Invalid JSON"),
            (b"[" * 100_000, "Invalid JSON"),
            (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "Invalid JSON"),
            (b'{"id": ' + b"9" * 10_000 + b"}", "Invalid JSON"),
        ],
        ids=lambda given: repr(given[:24]) if isinstance(given, bytes) else "",
    )
    async def test_bytes_that_are_no_envelope(self, bus: Bus, body: bytes, words: str) -> None:
        answer = await bus.send_bytes(body)
        assert (answer.outcome, answer.error and answer.error.code) == ("invalid", "command.unreadable")
        assert words in answer.error.message
        (letter,) = await bus.buried()
        assert letter.payload == body
        assert "command.unreadable" in letter.reason
        assert words in letter.reason
        await bus.still_serves()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"id": 7}, "id: "),
            ({"id": ""}, "id: "),
            ({"id": "a.b"}, "id: "),
            ({"id": "*"}, "id: "),
            ({"id": "x" * 65}, "id: "),
            ({"id": "x\n"}, "id: "),
            ({"type": ["SubmitRun"]}, "type: "),
            ({"tenant": None}, "tenant: "),
            ({"data": "task"}, "data: "),
            ({"data": None}, "data: "),
            ({"expectedversion": -1}, "expectedversion: "),
            ({"expectedversion": "many"}, "expectedversion: "),
            ({"expires": "tomorrow"}, "expires: "),
            ({"expires": "2026-11-21T08:00:00"}, "expires: Input should have timezone info"),
            ({"traceparent": "0" * 65}, "traceparent: "),
            ({"principal": "root"}, "principal: Extra inputs are not permitted"),
        ],
        ids=str,
    )
    async def test_envelopes_with_a_wrong_field(self, bus: Bus, change: dict[str, Any], words: str) -> None:
        answer = await bus.submit("c1", **change)
        assert (answer.outcome, answer.error and answer.error.code) == ("invalid", "command.unreadable")
        assert words in answer.error.message
        assert len(await bus.buried()) == 1
        await bus.still_serves()

    async def test_an_envelope_for_another_subject(self, bus: Bus) -> None:
        for envelope, address in (
            (submit("c1", "someone-else"), "run.SubmitRun"),
            (submit("c1", bus.tenant), "run.CancelRun"),
        ):
            answer = await bus.send(envelope, address)
            assert answer.outcome == "invalid"
            assert "its subject" in answer.error.message
        assert await bus.events("c1") == []
        assert len(await bus.buried()) == 2

    async def test_more_wrong_fields_than_anyone_reads(self, bus: Bus) -> None:
        fields = ",".join(f'"{number}":0' for number in range(200_000))
        for body in (
            "{" + fields + "}",
            json.dumps(submit("c1", bus.tenant, data={})).replace("{}", "{" + fields + "}"),
            json.dumps(submit("c2", bus.tenant, data={"task": TASK | {"x" * 1_000_000: 1}})),
            json.dumps(submit("c3", bus.tenant, data={"task": TASK | {"tools": ["x" * 1_000_000]}})),
        ):
            answer = await bus.send_bytes(body.encode(), within=20)
            assert answer.outcome == "invalid"
            assert len(answer.model_dump_json()) < 20_000
        await bus.still_serves()


class TestHostileNames:
    @pytest.mark.parametrize("token", ["*", ">", "a/b", "ä", "x" * 65, "$SYS"])
    async def test_a_subject_token_that_is_no_name(self, bus: Bus, raw: nats.NATS, token: str) -> None:
        await raw.publish(f"cmd.{bus.tenant}.{token}.run.SubmitRun", json.dumps(submit("c1", bus.tenant)).encode())
        letter = await until(bus.buried)
        assert letter[0].origin == f"cmd.{bus.tenant}.{token}.run.SubmitRun"
        assert "name.invalid" in letter[0].reason
        assert await bus.events("c1") == []
        await bus.still_serves()

    async def test_a_subject_that_is_no_text(self, bus: Bus, raw: nats.NATS) -> None:
        await send_raw(raw, b"PUB cmd.%b.\xff\xfe.run.SubmitRun 2\r\n{}\r\n" % bus.tenant.encode())
        (letter,) = await until(bus.buried)
        assert "name.invalid" in letter.reason
        await bus.still_serves()

    @pytest.mark.parametrize(
        "lines",
        [
            b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
            b"NATS/1.0 503 \xff\xfe\r\n\r\n",
            b"NATS/1.0\r\n\xff\xfe: \xff\r\n\r\n",
            b"NATS/1.0\r\nno header at all\r\n\r\n",
        ],
    )
    async def test_headers_that_are_none(self, bus: Bus, raw: nats.NATS, lines: bytes) -> None:
        subject = f"cmd.{bus.tenant}.{PRINCIPAL}.run.SubmitRun".encode()
        await send_raw(raw, b"HPUB %b %d %d\r\n%b\r\n" % (subject, len(lines), len(lines), lines))
        (letter,) = await until(bus.buried)
        assert letter.payload == b""
        await bus.still_serves()


class TestSizes:
    async def test_a_command_above_the_limit(self, bus: Bus) -> None:
        answer = await bus.submit("c1", data={"task": TASK | {"goal": "x" * LARGEST_COMMAND}})
        assert (answer.outcome, answer.error and answer.error.code) == ("invalid", "command.unreadable")
        assert f"{LARGEST_COMMAND} are allowed" in answer.error.message
        await bus.still_serves()

    async def test_a_command_that_fits_the_broker_but_not_as_a_dead_letter(self, bus: Bus) -> None:
        body = b"x" * (bus.side.connection.client.max_payload - 4096)
        answer = await bus.send_bytes(body)
        assert answer.outcome == "invalid"
        (letter,) = await bus.buried()
        assert letter.size == len(body)
        assert body.startswith(letter.payload)
        with pytest.raises(DeadLetterCut):
            await retry(bus.side.connection, letter)
        await bus.still_serves()

    async def test_a_message_above_the_brokers_limit_is_refused_before_it_is_sent(self, bus: Bus) -> None:
        with pytest.raises(MessageTooLarge, match="the broker takes"):
            await bus.send_bytes(b"x" * bus.side.connection.client.max_payload)
        await bus.still_serves()

    async def test_a_big_goal_and_big_inputs_are_accepted(self, bus: Bus) -> None:
        data = {"task": TASK | {"goal": "x" * 100_000, "inputs": {"a": 1, "b": 2, "text": "y" * 2_000_000}}}
        assert (await bus.submit("c1", data=data)).outcome == "accepted"
        (stored,) = (await bus.side.services.store.load(StreamId(bus.tenant, "run", "c1"))).events
        assert stored.data["task"]["goal"] == "x" * 100_000


class TestWhatIsNotAllowed:
    async def test_an_unknown_command_is_told_the_known_ones(self, bus: Bus) -> None:
        answer = await bus.send(submit("c1", bus.tenant, type="SubmitRum"), "run.SubmitRum")
        assert (answer.commandid, answer.outcome, answer.error and answer.error.code) == (
            "c1",
            "invalid",
            "command.unknown",
        )
        assert "SubmitRun" in answer.error.message

    async def test_another_tenants_command_is_denied(self, bus: Bus, stack: Endpoints) -> None:
        other = f"{bus.tenant}-other"
        async with CommandClient(bus.side.connection, other, PRINCIPAL) as client:
            body = json.dumps(submit("c1", other)).encode()
            answer = Answer.model_validate_json(await client.send_bytes("run.SubmitRun", body))
        assert (answer.outcome, answer.error and answer.error.code) == ("denied", "access.denied")
        assert (await bus.side.services.store.load(StreamId(other, "run", "c1"))).events == ()

    @pytest.mark.parametrize(
        ("task", "words"),
        [
            ({}, "task.goal: Field required"),
            ({"goal": 7}, "task.goal: "),
            ({"goal": "g", "gaol": "g"}, "task.gaol: Extra inputs are not permitted"),
            ({"goal": "g", "limits": {"usd": float("inf")}}, "task.limits.usd: Input should be a finite number"),
            ({"goal": "g", "limits": {"seconds": -1}}, "task.limits.seconds: "),
            ({"goal": "g", "limits": {"tool_calls": 10**30}}, "task.limits.tool_calls: "),
            ({"goal": "g", "tools": ["no.such"]}, "tools: 'no.such' is no tool here"),
            ({"goal": "g", "input": "[:map"}, "input: "),
            ({"goal": "g", "checks": ["(" * 10_000]}, "checks.0: "),
        ],
        ids=str,
    )
    async def test_data_that_its_command_does_not_take(self, bus: Bus, task: dict[str, Any], words: str) -> None:
        answer = await bus.submit("c1", data={"task": task})
        assert (answer.commandid, answer.outcome) == ("c1", "invalid")
        assert words in answer.error.message
        assert await bus.events("c1") == []
        assert await bus.buried() == [], "who asked was told; nobody else needs to look"

    async def test_a_task_nested_deeper_than_its_type_can_be_read_again(self, bus: Bus) -> None:
        nested: Any = 1
        for _ in range(150):
            nested = [nested]
        answer = await bus.submit("c1", data={"task": TASK | {"inputs": {"a": nested}}})
        assert (answer.outcome, answer.error and answer.error.code) == ("invalid", "task.invalid")

    async def test_numbers_beyond_every_machine_word_are_kept(self, bus: Bus) -> None:
        inputs = {"a": 10**300, "b": -(2**64), "c": 1e308}
        assert (await bus.submit("c1", data={"task": TASK | {"inputs": inputs}})).outcome == "accepted"

    async def test_a_command_for_a_run_that_does_not_exist(self, bus: Bus) -> None:
        envelope = submit("c1", bus.tenant, type="CancelRun", data={"run": "nobody"})
        answer = await bus.send(envelope, "run.CancelRun")
        assert (answer.outcome, answer.error and answer.error.code) == ("rejected", "not-found")
        assert await bus.send(envelope, "run.CancelRun") == answer

    @pytest.mark.parametrize("run", ["a.b", "*", ">", "", "x" * 65, "a b", "x\n"])
    async def test_a_hostile_run_name(self, bus: Bus, run: str) -> None:
        answer = await bus.send(submit("c1", bus.tenant, type="CancelRun", data={"run": run}), "run.CancelRun")
        assert answer.outcome == "invalid"
        assert "run: " in answer.error.message


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


class TestFaults:
    async def test_a_handler_that_raises_is_tried_again_then_buried(self, stack: Endpoints, tenant: str) -> None:
        store = BrokenLoads(broken="c1")

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

    async def test_every_message_is_settled(self, bus: Bus, raw: nats.NATS) -> None:
        await asyncio.gather(*(bus.submit(f"c{number}") for number in range(100)))

        async def unsettled() -> bool:
            info = await raw.jetstream().consumer_info("COMMANDS", "commands")
            return info.num_ack_pending == 0

        await until(unsettled)


async def until(look: Callable[[], Any], seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110  # what is waited for happens in the broker
            await asyncio.sleep(0.02)
    return found


async def send_raw(client: nats.NATS, command: bytes) -> None:
    await client._send_command(command)
    await client.flush()


class ForgetfulAnswers:
    """An ``AnswerStore`` whose day is over at once."""

    async def get(self, tenant: str, command: str) -> bytes | None:
        return None

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        pass


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
class BrokenLoads(_Wrapped):
    broken: str | None
    failed: int = 0

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        if stream.id == self.broken:
            self.failed += 1
            raise ZeroDivisionError("a bug")
        return await super().load(stream, after)


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
