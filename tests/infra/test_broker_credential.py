"""The embedded broker's credentials: kept, private, and made anew where a crash left none."""

import json
import stat
from pathlib import Path

import pytest

from infra.stack.broker import credential, keeper
from infra.stack.endpoints import credential_file, keeper_file


def test_they_are_made_once_and_private(tmp_path: Path) -> None:
    assert credential(tmp_path) == credential(tmp_path)
    assert keeper(tmp_path) == keeper(tmp_path)
    for file in (credential_file(tmp_path), keeper_file(tmp_path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "left", ["", "{", "[]", "null", '{"user": "precedent"}', json.dumps({"user": 1, "password": 2})]
)
def test_what_a_power_cut_left_keeps_no_stack_from_its_start(tmp_path: Path, left: str) -> None:
    credential_file(tmp_path).write_text(left)
    keeper_file(tmp_path).write_text(left)
    assert credential(tmp_path) == credential(tmp_path)
    assert keeper(tmp_path) == keeper(tmp_path)
