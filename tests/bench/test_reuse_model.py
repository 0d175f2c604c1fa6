"""The model that knows the ground truth: over HTTP as any other, counted, and unmoved by what is no question."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest

from adapters.models.clients import ModelClients
from adapters.models.configuration import ModelConfiguration
from commands.ports import ModelRequest
from domain.models import ModelUnavailable, extract_plan, plan_messages
from infra.bench.reuse.model import NAME, GroundTruth, served

PLANS = {"Add 1 and 2.\n\nGoal: none\n\nType of inputs: mine": "(+ 1 2)\n", "Add 3.": "(+ 3 3)\n"}


@pytest.fixture
def model() -> GroundTruth:
    return GroundTruth(PLANS)


@pytest.fixture
def url(model: GroundTruth) -> Iterator[str]:
    with served(model) as url:
        yield url


def request(goal: str) -> ModelRequest:
    messages = plan_messages(goal=goal, input_type="[:map]", output_type=":any", checks=(), limits={}, card="card")
    return ModelRequest(model="default", messages=messages, timeout=10)


async def test_each_goal_gets_its_plan_and_is_counted_once_a_question(model: GroundTruth, url: str) -> None:
    async with ModelClients({"default": ModelConfiguration(url=url, model=NAME)}) as clients:
        for goal, plan in PLANS.items():
            answer = await clients.ask(request(goal))
            assert extract_plan(answer.text) == plan
            assert answer.prompt_tokens > 0
            assert answer.completion_tokens > 0
        await clients.ask(request("Add 3."))
    assert model.asked == {"Add 3.": 2, next(iter(PLANS)): 1}


async def test_a_goal_that_no_entry_has_is_refused_and_counted(model: GroundTruth, url: str) -> None:
    async with ModelClients({"default": ModelConfiguration(url=url, model=NAME)}) as clients:
        with pytest.raises(ModelUnavailable, match="no entry has the goal 'Multiply"):
            await clients.ask(request("Multiply."))
    assert model.asked == {"": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff{",
        b"[]",
        b"{}",
        b'{"messages": 3}',
        b'{"messages": []}',
        b'{"messages": [7]}',
        b'{"messages": [{"role": "user", "content": 1}]}',
        b'{"messages": [{"role": "system", "content": "x"}]}',
    ],
    ids=["empty", "bytes", "list", "map", "number", "none", "no-message", "no-text", "nobody"],
)
def test_what_is_no_question_is_refused_and_the_server_goes_on(model: GroundTruth, url: str, body: bytes) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("POST", "/v1/chat/completions", body)
    response = connection.getresponse()
    assert response.status == 400
    assert "no question" in orjson.loads(response.read())["error"]["message"]
    messages = list(request("Add 3.").messages)
    connection.request("POST", "/v1/chat/completions", orjson.dumps({"messages": messages}))
    assert connection.getresponse().status == 200
    connection.close()
    assert model.asked == {"Add 3.": 1}
