"""Wrong input is refused with its place, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cli import exits
from infra.cli.documents import yaml_of
from tests.infra.cli.conftest import Cli


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goal: [unclosed\nplan: 1", "task.yaml, line 2, column 5:"),
        ("goal: one\ngoal: {a: b}: c", "task.yaml, line 2, column"),
        ("", "task.yaml: it is empty; a task has at least a goal"),
        ("# only a comment", "task.yaml: it is empty"),
        ("- not\n- a map", "task.yaml: a task is a map of fields"),
        ("3", "task.yaml: a task is a map of fields"),
        ("plan: 1", "task.yaml: goal: it is missing"),
        ("goal: x\ngaol: y", "task.yaml: gaol: no such field; did you mean goal? allowed here: goal, inputs"),
        ("goal: x\nlimits: {seconds: -1}", "limits.seconds: Input should be greater than 0 (found -1)"),
        ("goal: x\ninputs: {rate: .nan}", "task.yaml: inputs.rate: nan cannot travel as JSON"),
        ("goal: x\ninputs: {data: !!binary aGVsbG8=}", "task.yaml: inputs.data: bytes is no JSON"),
        ("goal: x\ninputs: {? [a, b] : 1}", "task.yaml, line 2"),
        ("goal: \x01", "task.yaml"),
    ],
)
def test_a_wrong_task_file(offline: Cli, tmp_path: Path, text: str, said: str):
    (tmp_path / "task.yaml").write_text(text, "utf-8")
    called = offline("run", tmp_path / "task.yaml")
    assert called.code == exits.INVALID
    assert said in called.err
    assert not (tmp_path / "data").exists(), "nothing was started"


def test_a_task_to_check_is_refused_with_its_file_too(offline: Cli, tmp_path: Path):
    (tmp_path / "task.yaml").write_text("[]", "utf-8")
    called = offline("rtfs", "check", tmp_path / "task.yaml")
    assert (called.code, f"{tmp_path}/task.yaml: a task is a map" in called.err) == (exits.INVALID, True)


def test_a_task_file_that_is_no_text(offline: Cli, tmp_path: Path):
    (tmp_path / "task.yaml").write_bytes(b"goal: \xff\xfe")
    called = offline("submit", tmp_path / "task.yaml", "--json")
    assert called.code == exits.INVALID
    assert called.document["error"]["code"] == "input.document"
    assert "not UTF-8 text (byte 6)" in called.err


def test_a_task_file_that_is_not_there(offline: Cli):
    called = offline("run", "nowhere.yaml")
    assert called.code == exits.INVALID
    assert (
        called.err == "error: nowhere.yaml: No such file or directory; name a file that can be read, or - for stdin\n"
    )


def test_dates_of_yaml_become_the_text_that_json_has():
    text = "day: 2026-11-21\nat: 2026-11-21T08:00:00Z\n1: one"
    assert yaml_of(text, "t") == {"day": "2026-11-21", "at": "2026-11-21T08:00:00+00:00", "1": "one"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "command.json, line 1, column 2:"),
        ("[]", "a command is one JSON object"),
        ('{"data": {}}', "type: the name of a command is missing (known: SubmitRun"),
        ('{"type": "Cancel.Run"}', "type 'Cancel.Run' is refused"),
        ('{"type": "CancelRun", "data": {"n": NaN}}', "NaN is no JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_command(offline: Cli, tmp_path: Path, text: str, said: str):
    (tmp_path / "command.json").write_text(text, "utf-8")
    called = offline("publish", tmp_path / "command.json")
    assert called.code == exits.INVALID
    assert said in called.err


def test_a_wrong_configuration_names_key_place_and_what_is_allowed(offline: Cli, tmp_path: Path):
    (tmp_path / "wrong.yaml").write_text("durabilty: fsync", "utf-8")
    called = offline("runs", "--config", tmp_path / "wrong.yaml")
    assert called.code == exits.INVALID
    assert "durabilty: unknown key; did you mean durability?" in called.err


def test_a_configuration_that_is_not_there(offline: Cli):
    called = offline("status", "--config", "nowhere.yaml", "--json")
    assert called.code == exits.INVALID
    assert called.document["error"]["code"] == "configuration.invalid"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("approve", "r", "0", "--refuse", "no", "--note", "yes"), "--note goes with an approval"),
        (("resolve", "r", "0", "--outcome", "failed", "--result", "1"), "--result goes with --outcome happened"),
        (("resolve", "r", "0", "--outcome", "happened", "--result", "{"), "--result, line 1, column 2"),
        (("resolve", "r", "0", "--outcome", "happened"), "--outcome happened needs what the tool gave, as in --result"),
        (("resolve", "r", "0", "--outcome", "maybe"), "--outcome 'maybe': give one of happened, repeat, failed"),
        (("replay", "r", "--at", "3"), "--at goes with --mode view"),
        (("events", "--run", "r", "--category", "program"), "leave out --category program"),
        (("events", "--type", "a.b"), "give a short name like RunCompleted"),
        (("events", "--from", "x"), "position 'x' is not <epoch>.<shard>:<sequence>"),
        (("events", "--from", "now"), "--from now goes with --follow"),
        (("events", "--run", "a.>"), "stream 'a.>' is refused"),
        (("rebuild", "nothing"), "PROJECTION 'nothing': give one of"),
        (("explain", "DoIt"), "COMMAND 'DoIt': give one of"),
        (("dead", "show", "0"), "give a whole number of at least 1"),
        (("dead", "retry", "x"), "'x': give a whole number of at least 1; see `precedent dead retry --help`"),
        (("dead", "retry", "9" * 5000), "give a whole number of at least 1"),
        (("runs", "--limit", "many"), "--limit 'many': give a whole number from 1 to 10000"),
        (("runs", "--status", "new"), "--status 'new': give one of submitted, "),
    ],
)
def test_wrong_arguments(offline: Cli, arguments: tuple[str, ...], said: str):
    called = offline(*arguments)
    assert called.code == exits.INVALID
    assert said in " ".join(called.err.split())
