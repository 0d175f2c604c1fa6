"""`rtfs eval`: expressions and plans run here and now, with no effect that anyone would regret."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from domain.rtfs.program import compile_program
from infra.cli import exits
from infra.cli.rtfs.evaluation import Evaluator
from infra.cli.rtfs.plans import known_capabilities
from infra.settings import load
from tests.infra.cli.conftest import Cli


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("(reduce + (range 10))", "45"),
        ("nil", "nil"),
        ('{:b 1 :a ["x" 2.5]}', '{:a ["x" 2.5] :b 1}'),
        ("(defn sq [x] (* x x)) (map sq [1 2])", "[1 4]"),
        ("inputs", "{}"),
        (":keyword", ":keyword"),
        ("##NaN", "##NaN"),
    ],
)
def test_an_expression_gives_its_value(offline: Cli, expression: str, shown: str):
    called = offline("rtfs", "eval", expression)
    assert (called.code, called.out, called.err) == (exits.DONE, f"{shown}\n", "")


@pytest.mark.parametrize("character", ["\x9b", "\x7f", "\u202e", "\x1b", "\u2028", "\U000e0001"])
def test_what_would_move_the_cursor_is_written_as_escapes(offline: Cli, character: str):
    called = offline("rtfs", "eval", "(:a inputs)", "--inputs", json.dumps({"a": f"x{character}y"}))
    assert called.out.rstrip("\n").isprintable()
    assert offline("rtfs", "eval", called.out, "--json").document["value"] == f"x{character}y"
    failed = offline("rtfs", "eval", "(error (:a inputs))", "--inputs", json.dumps({"a": f"x{character}y"}))
    assert failed.code == exits.NO
    assert all(line.isprintable() for line in failed.err.splitlines())


def test_a_long_value_is_laid_out(offline: Cli):
    called = offline("rtfs", "eval", '(map (fn [n] {:name (str "item " n) :size (* n n)}) (range 12))')
    lines = called.out.splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 120


def test_a_value_is_json_too(offline: Cli):
    document = offline("rtfs", "eval", "--json", "{:a [1 2.0 :b]}").document
    assert document["value"] == {"a": [1, 2.0, "b"]}
    assert document["rtfs"] == "{:a [1 2.0 :b]}"
    assert document["program"].startswith("sha256:")
    assert document["fuel"] >= 0


def test_inputs_are_given_as_json_or_from_a_file(offline: Cli, tmp_path: Path):
    (tmp_path / "inputs.json").write_text('{"a": 40}')
    for given in ('{"a": 40}', f"@{tmp_path / 'inputs.json'}"):
        assert offline("rtfs", "eval", "(+ 2 (:a inputs))", "--inputs", given).out == "42\n"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [("{", "--inputs, line 1"), ("@/no/such/file", "No such file"), ("[" * 100_000, "nested"), ("NaN", "no JSON")],
    ids=["cut", "missing", "deep", "no json"],
)
def test_wrong_inputs_are_told(offline: Cli, inputs: str, said: str):
    called = offline("rtfs", "eval", "inputs", "--inputs", inputs)
    assert (called.code, called.out) == (exits.INVALID, "")
    assert said in called.err


def test_a_file_and_stdin_are_run(offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plan.rtfs").write_text("; a plan\n(+ 40 2)\n")
    assert offline("rtfs", "eval", tmp_path / "plan.rtfs").out == "42\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"(+ 1 1)")))
    assert offline("rtfs", "eval", "-").out == "2\n"
    assert offline("rtfs", "eval", tmp_path / "none.rtfs").code == exits.INVALID


def test_a_task_is_run_with_its_inputs_and_rights(offline: Cli, tmp_path: Path):
    task = {"goal": "Add", "inputs": {"a": 1, "b": 2}, "plan": "(+ (:a inputs) (:b inputs))", "output": ":int"}
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    assert offline("rtfs", "eval", tmp_path / "task.yaml").out == "3\n"
    assert offline("rtfs", "eval", tmp_path / "task.yaml", "--inputs", '{"a": 5, "b": 5}').out == "10\n"
    wrong = offline("rtfs", "eval", tmp_path / "task.yaml", "--inputs", '{"a": "x", "b": 5}')
    assert (wrong.code, "--inputs: " in wrong.err) == (exits.INVALID, True)
    task["plan"] = '(call :fs.read {:path "x"})'
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    assert "fs.read" in offline("rtfs", "eval", tmp_path / "task.yaml").err


def test_it_stops_before_the_first_effect_and_shows_it(offline: Cli):
    called = offline("rtfs", "eval", '(let [n "README.md"] (call :fs.stat {:path n}))')
    assert called.code == exits.NO
    assert called.out == 'asks  0  fs.stat version 1 (read)  {"path" "README.md"}\n'
    assert "--call makes those" in called.err
    document = offline("rtfs", "eval", "--json", '(call :fs.stat {:path "x"})').document
    assert document["asks"] == [
        {
            "effect": "0",
            "capability": "fs.stat",
            "version": "1",
            "mode": "read",
            "arguments": {"path": "x"},
            "hints": {},
            "position": [1, 1],
        }
    ]


def test_effects_that_change_nothing_are_made_on_request(offline: Cli):
    source = '(map (fn [p] (:kind (call :fs.stat {:path p}))) ["README.md" "docs"])'
    called = offline("rtfs", "eval", "--call", source)
    assert (called.code, called.out) == (exits.DONE, '["file" "folder"]\n')
    assert 'calls 1  fs.stat version 1 (read)  {"path" "docs"}' in called.err
    assert offline("rtfs", "eval", "--call", "--json", source).document["made"] == 2
    assert offline("rtfs", "eval", "--call", "(call :timer.sleep {:seconds 0.0})").out == "nil\n"
    failed = offline("rtfs", "eval", "--call", '(try (call :fs.read {:path "no/such"}) (catch e (:effect e)))')
    assert failed.out == '"0"\n'


def test_what_writes_is_never_made(offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    called = offline("rtfs", "eval", "--call", '(call :fs.write {:path "made.txt" :text "x"})')
    assert called.code == exits.NO
    assert "fs.write is write: submit a task with this plan" in called.err
    assert not (tmp_path / "made.txt").exists()
    beside = offline(
        "rtfs", "eval", "--call", '(step-parallel (call :clock.now) (call :fs.write {:path "m" :text "x"}))'
    )
    assert (beside.code, "fs.write is write" in beside.err, "calls" in beside.err) == (exits.NO, True, False)


def test_effects_without_end_are_stopped(offline: Cli):
    called = offline("rtfs", "eval", "--call", "(loop [] (do (call :random.int {:low 1 :high 1}) (recur)))")
    assert called.code == exits.NO
    assert "effects have been made" in called.err


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (
            "(let [x 1]\n  (/ x 0))",
            "division-by-zero",
            "line 2, column 3: division-by-zero: 1 is divided by zero\n 2 |",
        ),
        ("(defn f [n] (+ 1 (f n))) (f 1)", "depth-exceeded", "calls wait"),
        ("(loop [xs [1]] (recur (concat xs xs)))", "memory-exhausted", "cells"),
        ('(error "mine")', "error", "mine"),
    ],
)
def test_errors_have_their_place(offline: Cli, source: str, code: str, said: str):
    called = offline("rtfs", "eval", source)
    assert (called.code, called.out) == (exits.NO, "")
    assert said in called.err
    error = offline("rtfs", "eval", "--json", source).document["error"]
    assert error["exit"] == exits.NO
    assert code in error["code"]


@pytest.mark.parametrize(
    "source",
    ["(+ 1", ")", "", "   ", "(nothing-of-this-name)", "(" * 100_000, "\x00", "(let [x] x)", "99999999999999999999"],
    ids=["open", "closed", "empty", "blank", "unknown", "deep", "nul", "odd", "huge number"],
)
def test_what_is_no_program_is_refused(offline: Cli, source: str):
    called = offline("rtfs", "eval", source)
    assert (called.code, called.out) == (exits.INVALID, "")
    assert offline("rtfs", "eval", "--json", source).document["error"]["code"].startswith("rtfs.")


MODULE = '(module text.words\n  (defn words [s]\n    (split s " "))\n  (defn bad [x]\n    (/ x 0)))'


@pytest.mark.parametrize("file", ["text/words.rtfs", "text.words.rtfs"])
def test_modules_are_found_beside_the_plan(offline: Cli, tmp_path: Path, file: str):
    (tmp_path / "text").mkdir()
    (tmp_path / file).write_text(MODULE)
    (tmp_path / "plan.rtfs").write_text('(import text.words :as t)\n(count (t/words "a b c"))')
    assert offline("rtfs", "eval", tmp_path / "plan.rtfs").out == "3\n"
    assert offline("rtfs", "check", tmp_path / "plan.rtfs").code == exits.DONE
    (tmp_path / "plan.rtfs").write_text("(import text.words :as t)\n(t/bad 1)")
    assert "text.words, line 5, column 5: division-by-zero" in offline("rtfs", "eval", tmp_path / "plan.rtfs").err
    (tmp_path / "plan.rtfs").write_text("(import text.other :as t)\n1")
    missing = offline("rtfs", "eval", tmp_path / "plan.rtfs").err
    assert f"looked for {tmp_path}/text/other.rtfs and {tmp_path}/text.other.rtfs" in missing


@pytest.mark.parametrize("name", ["nowhere", "../plan", "/etc/passwd", "a..b", "x" * 5000])
def test_modules_that_are_not_there_are_told(offline: Cli, tmp_path: Path, name: str):
    (tmp_path / "inner").mkdir()
    (tmp_path / "plan.rtfs").write_text("(module plan (defn one [] 1))")
    (tmp_path / "inner" / "plan.rtfs").write_text(f"(import {name}) 1")
    called = offline("rtfs", "eval", tmp_path / "inner" / "plan.rtfs")
    assert (called.code, called.out) == (exits.INVALID, "")


async def test_long_work_can_be_cancelled(tmp_path: Path):
    settings = load(data=tmp_path)
    capabilities = known_capabilities(settings)
    evaluator = Evaluator(settings, capabilities, calls=False)
    source = "(loop [n 0] (recur (inc n)))"
    program = compile_program(source, parameters={}, output=None, capabilities=capabilities)
    task = asyncio.create_task(evaluator.run(program, source, {}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_helps_is_said_beside_the_error(offline: Cli) -> None:
    failed = offline("rtfs", "eval", "[1 inc]")
    assert "a function cannot leave the program" in failed.err
    assert "hint: it is the function `inc`, at [1]" in failed.err
    assert offline("rtfs", "eval", "(pow 7 100)", "--json").document["error"]["hint"].startswith("it comes up in 7 to")
