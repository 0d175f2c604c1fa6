"""``rtfs`` and ``tools``: what needs no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cli import exits
from tests.infra.cli.conftest import Cli

WORDS = "examples/word-count.yaml"


def test_a_plan_is_checked_for_its_task(offline: Cli):
    called = offline("rtfs", "check", WORDS)
    assert called.code == exits.DONE
    assert "may use: fs.list, fs.read" in called.out


def test_a_plan_that_does_not_compile_shows_the_place(offline: Cli, tmp_path: Path):
    (tmp_path / "plan.rtfs").write_text("(let [x 1]\n  (fnil x))")
    called = offline("rtfs", "check", tmp_path / "plan.rtfs", "--json")
    assert called.code == exits.INVALID
    assert called.document["error"]["code"] == "rtfs.compile"
    assert "line 2, column 4: `fnil` is not defined" in called.err


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("checks: ['(> output']", "checks.0: line 1, column 1"),
        ("tools: [fs.lsit]", "tools: 'fs.lsit' is no tool here; did you mean fs.list"),
    ],
)
def test_a_task_is_checked_as_a_worker_checks_it(offline: Cli, tmp_path: Path, field: str, said: str):
    (tmp_path / "task.yaml").write_text(f"goal: Add\nplan: (+ 1 2)\n{field}\n")
    called = offline("rtfs", "check", tmp_path / "task.yaml")
    assert (called.code, said in called.err) == (exits.INVALID, True)


def test_a_task_without_a_plan_has_nothing_to_compile(offline: Cli):
    called = offline("rtfs", "check", "examples/licences.yaml")
    assert (called.code, "brings no plan" in called.err) == (exits.INVALID, True)


def test_a_module_is_written_and_disassembled(offline: Cli, tmp_path: Path):
    compiled = offline("rtfs", "compile", WORDS, "-o", tmp_path / "m", "--json").document
    assert (tmp_path / "m").stat().st_size == compiled["bytes"]
    assert [effect["name"] for effect in compiled["effects"]] == ["fs.list", "fs.read"]
    of_module = offline("rtfs", "disasm", tmp_path / "m")
    assert "may call fs.list version 1 (read)" in of_module.out
    assert offline("rtfs", "disasm", WORDS, "--json").document["listing"][0] == of_module.out.splitlines()[0]


def test_a_module_cannot_be_written_there(offline: Cli):
    called = offline("rtfs", "compile", WORDS, "-o", "/no/such/folder/m")
    assert (called.code, "No such file or directory" in called.err) == (exits.INVALID, True)


def test_tools_are_listed_with_signature_and_effects(offline: Cli):
    tools = {each["name"]: each for each in offline("tools", "ls", "--json").document["tools"]}
    assert tools["fs.write"]["effects"] == "write"
    assert tools["python.metadata"]["parameters"][0] == {"name": "site", "type": ":string", "required": True}
    assert "python.metadata" in offline("tools", "ls").out
    assert "takes    package :string" in offline("tools", "show", "python.metadata").out


def test_a_tool_module_of_the_working_directory_is_found(offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tools_of_this_folder.py").write_text(
        "from adapters.tools.declare import tool\n\n\n"
        '@tool("here.one", effects="pure", version="1")\ndef one() -> int:\n    """One."""\n    return 1\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRECEDENT_TOOLS", '["tools_of_this_folder"]')
    assert offline("tools", "call", "here.one", "--json").document["result"] == 1


def test_what_the_controller_answers_is_listed_beside_the_tools_and_cannot_be_called_alone(offline: Cli):
    tools = {each["name"]: each for each in offline("tools", "ls", "--json").document["tools"]}
    assert tools["timer.sleep"]["isolation"] == "controller"
    assert {frozenset(each) for each in tools.values()} == {frozenset(tools["fs.read"])}, "one shape for all"
    assert list(tools) == sorted(tools)
    assert "timer.sleep" in offline("tools", "ls").out
    assert "takes    seconds :float" in offline("tools", "show", "timer.sleep").out
    called = offline("tools", "call", "timer.sleep", '{"seconds": 1}')
    assert (called.code, "by a plan only" in called.err) == (exits.INVALID, True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fs.raed", "there is no tool 'fs.raed'; did you mean fs.read or"),
        ("timer.slep", "did you mean timer.sleep? see `precedent tools ls`"),
        ("zz", "there is no tool 'zz'; see `precedent tools ls`"),
        ("x" * 100_000, "see `precedent tools ls`"),
        ("", "there is no tool ''"),
    ],
    ids=["misspelt", "misspelt effect", "like nothing", "huge", "empty"],
)
def test_a_tool_that_does_not_exist(offline: Cli, name: str, said: str):
    for command in ("show", "call"):
        called = offline("tools", command, name)
        assert (called.code, said in called.err) == (exits.NO, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{}", "fs.stat (path) lacks path: :string"),
        ('{"paht": "README.md"}', "fs.stat has no parameter paht; it takes path :string"),
        ('{"path": "README.md", "depth": 1}', "fs.stat has no parameter depth; it takes path :string"),
    ],
)
def test_wrong_arguments_of_a_tool_are_told_once(offline: Cli, arguments: str, said: str):
    called = offline("tools", "call", "fs.stat", arguments)
    assert (called.code, called.err) == (exits.INVALID, f"error: tool.arguments: {said}\n")


def test_a_tool_is_called_outside_of_any_run(offline: Cli):
    called = offline("tools", "call", "fs.stat", '{"path": "README.md"}', "--json")
    assert called.code == exits.DONE
    assert called.document["result"]["kind"] == "file"


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("no.tool", "{}", exits.NO, "there is no tool 'no.tool'; see `precedent tools ls`"),
        ("fs.stat", "[]", exits.INVALID, "ARGUMENTS: a JSON object is expected"),
        ("fs.stat", "{", exits.INVALID, "ARGUMENTS, line 1, column 2"),
        ("fs.stat", '{"path": 3}', exits.INVALID, "ARGUMENTS, path: expected :string, found :int 3"),
        ("fs.stat", '{"pth": "x"}', exits.INVALID, "tool.arguments"),
        ("fs.read", '{"path": "no/such/file"}', exits.NO, "no/such/file"),
    ],
)
def test_a_call_that_fails_says_why(offline: Cli, name: str, arguments: str, code: int, said: str):
    called = offline("tools", "call", name, arguments)
    assert called.code == code, called.err
    assert said in called.err
