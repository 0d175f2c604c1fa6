"""Which embedder a deployment gets, and what it is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.embedding import weights
from adapters.embedding.weights import ModelNotInstalled, WeightsDiffer
from infra.bootstrap.embedding import embedder, embedder_in_use, embedder_told
from infra.settings import HttpEmbedder, Settings, load
from tests.adapters.models.server import response, serving

MINILM = "minilm-l6-v2-53aa51172d14-v1"
LEXICAL = "lexical-384-v1"


@pytest.fixture(autouse=True)
def an_empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRECEDENT_EMBEDDER", raising=False)


@pytest.fixture
def without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda _: None)


@pytest.fixture
def with_other_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in weights.SHA256:
        (tmp_path / name).write_bytes(b"other")
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)


def settings(choice: str | HttpEmbedder) -> Settings:
    return load(embedder=choice)


async def name_of(choice: str | HttpEmbedder) -> str:
    async with embedder(settings(choice)) as built:
        (point,) = await built.embed(["a text"])
        assert point.embedder == built.name
        return built.name


@pytest.mark.parametrize(("choice", "name"), [("lexical", LEXICAL), ("minilm", MINILM), ("auto", MINILM)])
async def test_what_is_told_is_what_is_built(choice: str, name: str) -> None:
    assert embedder_in_use(settings(choice)).name == await name_of(choice) == name


@pytest.mark.usefixtures("without_the_model")
async def test_where_the_model_is_not_installed_words_are_what_is_known() -> None:
    assert await name_of("auto") == LEXICAL
    told = embedder_told(settings("auto"))
    assert told.name == LEXICAL
    assert "make embeddings" in told.says


@pytest.mark.usefixtures("with_other_weights")
async def test_other_weights_are_not_used_and_it_is_said() -> None:
    assert await name_of("auto") == LEXICAL
    assert "not as published" in embedder_told(settings("auto")).says


@pytest.mark.usefixtures("without_the_model")
async def test_a_model_that_is_demanded_and_absent_is_an_error() -> None:
    with pytest.raises(ModelNotInstalled, match="make embeddings"):
        await name_of("minilm")
    assert embedder_told(settings("minilm")).name == "none"


@pytest.mark.usefixtures("with_other_weights")
async def test_a_model_that_is_demanded_and_changed_is_an_error() -> None:
    with pytest.raises(WeightsDiffer):
        await name_of("minilm")


async def test_a_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    point = {"object": "embedding", "index": 0, "embedding": [0.0, 2.0]}
    async with serving(response({"object": "list", "data": [point]})) as server:
        described = HttpEmbedder(url=server.url, model="tiny", dimensions=2)
        told = embedder_told(settings(described))
        assert told.name == await name_of(described) == "openai:tiny:2"
    assert server.url in told.says
