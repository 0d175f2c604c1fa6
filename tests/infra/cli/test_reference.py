"""`rtfs doc` and `rtfs explain-effects`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS
from domain.rtfs.reference import ERRORS
from infra.cli import exits
from infra.cli.rtfs.reference import document_of
from tests.infra.cli.conftest import Cli


def test_everything_is_listed_by_topic(offline: Cli):
    called = offline("rtfs", "doc")
    assert called.code == exits.DONE
    document = offline("rtfs", "doc", "--json").document
    assert {each["name"] for each in document["functions"]} == set(FUNCTIONS)
    assert {each["name"] for each in document["forms"]} == set(FORMS)
    assert {each["name"] for each in document["errors"]} == {each.type for each in ERRORS}
    assert {":int", ":vector", ":matches-regex"} <= {each["name"] for each in document["types"]}
    for topic in {each["topic"] for each in document["functions"]}:
        assert topic in called.out


def test_a_function_has_its_type_meaning_and_examples(offline: Cli):
    called = offline("rtfs", "doc", "inc")
    assert called.out.startswith("inc  [:fn [")
    assert "(inc 1) => 2" in called.out
    document = offline("rtfs", "doc", "upper", "--json").document
    assert (document["name"], document["kind"]) == ("upper", "function")
    assert "upper-case" in document["aliases"]


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *ALIASES, *FORMS}))
def test_every_name_can_be_looked_up(name: str):
    about = document_of(name)
    assert about["doc"]
    assert about["examples"]
    assert about["name"] == ALIASES.get(name, name)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("let", "form", "(let [x 2 y (* x 3)] (+ x y)) => 8"),
        ("loop", "form", "recur"),
        (":vector", "type", "[1 2] is one"),
        (":matches-regex", "type", "pattern"),
        ("division-by-zero", "error", "(try … (catch :division-by-zero e …))"),
        ("fuel-exhausted", "error", "cannot be caught"),
        ("import", "form", ":digest"),
    ],
)
def test_forms_types_and_errors_are_explained(offline: Cli, name: str, kind: str, said: str):
    assert said in offline("rtfs", "doc", name).out
    assert offline("rtfs", "doc", name, "--json").document["kind"] == kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reduec", "did you mean reduce"),
        ("mtach", "match"),
        ("", "there is no function, form, type or error ''"),
        ("x" * 100_000, "`precedent rtfs doc` lists them all"),
        ("\x1b[31m", "there is no function, form, type or error"),
    ],
    ids=["misspelt", "misspelt form", "empty", "huge", "control"],
)
def test_a_name_that_is_not_there(offline: Cli, name: str, said: str):
    called = offline("rtfs", "doc", name)
    assert (called.code, called.out) == (exits.NO, "")
    assert said in called.err
    assert len(called.err) < 1000


def test_effects_are_explained_with_types_and_places(offline: Cli, tmp_path: Path):
    (tmp_path / "plan.rtfs").write_text(
        '(step "look"\n  (let [s (call :fs.stat {:path "a"})]\n    (call :fs.stat {:path "b"})))'
    )
    called = offline("rtfs", "explain-effects", tmp_path / "plan.rtfs")
    assert called.code == exits.DONE
    assert "fs.stat  version 1, read" in called.out
    assert "takes path :string" in called.out
    assert 'line 3, column 5 in step look: (call :fs.stat {:path "b"})))' in called.out
    document = offline("rtfs", "explain-effects", tmp_path / "plan.rtfs", "--json").document
    (effect,) = document["effects"]
    assert (effect["name"], effect["version"], effect["mode"]) == ("fs.stat", "1", "read")
    assert effect["called"] == [
        {"line": 2, "column": 11, "module": None, "step": "look", "hints": {}},
        {"line": 3, "column": 5, "module": None, "step": "look", "hints": {}},
    ]
    assert (document["pure"], document["unused"]) == (False, [])
    assert document["interface"].startswith("sha256:")


def test_hints_of_a_call_are_shown(offline: Cli, tmp_path: Path):
    (tmp_path / "plan.rtfs").write_text('^{:timeout 500} (call :fs.stat {:path "a"})')
    assert "column 17 with {" in offline("rtfs", "explain-effects", tmp_path / "plan.rtfs").out
    (effect,) = offline("rtfs", "explain-effects", tmp_path / "plan.rtfs", "--json").document["effects"]
    assert [place["hints"] for place in effect["called"]] == [{"timeout": 500}]


def test_effects_of_an_imported_module_are_placed_in_it(offline: Cli, tmp_path: Path):
    (tmp_path / "look.rtfs").write_text("(module look\n  (defn at [p]\n    (call :fs.stat {:path p})))")
    (tmp_path / "plan.rtfs").write_text('(import look)\n(look/at "a")')
    assert "  line 3, column 5 of look\n" in offline("rtfs", "explain-effects", tmp_path / "plan.rtfs").out
    (effect,) = offline("rtfs", "explain-effects", tmp_path / "plan.rtfs", "--json").document["effects"]
    assert [(place["module"], place["line"]) for place in effect["called"]] == [("look", 3)]


def test_rights_that_are_not_used_are_named(offline: Cli, tmp_path: Path):
    task = {"goal": "x", "plan": '(call :fs.stat {:path "a"})', "tools": ["fs.stat", "fs.read", "fs.write"]}
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    called = offline("rtfs", "explain-effects", tmp_path / "task.yaml")
    assert "the task gives 2 rights that the plan makes no use of: fs.read, fs.write" in called.out
    document = offline("rtfs", "explain-effects", tmp_path / "task.yaml", "--json").document
    assert document["unused"] == ["fs.read", "fs.write"]


def test_a_pure_plan_says_so(offline: Cli, tmp_path: Path):
    (tmp_path / "plan.rtfs").write_text('(if false (call :fs.stat {:path "a"}) (+ 1 (count inputs)))')
    (tmp_path / "pure.rtfs").write_text("(+ 1 (count inputs))")
    assert offline("rtfs", "explain-effects", tmp_path / "pure.rtfs").out.startswith("pure  ")
    assert offline("rtfs", "explain-effects", tmp_path / "pure.rtfs", "--json").document["pure"] is True


def test_a_plan_beyond_the_rights_of_its_task_does_not_compile(offline: Cli, tmp_path: Path):
    task = {"goal": "x", "plan": '(call :fs.write {:path "a" :text ""})', "tools": ["fs.stat"]}
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    called = offline("rtfs", "explain-effects", tmp_path / "task.yaml")
    assert (called.code, called.out) == (exits.INVALID, "")
    assert "fs.write" in called.err
