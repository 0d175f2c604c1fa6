"""A command that was accepted stays accepted, however the world has changed when it is repeated."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from commands.handle import Answer, CommandEnvelope, ErrorDetail, is_final
from commands.ports import NEW_STREAM
from commands.repeats import Kept, request_of
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from tests.commands.test_driver import told
from tests.commands.world import TENANT, World


@told
async def test_a_repeated_submission_is_accepted_when_its_tools_are_gone(world: World) -> None:
    first = await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.declarations = dict  # type: ignore[method-assign]
    assert await world.submit("r1", "(call :t.add {:n 1})") == first
    assert (await world.submit("r2", "(call :t.add {:n 1})")).outcome == "invalid"
    assert await world.kinds("r1") == ["RunSubmitted"]


@told
async def test_the_same_id_with_other_content_is_refused(world: World) -> None:
    first = await world.submit("r1", "(call :t.add {:n 1})")
    other = await world.submit("r1", "(call :t.add {:n 2})")
    assert other.error is not None
    assert (other.outcome, other.error.code) == ("invalid", "command.id-reused")
    assert "send this one under a new id" in other.error.message
    assert await world.submit("r1", "(call :t.add {:n 1})") == first
    assert await world.kinds("r1") == ["RunSubmitted"]
    assert not is_final(other), "it must not be given to the first command, repeated"


@told
async def test_another_type_version_or_sender_is_another_command(world: World) -> None:
    await world.submit("r1", "7")
    paused = await world.send("PauseRun", {"run": "r1"}, "p1")
    assert paused.outcome == "accepted"
    assert await world.send("PauseRun", {"run": "r1"}, "p1", expires="2027-01-01T00:00:00Z") == paused
    for kind, data, more in (
        ("CancelRun", {"run": "r1"}, {}),
        ("PauseRun", {"run": "r1", "reason": "why"}, {}),
        ("PauseRun", {"run": "r1"}, {"expectedversion": 7}),
    ):
        answer = await world.send(kind, data, "p1", **more)
        assert answer.error is not None
        assert answer.error.code == "command.id-reused"
    world.principal = "someone-else"
    answer = await world.send("PauseRun", {"run": "r1"}, "p1")
    assert answer.error is not None
    assert answer.error.code == "command.id-reused"
    assert await world.kinds("r1") == ["RunSubmitted", "RunPaused"]


@told
async def test_a_kept_refusal_is_for_its_own_command(world: World) -> None:
    envelope = CommandEnvelope(id="c1", type="PauseRun", tenant=TENANT, data={"run": "none"})
    refused = (await world.handler.handle(envelope, "someone")).answer
    kept = Kept(request=request_of(envelope, "someone"), answer=refused.model_dump_json(exclude_none=True))
    await world.services.answers.put(TENANT, "c1", kept.model_dump_json().encode())
    await world.submit("none", "7")
    assert (await world.handler.handle(envelope, "someone")).answer == refused
    other = await world.send("PauseRun", {"run": "none", "reason": "other"}, "c1")
    assert other.error is not None
    assert other.error.code == "command.id-reused"


@told
async def test_what_was_kept_and_caused_before_requests_were_told_still_answers(world: World) -> None:
    refused = Answer(commandid="c1", outcome="denied", error=ErrorDetail(code="access.denied", message="no"))
    await world.services.answers.put(TENANT, "c1", refused.model_dump_json(exclude_none=True).encode())
    assert await world.submit("c1", "7") == refused
    stream = StreamId(TENANT, "run", "c2")
    await world.submit("r1", "7")
    (event,) = (await world.store.load(StreamId(TENANT, "run", "r1"))).events
    body = orjson.loads(event.body)
    draft = Draft(
        id=event_id(f"{TENANT}/c2", 0),
        type=event.type,
        time=body["time"],
        correlation="c2",
        causation="c2",
        actor=body["actor"],
        data=body["data"],
    )
    await world.store.append(stream, [draft], NEW_STREAM)
    assert (await world.submit("c2", "7")).outcome == "accepted"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_equal_requests_and_no_others_have_the_same_digest(data: Any) -> None:
    def digest(value: Any, **more: Any) -> str:
        return request_of(
            CommandEnvelope.model_construct(
                id="c", type="T", tenant="t", data={"a": value}, expectedversion=None, **more
            ),
            "p",
        )

    assert digest(data) == digest(data, expires="later")
    assert digest(data) != digest([data])
