"""`show --at`: a run as of one of its events, and where its program stood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from infra.cli import exits
from tests.infra.cli.conftest import Cli

Task = Callable[..., Path]

PLAN = """(let [low (:low inputs)
      drawn (step "draw" (call :random.int {:low low :high low}))
      kept (inc drawn)]
  (step-parallel
    (call :random.int {:low kept :high kept})
    (+ kept 1)))"""
DRAW = {"inputs": {"low": 3}, "tools": ["random.int"]}


def ran(cli: Cli, task: Task, plan: str, **fields: object) -> str:
    return str(cli("run", "--json", task(plan, **fields)).document["run"])


def listed(cli: Cli, run: str) -> list[str]:
    return [line["event"] for line in cli("show", run, "--json").document["timeline"]]


def test_the_program_is_shown_as_it_stood_with_its_variables(cli: Cli, task: Task):
    run = ran(cli, task, PLAN, **DRAW)
    compiled = listed(cli, run).index("ProgramCompiled") + 1
    called = cli("show", run, "--at", str(compiled))
    assert called.code == exits.DONE, called.err
    assert f"after event {compiled} of" in called.out
    assert "main lane  waits for effect 0, random.int, which is not recorded yet" in called.out
    assert "line 2, column 26: in the program, step draw" in called.out
    caret = [line.index("^") for line in called.out.splitlines() if set(line.split("|")[-1]) == {" ", "^"}]
    source = next(line for line in called.out.splitlines() if " 2 | " in line)
    assert source[caret[0] :].startswith("(call :random.int")
    assert ["low", "3"] in [line.split() for line in called.out.splitlines()]
    assert "0 of 500 tool calls" in called.out


def test_lanes_and_the_journal_are_in_the_document(cli: Cli, task: Task):
    run = ran(cli, task, PLAN, **DRAW)
    answered = listed(cli, run).index("ToolCallCompleted") + 1
    document = cli("show", run, "--at", str(answered), "--json").document
    assert (document["at"], document["phase"]) == (answered, "executing")
    assert [(each["effect"], each["settlement"]) for each in document["journal"]] == [("0", "completed")]
    root, first, second = document["program"]["lanes"]
    assert root["calls"][0]["locals"]["kept"] == "4"
    assert root["waits_for_lanes"] == ["1/0/", "1/1/"]
    assert (first["asks"]["capability"], first["asks"]["settlement"]) == ("random.int", None)
    assert (second["status"], second["value"]) == ("done", "5")
    last = cli("show", run, "--at", str(document["events"]), "--json").document
    assert (last["phase"], last["program"]["stands"], last["program"]["value"]) == ("completed", "finished", [4, 5])


def test_before_there_is_a_program_it_is_said_when_there_will_be(cli: Cli, task: Task):
    run = ran(cli, task, "(+ 1 2)")
    called = cli("show", run, "--at", "1")
    assert called.code == exits.DONE
    compiled = listed(cli, run).index("ProgramCompiled") + 1
    assert f"there is no program yet; event {compiled} compiles it" in called.out
    assert cli("show", run, "--at", "1", "--json").document["program"] is None


def test_a_run_without_any_program_says_so(cli: Cli, task: Task):
    run = ran(cli, task, "(+ 1 nothing-of-this-name)")
    last = len(listed(cli, run))
    assert "there is no program in this run" in cli("show", run, "--at", str(last)).out


def test_a_failed_program_is_shown_where_it_failed(cli: Cli, task: Task):
    run = ran(cli, task, '(do\n  (error "too bad"))')
    called = cli("show", run, "--at", str(len(listed(cli, run))))
    assert "line 2, column 3: the program has failed: " in called.out
    assert "too bad" in called.out


def test_events_that_are_not_there_are_refused(cli: Cli, task: Task):
    run = ran(cli, task, "(+ 1 2)")
    events = len(listed(cli, run))
    called = cli("show", run, "--at", str(events + 1))
    assert (called.code, called.out) == (exits.NO, "")
    assert f"has {events} events, so there is no event {events + 1}; `precedent show {run} --at {events}`" in called.err
    for wrong in ("0", "-1", "x", "1.5", "9" * 30):
        assert cli("show", run, "--at", wrong).code in (exits.INVALID, exits.NO)
    assert cli("show", "NOSUCHRUN", "--at", "1").code == exits.NO


def test_the_timeline_counts_its_events(cli: Cli, task: Task):
    run = ran(cli, task, "(+ 1 2)")
    shown = cli("show", run).out
    events = len(listed(cli, run))
    assert [f"{number:>4} " in shown for number in range(1, events + 1)] == [True] * events
    json.dumps(cli("show", run, "--json").document)


def test_the_journal_has_its_columns_however_long_the_answers_are(cli: Cli, task: Task):
    plan = '(call :fs.read {:path "README.md"})'
    run = ran(cli, task, plan, tools=["fs.read"])
    answered = listed(cli, run).index("ToolCallCompleted") + 1
    called = cli("show", run, "--at", str(answered))
    lines = called.out.splitlines()
    head = next(line for line in lines if line.startswith("effect"))
    assert head.split() == ["effect", "tool", "is", "asked", "answered"]
    row = lines[lines.index(head) + 1]
    assert row.split()[:5] == ["0", "fs.read", "completed", "{:path", '"README.md"}']
    assert " left" in next(line for line in lines if line.startswith("time"))
    assert not any(line.startswith("time") for line in cli("show", run, "--at", str(answered + 2)).out.splitlines())
