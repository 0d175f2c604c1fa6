"""What a deployment may say of its embedder, and what is refused with which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.settings import ConfigurationError, HttpEmbedder, Settings, effective, load


@pytest.fixture(autouse=True)
def an_empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PRECEDENT_")]:
        monkeypatch.delenv(name)


def said(text: str) -> Settings:
    Path("precedent.yaml").write_text(text)
    return load()


@pytest.mark.parametrize(
    ("text", "meant"), [("", "auto"), *((f"embedder: {name}", name) for name in ("auto", "lexical", "minilm"))]
)
def test_it_is_named_or_chosen(text: str, meant: str) -> None:
    assert said(text).embedder == meant


def test_it_can_be_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HttpEmbedder(url="http://127.0.0.1:8000/v1", model="BAAI/bge-m3", dimensions=1024, api_key_env="A_KEY")
    text = "embedder: {url: 'http://127.0.0.1:8000/v1', model: BAAI/bge-m3, dimensions: 1024, api_key_env: A_KEY}"
    assert said(text).embedder == server
    monkeypatch.setenv("PRECEDENT_EMBEDDER__DIMENSIONS", "512")
    assert said(text).embedder == server.model_copy(update={"dimensions": 512})
    origins = {line.key: line.origin for line in effective(load())}
    assert origins["embedder.dimensions"] == "environment PRECEDENT_EMBEDDER__DIMENSIONS"
    assert origins["embedder.model"] == str(Path.cwd() / "precedent.yaml")


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEDENT_EMBEDDER", "lexical")
    assert load().embedder == "lexical"


SERVER = "url: 'http://h/v1', model: m, dimensions: 8"

REFUSED = {
    "an unknown one": ("embedder: fast", "embedder: input should be 'auto', 'lexical' or 'minilm', not 'fast'"),
    "a number": ("embedder: 3", "embedder: input should be 'auto', 'lexical' or 'minilm', not 3"),
    "nothing": ("embedder:", "embedder: input should be 'auto', 'lexical' or 'minilm'"),
    "a list": ("embedder: [minilm]", "embedder: input should be 'auto', 'lexical' or 'minilm'"),
    "a server without a size": ("embedder: {url: 'http://h/v1', model: m}", "embedder.dimensions: this key is required"),
    "a size of nothing": ("embedder: {url: 'http://h', model: m, dimensions: 0}", "embedder.dimensions: input should be"),
    "a huge size": ("embedder: {url: 'http://h', model: m, dimensions: 9999}", "embedder.dimensions: input should be"),
    "another scheme": ("embedder: {url: 'ftp://h', model: m, dimensions: 8}", "http:// or https://"),
    "a password": ("embedder: {url: 'http://u:p@h', model: m, dimensions: 8}", "embedder.url: expected a URL without"),
    "a name of two lines": ('embedder: {url: "http://h", model: "a\\nb", dimensions: 8}', "embedder.model: expected the"),
    "the key itself": (f"embedder: {{{SERVER}, api_key_env: sk-1}}", "embedder.api_key_env: expected the name"),
    "an unknown key": (f"embedder: {{{SERVER}, tmeout: 3}}", "did you mean embedder.timeout?"),
    "no patience": (f"embedder: {{{SERVER}, timeout: 0}}", "embedder.timeout: input should be greater than 0"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        said(text)
    assert words in str(caught.value)
