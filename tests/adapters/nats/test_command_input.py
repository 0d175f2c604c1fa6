"""Whatever is sent as a command gets an answer or a dead letter, and the next command is served."""

from __future__ import annotations

import json
from typing import Any

import nats
import pytest

from adapters.nats.command_bus import LARGEST_COMMAND
from adapters.nats.dead_letters import DeadLetterCut, retry
from adapters.nats.publishing import MessageTooLarge
from domain.kernel.ids import StreamId
from tests.adapters.nats.commanding import PRINCIPAL, TASK, Bus, send_raw, submit, until


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
