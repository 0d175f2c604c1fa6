"""docs/messages.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from commands.catalog import COMMANDS
from commands.handle import Answer, CommandEnvelope, ErrorDetail, Outcome
from domain.cache.events import CACHE_EVENTS
from domain.kernel.events import DomainEvent, Draft
from domain.kernel.ids import StreamId
from domain.programs.events import PROGRAM_EVENTS
from domain.runs.events import RUN_EVENTS
from tests.commands.world import World

TEXT = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
COMMAND, ANSWER, EVENT, LETTER = EXAMPLES


def row(name: str) -> str:
    (found,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    return found


async def test_the_example_of_a_command_is_one_and_is_accepted() -> None:
    world = World()
    del COMMAND["expires"], COMMAND["time"]
    envelope = CommandEnvelope.model_validate(COMMAND | {"tenant": "acme"})
    handled = await world.handler.handle(envelope, "alice")
    assert handled.answer.outcome == "accepted"
    assert handled.answer.model_dump(mode="json", exclude_none=True) == ANSWER | {"position": "0.0:1"}


@pytest.mark.parametrize(("model", "required"), [(CommandEnvelope, {"id", "type", "tenant", "data"})])
def test_every_field_of_the_envelope_is_described(model: type[BaseModel], required: set[str]) -> None:
    for name in model.model_fields:
        assert ("| yes |" in row(name)) == (name in required)


def test_every_outcome_and_command_is_described() -> None:
    for outcome in get_args(Outcome):
        assert row(outcome)
    for name, handling in COMMANDS.items():
        for field in handling.command.model_fields:
            assert f"`{field}`" in row(name)


@pytest.mark.parametrize(
    ("heading", "events"),
    [
        ("### Events of a run", RUN_EVENTS),
        ("### Events of a program", PROGRAM_EVENTS),
        ("### Events of the cache", CACHE_EVENTS),
    ],
    ids=["run", "program", "cache"],
)
def test_every_event_is_described(heading: str, events: tuple[type[DomainEvent], ...]) -> None:
    section = TEXT.partition(heading)[2].partition("\n#")[0]
    assert set(re.findall(r"precedent\.\w+\.\w+\.v1", section)) == {kind.TYPE for kind in events}


def test_the_examples_have_the_fields_of_the_code() -> None:
    assert set(ANSWER) == set(Answer.model_fields) - {"error"}
    assert {"code", "message", "detail"} == set(ErrorDetail.model_fields)
    draft = Draft(id="i", type=EVENT["type"], time="t", correlation="c", causation="c", actor="a", data={})
    assert list(json.loads(draft.body(StreamId("default", "run", "r"), 1))) == list(EVENT)
    assert set(LETTER) == {"origin", "time", "reason", "payload", "size"}
