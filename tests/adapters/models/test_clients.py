import re
from pathlib import Path

import pytest

from adapters.models.clients import ModelClients
from adapters.models.configuration import ModelConfiguration, ModelMisconfigured
from adapters.models.recorded import TranscriptInvalid
from domain.models import ModelNotConfigured, ModelUnavailable
from tests.adapters.models.contract import PLAN, ModelClientContract, question
from tests.adapters.models.server import completion, response, serving

URL = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class TestHttp(ModelClientContract):
    @pytest.fixture
    async def models(self):
        async with (
            serving(response(completion(PLAN))) as server,
            ModelClients({"default": ModelConfiguration(url=server.url, model="tiny")}) as models,
        ):
            yield models


class TestRecorded(ModelClientContract):
    @pytest.fixture
    async def models(self, tmp_path):
        path = tmp_path / "adding.yaml"
        path.write_text(
            "transcript: 1\nlabel: adding\nentries:\n- match: {contains: [add]}\n  answer: |-\n    ```rtfs\n    (+ 1 2)\n    ```\n"
            "  usage: {prompt_tokens: 12, completion_tokens: 3}\n"
        )
        async with ModelClients({"default": ModelConfiguration(recorded=path)}) as models:
            yield models


class TestRecording(ModelClientContract):
    @pytest.fixture
    async def models(self, tmp_path):
        async with serving(response(completion(PLAN))) as server:
            configuration = ModelConfiguration(url=server.url, model="tiny", record_to=tmp_path / "live.jsonl")
            async with ModelClients({"default": configuration}) as models:
                yield models


async def test_what_was_recorded_live_answers_offline(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    async with serving(response(completion(PLAN))) as server:
        live = ModelConfiguration(url=server.url, model="tiny", record_to=path)
        async with ModelClients({"default": live}) as models:
            told = await models.ask(question())
    async with ModelClients({"default": ModelConfiguration(recorded=path)}) as models:
        again = await models.ask(question())
    assert (again.text, again.prompt_tokens, again.completion_tokens) == (told.text, 12, 3)
    assert (again.recorded, again.served_model, again.usd) == (True, "recorded:live (tiny-chat)", 0.0)


async def test_a_failed_call_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    async with serving(response({}, 400)) as server:
        live = ModelConfiguration(url=server.url, model="tiny", record_to=path)
        async with ModelClients({"default": live}) as models:
            with pytest.raises(ModelUnavailable):
                await models.ask(question())
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, r"models\.default: give either url"),
        ({"url": URL, "recorded": Path("x")}, r"models\.default: give either url"),
        ({"url": URL}, r"models\.default\.model is missing"),
        ({"url": "127.0.0.1:9/v1", "model": "m"}, r"models\.default\.url"),
        ({"url": "ftp://127.0.0.1/v1", "model": "m"}, "give http://HOST"),
        ({"url": "http:///v1", "model": "m"}, "give http://HOST"),
        ({"url": "http://h:99999/v1", "model": "m"}, "give http://HOST"),
        ({"url": "http://h/v1#a", "model": "m"}, "give http://HOST"),
        ({"url": "http://user:hunter2@h/v1", "model": "m"}, "api_key_env"),
        ({"url": "http://user:hunter2@h:port/v1", "model": "m"}, "is no URL"),
        ({"recorded": Path("x"), "record_to": Path("y.jsonl")}, "record_to"),
        ({"url": URL, "model": "m", "record_to": Path("y.yaml")}, "record_to"),
        ({"url": URL, "model": "m", "price_input": -1.0}, "price_input is -1.0"),
        ({"url": URL, "model": "m", "price_output": float("nan")}, "price_output is nan"),
        ({"url": URL, "model": "m", "timeout": 0.0}, "timeout is 0.0"),
    ],
)
def test_a_wrong_configuration_is_refused_at_start(wrong: dict, said: str) -> None:
    with pytest.raises(ModelMisconfigured, match=said) as caught:
        ModelClients({"default": ModelConfiguration(**wrong)})
    assert "hunter2" not in str(caught.value)


def test_a_missing_transcript_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(TranscriptInvalid, match=r"absent\.yaml cannot be read"):
        ModelClients({"default": ModelConfiguration(recorded=tmp_path / "absent.yaml")})


def test_a_transcript_that_cannot_be_written_is_refused_at_start(tmp_path: Path) -> None:
    configuration = ModelConfiguration(url=URL, model="m", record_to=tmp_path / "absent" / "live.jsonl")
    with pytest.raises(TranscriptInvalid, match=r"live\.jsonl cannot be written"):
        ModelClients({"default": configuration})


async def test_models_that_may_answer_otherwise_have_other_identities(tmp_path: Path) -> None:
    transcripts = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for number, path in enumerate(transcripts):
        path.write_text(f"transcript: 1\nlabel: t\nentries:\n- match: {{contains: [a]}}\n  answer: '{number}'\n")
    hostile = "a/b\n" + "é" * 500
    models = ModelClients(
        {
            "a": ModelConfiguration(url=URL, model="m"),
            "b": ModelConfiguration(url=URL, model="m"),
            "c": ModelConfiguration(url=URL, model="m2"),
            "d": ModelConfiguration(url="http://127.0.0.1:10/v1", model="m"),
            "e": ModelConfiguration(recorded=transcripts[0]),
            "f": ModelConfiguration(recorded=transcripts[1]),
            "g": ModelConfiguration(url=URL, model=hostile),
        }
    )
    async with models:
        identities = [models.identity(name) for name in "abcdefg"]
        assert len(set(identities)) == len(identities)
        assert all(re.fullmatch(r"[A-Za-z0-9._:-]{1,300}", identity) for identity in identities)
        assert not any("127.0.0.1" in identity for identity in identities), "an address may be nobody else's business"
        again = ModelClients({"a": ModelConfiguration(url=URL, model="m", timeout=7, price_input=1.0)})
        assert again.identity("a") == models.identity("a")
        with pytest.raises(ModelNotConfigured):
            models.identity("h")
