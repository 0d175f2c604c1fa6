"""Which embedder is in use is told where settings and the running stack are shown."""

from __future__ import annotations

import pytest

from tests.infra.cli.conftest import Cli


@pytest.mark.parametrize(
    ("chosen", "name"), [("auto", "minilm-l6-v2-53aa51172d14-v1"), ("lexical", "lexical-384-v1")]
)  # fmt: skip
def test_the_settings_say_it(offline: Cli, monkeypatch: pytest.MonkeyPatch, chosen: str, name: str):
    monkeypatch.setenv("PRECEDENT_EMBEDDER", chosen)
    shown = offline("config", "show").out
    assert f"embedder in use: {name} (knows w" in shown
    assert offline("config", "show", "--json").document["embedder"]["name"] == name


def test_the_status_says_it(cli: Cli):
    assert cli("status", "--json").document["embedder"]["name"]
    assert "embedder: " in cli("status").out
