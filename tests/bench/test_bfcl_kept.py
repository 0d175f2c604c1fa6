"""A deployment of the benchmark that stays: its configuration finds its data and its tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.kernel.errors import InvalidInput
from infra.bench.bfcl.benchmark import LISTED, kept_directory
from infra.settings import load


def test_its_configuration_names_data_and_tools(tmp_path: Path) -> None:
    with kept_directory(tmp_path / "a" / "b") as data:
        settings = load(tmp_path / "a" / "b" / "precedent.yaml")
    assert (settings.data, settings.tools) == (data, (LISTED,))


def test_one_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(InvalidInput, match="there is a deployment in it already"), kept_directory(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match=r"file/data.*name a folder"), kept_directory(tmp_path / "file" / "data"):
        pass
