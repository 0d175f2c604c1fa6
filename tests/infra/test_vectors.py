"""Which vector index the settings mean."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from adapters.vectors.edge import EdgeVectorIndex
from adapters.vectors.memory import MemoryVectorIndex
from adapters.vectors.qdrant import QdrantVectorIndex
from domain.kernel.errors import ServiceUnreachable
from infra.bootstrap.vectors import vector_index
from infra.settings import ConfigurationError, Settings, load
from tests.contracts.vector_index import DIMENSIONS, EMBEDDER, X, point


class Named:
    """As much of an embedder as an index asks for."""

    dimensions = DIMENSIONS

    def __init__(self, name: str = EMBEDDER) -> None:
        self.name = name

    async def embed(self, texts):
        return [X for _ in texts]


def settings(data: Path, **vectors: str) -> Settings:
    return Settings.model_validate({"data": data, "vectors": vectors})


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("infra.bootstrap.vectors.find_spec", lambda name: None if name in packages else found(name))


async def test_by_default_it_is_the_engine_below_the_data_directory(tmp_path: Path) -> None:
    async with vector_index(settings(tmp_path), Named(), "programs") as index:
        assert isinstance(index, EdgeVectorIndex)
        assert index.folder.parent == tmp_path / "vectors"
        await index.put([point(1, 1)])
    async with vector_index(settings(tmp_path), Named(), "programs") as index:
        assert await index.count() == 1


async def test_another_name_and_another_embedder_have_an_index_of_their_own(tmp_path: Path) -> None:
    folders = set()
    for name, embedder in (("a", "b-c"), ("a-b", "c"), ("a", "b/c"), ("a", "../b"), ("../a", "b"), ("x" * 300, "b")):
        async with vector_index(settings(tmp_path), Named(embedder), name) as index:
            assert isinstance(index, EdgeVectorIndex)
            assert index.folder.parent == tmp_path / "vectors"
            folders.add(index.folder.resolve())
    assert len(folders) == 6
    assert max(len(folder.name) for folder in folders) <= 80


async def test_without_the_engine_it_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "qdrant_edge")
    async with vector_index(settings(tmp_path), Named(), "programs") as index:
        assert isinstance(index, MemoryVectorIndex)
        await index.put([point(1, 1)])
    assert list(tmp_path.iterdir()) == []


async def test_a_url_means_a_server_which_is_asked_at_the_first_call(tmp_path: Path) -> None:
    async with vector_index(settings(tmp_path, url="http://127.0.0.1:9"), Named(), "programs") as index:
        assert isinstance(index, QdrantVectorIndex)
        with pytest.raises(ServiceUnreachable, match=r"vectors\.url"):
            await index.count()


async def test_a_key_that_is_not_there_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VECTORS_KEY", raising=False)
    chosen = settings(tmp_path, url="https://vectors.example.org", api_key_env="VECTORS_KEY")
    with pytest.raises(ConfigurationError, match=r"vectors\.api_key_env.* VECTORS_KEY is not set"):
        async with vector_index(chosen, Named(), "programs"):
            pass
    monkeypatch.setenv("VECTORS_KEY", "secret")
    async with vector_index(chosen, Named(), "programs") as index:
        assert isinstance(index, QdrantVectorIndex)


async def test_a_url_without_the_client_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "qdrant_client")
    with pytest.raises(ConfigurationError, match=r"precedent\[vectors\]"):
        async with vector_index(settings(tmp_path, url="http://127.0.0.1:9"), Named(), "programs"):
            pass


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        ("{url: 'ftp://host'}", r"vectors\.url: expected a URL that starts with http:// or https://"),
        ("{url: 'http://user:hidden@host'}", r"vectors\.url: expected a URL without a password"),
        ("{url: 6333}", r"vectors\.url"),
        ("{api_key_env: KEY}", r"vectors: expected vectors\.api_key_env only with vectors\.url"),
        ("{url: 'http://host', api_key_env: 'not a name'}", r"vectors\.api_key_env: expected the name of an environ"),
        ("{adress: 'http://host'}", r"vectors\.adress: unknown key"),
    ],
    ids=["scheme", "password", "number", "key alone", "key itself", "unknown"],
)
def test_what_cannot_be_is_refused_with_its_key(tmp_path: Path, vectors: str, told: str) -> None:
    file = tmp_path / "precedent.yaml"
    file.write_text(f"vectors: {vectors}")
    with pytest.raises(ConfigurationError, match=told) as raised:
        load(file)
    assert "hidden" not in str(raised.value)
