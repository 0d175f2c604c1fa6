"""Runs through the command line on a real deployment: submit, follow, look, steer, replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands.ports import NEW_STREAM
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from infra.bootstrap.connections import connected, event_store
from infra.cli import exits
from infra.stack.endpoints import endpoints_of
from tests.conftest import settings_for
from tests.infra.cli.conftest import Cli, until_status

ADD = "(+ (:a inputs) (:b inputs))"
NUMBERS = {"inputs": {"a": 40, "b": 2}, "output": ":int"}
Task = Callable[..., Path]
Submitted = Callable[..., str]


def test_a_task_runs_and_its_result_and_use_are_shown(cli: Cli, task: Task):
    called = cli("run", task(ADD, **NUMBERS, checks=["(= output 42)"]))
    assert called.code == exits.DONE, called.err
    for shown in ("Task submitted", "Route: given-plan", "1 (+ (:a inputs) (:b inputs))", "Critic accepts", "\n42\n"):
        assert shown in called.out
    assert "0 tool calls · 0 model calls · 0 tokens · 0.0000 USD" in called.out
    assert called.err == ""


def test_what_submit_prints_is_the_id_of_the_run(cli: Cli, task: Task):
    called = cli("submit", task(ADD, **NUMBERS))
    run = called.out.removesuffix("\n")
    assert called.err == f"submitted; see it: `precedent show {run}`\n"
    assert until_status(cli, run, "completed")["output"] == 42


def test_a_result_is_plain_and_typed_in_json(cli: Cli, task: Task):
    plan = '{:sum (+ (:a inputs) 1.5) :rows [{:name "x" :n 1}]}'
    called = cli("run", "--json", task(plan, inputs={"a": 2.5}))
    document = called.document
    assert called.code == exits.DONE
    assert document["status"] == "completed"
    assert document["output"] == {"sum": 4.0, "rows": [{"name": "x", "n": 1}]}
    assert document["value"]["$map"][1] == [{"$kw": "sum"}, {"$float": "4.0"}]
    assert document["usage"]["events"] > 5


def test_maps_and_vectors_of_maps_are_tables(cli: Cli, task: Task):
    called = cli("run", task('{:found 2 :rows [{:name "x" :n 1} {:name "y"}]}'))
    lines = [line.split() for line in called.out.splitlines()]
    assert ["found", "2"] in lines
    assert ["rows", "n", "name"] in lines
    assert ["-", "y"] in lines


def test_a_failed_run_says_why_where_and_what_to_do(cli: Cli, task: Task):
    called = cli("run", task('(call :fs.read {:path "no/such/file"})', tools=["fs.read"]))
    assert called.code == exits.NO
    assert "Run failed" in called.out
    assert "failed at effect 0" in called.err
    assert "note: " in called.err
    document = cli("run", "--json", task('(call :fs.read {:path "no/such/file"})', tools=["fs.read"])).document
    assert document["status"] == "failed"
    assert document["error"]["effect"] == "0"
    assert document["error"]["advice"]


def test_a_plan_that_does_not_compile_shows_the_compilers_message(cli: Cli, task: Task):
    called = cli("run", task("(let [x 1]\n  (fnil x))"))
    assert called.code == exits.NO
    assert "line 2, column 4: `fnil` is not defined" in called.out
    assert "^^^^" in called.out
    assert "`fnil` is not defined (shown above)\n" in called.err
    assert "note: correct the plan" in called.err
    assert "^^^^" in cli("run", "--json", task("(let [x 1]\n  (fnil x))")).err, "where nothing stands above it is whole"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": ["no.tool"]}, "'no.tool' is no tool here"),
        ({"inputs": {"a": "x"}, "input": "[:map [:a :int]]"}, "inputs: "),
        ({"output": "[:nonsense"}, "output: "),
        ({"checks": ["(= outptu 1)"]}, "checks.0: "),
    ],
)
def test_a_task_that_the_worker_refuses(cli: Cli, task: Task, fields: dict[str, object], said: str):
    called = cli("run", "--json", task("1", **fields))
    assert called.code == exits.INVALID
    assert called.document["outcome"] == "invalid"
    assert said in called.err


def test_an_approval_shows_the_command_that_gives_it(cli: Cli, submitted: Submitted):
    run = submitted("(call :random.int {:low 1 :high 1})", "waiting", tools=["random.int"], approvals=["random.int"])
    shown = cli("show", run)
    assert f"precedent approve {run} 0 " in shown.out
    assert "low: 1" in shown.out
    assert run in cli("runs", "--status", "waiting").out
    wrong = cli("approve", run, "7")
    assert (wrong.code, "waiting now: 0" in wrong.err) == (exits.NO, True)
    assert cli("approve", "0" * 26, "0").code == exits.NO
    assert cli("approve", run, "0", "--note", "checked").code == exits.DONE
    document = until_status(cli, run, "completed")
    assert document["output"] == 1
    assert 0 < document["usage"]["waited"] < document["usage"]["seconds"]
    assert "of them waiting, 12 events, 1 tool call, 0 model calls" in cli("show", run).out
    decision = next(each for each in document["decisions"] if each["event"] == "ApprovalGranted")
    assert (decision["role"], decision["chosen"], decision["reason"]) == ("operator", "approve", "checked")
    again = cli("approve", run, "0", "--json")
    assert (again.code, again.document["error"]["code"]) == (exits.NO, "run.ended")


def test_what_is_approved_is_what_was_seen(cli: Cli, submitted: Submitted):
    run = submitted("(call :random.int {:low 1 :high 1})", "waiting", tools=["random.int"], approvals=["random.int"])
    (waits,) = cli("show", run, "--json").document["waiting"]
    digest = waits["request_digest"]
    assert waits["settle_with"][0] == f"precedent approve {run} 0 --digest {digest[7:19]}"
    other = "0" * 8 if not digest.startswith("sha256:0000") else "f" * 8
    called = cli("approve", run, "0", "--digest", other)
    assert called.code == exits.NO
    assert f"which does not begin with {other}" in " ".join(called.err.split())
    for nonsense in ("", "abc", "x" * 12, "0" * 65, "sha512:" + "0" * 12, "%"):
        assert cli("approve", run, "0", "--digest", nonsense).code == exits.INVALID
    assert cli("approve", run, "0", "--refuse", "no", "--digest", digest).code == exits.INVALID
    assert cli("show", run, "--json").document["status"] == "waiting", "nothing of this let it happen"
    assert cli("approve", run, "0", "--digest", digest[7:19].upper()).code == exits.DONE
    until_status(cli, run, "completed")
    (granted,) = [
        json.loads(line) for line in cli("events", "--run", run, "--type", "ApprovalGranted").out.splitlines()
    ]
    assert granted["data"]["request_digest"] == digest


def test_a_refusal_reaches_the_program(cli: Cli, submitted: Submitted):
    run = submitted("(call :clock.now {})", "waiting", tools=["clock.now"], approvals=["clock.now"])
    assert cli("approve", run, "0", "--refuse", "not today").code == exits.DONE
    assert "not today" in until_status(cli, run, "failed")["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--outcome", "happened", "--result", "7"), "completed"),
        (("--outcome", "failed", "--note", "it bounced"), "failed"),
    ],
)
def test_an_unknown_outcome_is_resolved_by_a_person(cli: Cli, submitted: Submitted, arguments, status: str):
    run = submitted('(call :mail.send {:to "ada"})', "waiting", tools=["mail.send"])
    shown = cli("show", run, "--json").document["waiting"]
    assert shown[0]["arguments"] == {"to": "ada"}
    assert shown[0]["settle_with"][0] == f"precedent resolve {run} 0 --outcome happened --result JSON"
    resolved = cli("resolve", run, "0", *arguments)
    assert resolved.code == exits.DONE, resolved.err
    document = until_status(cli, run, status)
    assert document.get("output") == (7 if status == "completed" else None)
    replayed = cli("replay", run, "--json")
    assert (replayed.code, replayed.document["effects"]) == (exits.DONE, 1)


def test_a_result_of_the_wrong_type_resolves_nothing(cli: Cli, submitted: Submitted):
    run = submitted('(call :mail.send {:to "ada"})', "waiting", tools=["mail.send"])
    called = cli("resolve", run, "0", "--outcome", "happened", "--result", '"seven"')
    assert (called.code, "expected :int" in called.err) == (exits.INVALID, True)
    assert cli("cancel", run).code == exits.DONE


def test_a_run_is_paused_resumed_and_cancelled(cli: Cli, submitted: Submitted):
    run = submitted("(call :wait.for-it {})", "executing", tools=["wait.for-it"])
    assert cli("resume", run).code == exits.NO
    assert cli("pause", run, "--reason", "lunch").code == exits.DONE
    assert cli("show", run, "--json").document["status"] == "paused"
    assert "is paused already" in cli("pause", run).err
    assert cli("resume", run).code == exits.DONE
    assert cli("cancel", run, "--reason", "enough").code == exits.DONE
    shown = cli("show", run, "--json").document
    assert shown["status"] == "cancelled"
    assert [each["reason"] for each in shown["decisions"]][-3:] == ["lunch", "asked for", "enough"]
    assert cli("cancel", run).code == exits.NO


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",), ("decisions",), ("replay",), ("replay", "--mode", "view"), ("pause",), ("resume",), ("cancel",),
        ("approve", "--", "KEY"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_run_that_does_not_exist(cli: Cli, arguments: tuple[str, ...]):
    name, *options = arguments
    key = [option for option in options if option == "KEY"]
    called = cli(name, "NOSUCH", *key, *(option for option in options if option not in ("--", "KEY")))
    assert called.code == exits.NO
    assert "there is no run NOSUCH" in called.err
    assert "`precedent runs` lists them" in called.err


def test_a_hostile_name_never_reaches_the_broker(cli: Cli):
    called = cli("show", "a.>")
    assert called.code == exits.INVALID
    assert "run id 'a.>' is refused" in called.err


def test_a_replay_gives_the_same_bytes(cli: Cli, submitted: Submitted):
    run = submitted("[(call :random.int {:low 1 :high 1000000}) (call :clock.now {})]", "completed",
                    tools=["random.int", "clock.now"])  # fmt: skip
    called = cli("replay", run)
    assert called.code == exits.DONE
    assert "identical  2 of 2 effects asked alike" in called.out
    digest = cli("replay", run, "--json").document["output_digest"]
    assert digest in called.out


def test_a_run_that_ended_without_a_program_has_nothing_to_replay(cli: Cli, submitted: Submitted):
    run = submitted("(nothing-here)", "failed")
    called = cli("replay", run)
    assert called.code == exits.DONE
    assert "nothing to replay  the run is failed and has no program" in called.out
    assert "identical" not in called.out
    assert cli("replay", run, "--json").document["replayable"] is False


def test_a_run_that_has_not_ended_is_identical_so_far(cli: Cli, submitted: Submitted):
    run = submitted("(call :random.int {:low 1 :high 2})", "waiting", tools=["random.int"], approvals=["random.int"])
    called = cli("replay", run)
    assert (called.code, "identical so far (the run is executing)  1 of 1 effect" in called.out) == (exits.DONE, True)
    assert cli("replay", run, "--json").document["outcome"] == "open"
    assert "identical so far" in cli("replay", run, "--mode", "re-execute").out
    viewed = cli("replay", run, "--mode", "view", "--at", "1000")
    assert (viewed.code, "--at 1000 is beyond them" in viewed.err, viewed.out) == (exits.NO, True, "")
    cli("cancel", run)


def test_a_fork_inherits_and_is_compared_with_its_parent(cli: Cli, submitted: Submitted, tmp_path: Path):
    plan = "(let [a (call :random.int {:low 1 :high 1000000})] [a (+ a (:n inputs)) (call :clock.now {})])"
    run = submitted(plan, "completed", inputs={"n": 1, "deep": {"list": [1, 2]}}, tools=["random.int", "clock.now"])
    parent = cli("show", run, "--json").document["output"]
    same = cli("fork", run, "--json").document
    assert same["output"] == parent
    assert same["forked_from"]["run"] == run
    assert (same["usage"]["tool_calls"], same["usage"]["inherited"]) == (0, 2)
    assert cli("show", same["run"], "--json").document["usage"]["inherited"] == 2
    assert "0 tool calls and 2 inherited" in cli("show", same["run"]).out
    totals = cli("diff", run, same["run"], "--json").document["totals"]
    assert [(each["tool_calls"], each["inherited"]) for each in totals.values()] == [(2, 0), (0, 2)]
    assert cli("diff", run, same["run"]).code == exits.DONE
    assert cli("replay", same["run"]).code == exits.DONE
    changed = cli("fork", run, "--set", "inputs.n=5", "--set", "inputs.deep.list.1=7", "--json").document
    assert changed["output"] == [parent[0], parent[0] + 5, parent[2]]
    difference = cli("diff", run, changed["run"], "--json").document
    assert (difference["first"]["kind"], [each["kind"] for each in difference["consequences"]]) == (
        "inputs",
        ["output"],
    )
    other = tmp_path / "other.rtfs"
    other.write_text(plan.replace(":low 1", ":low 2"))
    misspelt = cli("fork", run, "--set", "inputs.m=5")
    assert f"note: inputs.m is new: run {run} has no input of this name" in misspelt.err
    shown = cli("fork", run, "--plan", other)
    assert (shown.code, "beside its parent: precedent diff " in shown.out) == (exits.DONE, True)
    early = cli("fork", run, "--at", "1", "--every")
    assert "random.int answered the run's parent" not in early.out
    assert "random.int answered the run's parent" in cli("fork", run).out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--at", "999"), "--at 999 is beyond them"),
        (("--set", "n=1"), "give inputs.PATH=VALUE"),
        (("--set", "inputs.=1"), "give inputs.PATH=VALUE"),
        (("--set", "inputs.a.b=1"), "the inputs have no a"),
        (("--set", "inputs.n=many"), "inputs: "),
        (("--model", "nobody"), "model 'nobody' is not configured"),
        (("--model", "m", "--plan", "-"), "give one of them"),
        (("--plan", "/no/such/file"), "No such file"),
    ],
    ids=str,
)
def test_a_fork_that_cannot_be(cli: Cli, submitted: Submitted, options: tuple[str, ...], said: str):
    run = submitted("(:n inputs)", "completed", inputs={"n": 1})
    called = cli("fork", run, *options)
    assert called.code in (exits.INVALID, exits.NO)
    assert said in called.err


def test_tools_are_called_again_and_compared(cli: Cli, submitted: Submitted, tmp_path: Path):
    file = tmp_path / "seen.txt"
    file.write_text("one")
    plan = f'[(call :fs.read {{:path "{file}"}}) (call :clock.now {{}})]'
    run = submitted(plan, "failed", tools=["fs.read", "clock.now"])  # the worker's root does not hold it
    called = cli("replay", run, "--mode", "re-execute")
    assert (called.code, "identical  1 tool call made again, 0 answered otherwise" in called.out) == (exits.DONE, True)
    run = submitted("[(call :fs.list {}) (call :clock.now {})]", "completed", tools=["fs.list", "clock.now"])
    same = cli("replay", run, "--mode", "re-execute", "--json").document
    assert (same["identical"], same["executed"], same["answered"]) == (True, 1, {"momentary": 1})


def test_tools_with_state_are_called_again_and_their_runs_are_forked(cli: Cli, submitted: Submitted):
    plan = '[(call :basket.add {:item "b"}) (call :basket.add {:item "c"}) (call :basket.all)]'
    tools = ["basket.add", "basket.all"]
    run = submitted(plan, "completed", inputs={"items": ["a"]}, tools=tools)
    assert cli("show", run, "--json").document["output"] == [2, 3, ["a", "b", "c"]]
    again = cli("replay", run, "--mode", "re-execute", "--json").document
    assert (again["executed"], again["others"]) == (3, [])
    events = cli("show", run, "--json").document["timeline"]
    first = next(place for place, each in enumerate(events, start=1) if each["event"] == "ToolCallCompleted")
    fork = cli("fork", run, "--at", str(first), "--json").document
    assert (fork["output"], fork["usage"]["inherited"], fork["usage"]["tool_calls"]) == ([2, 3, ["a", "b", "c"]], 1, 2)
    assert cli("replay", fork["run"], "--mode", "re-execute", "--json").document["executed"] == 3
    other = cli("fork", run, "--at", str(first), "--set", 'inputs.items=["x","y"]', "--json").document
    assert other["output"] == [2, 4, ["x", "y", "b", "c"]], "what is inherited was done in the basket of this run"


def test_a_tool_with_state_is_tried_on_inputs(offline: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRECEDENT_TOOLS", '["tests.infra.cli.slow_tools"]')
    tried = offline("tools", "call", "basket.add", '{"item": "b"}', "--inputs", '{"items": ["a"]}', "--json")
    assert tried.document["result"] == 2
    failed = offline("tools", "call", "basket.add", '{"item": "b"}')
    assert (failed.code, "could not be made: KeyError: 'items'" in failed.err) == (exits.NO, True)
    assert "--inputs: a JSON object is expected" in offline("tools", "call", "basket.all", "--inputs", "[]").err


def test_a_tool_that_answers_otherwise_now_is_told(
    cli: Cli, submitted: Submitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = submitted("(call :fs.list {})", "completed", tools=["fs.list"])
    monkeypatch.chdir(tmp_path)  # another root has other files
    called = cli("replay", run, "--mode", "re-execute", "--json")
    assert called.code == exits.DIVERGED
    (other,) = called.document["others"]
    assert (called.document["identical"], other["effect"], other["tool"]) == (False, "0", "fs.list")
    assert other["differences"]
    assert "fs.list answers otherwise now, first at effect 0" in called.err
    assert "effect 0  fs.list answers otherwise now" in cli("replay", run, "--mode", "re-execute").out


def test_a_view_is_the_state_after_an_event(cli: Cli, submitted: Submitted):
    run = submitted(ADD, "completed", **NUMBERS)
    first = cli("replay", run, "--mode", "view", "--at", "1", "--json").document
    assert (first["phase"], first["plans"], first["output"]) == ("submitted", [], None)
    whole = cli("replay", run, "--mode", "view", "--json").document
    assert (whole["phase"], whole["output"]) == ("completed", 42)
    shown = cli("replay", run, "--mode", "view", "--at", "1")
    assert "after event 1: submitted" in shown.out
    assert "Run completed" not in shown.out
    beyond = cli("replay", run, "--mode", "view", "--at", "999")
    assert (beyond.code, "--at 999 is beyond them" in beyond.err) == (exits.NO, True)


def test_live_and_kept_lines_are_the_same_words(cli: Cli, task: Task):
    live = cli("run", "--every", task("(call :random.int {:low 5 :high 5})", tools=["random.int"])).out
    run = live.split()[1]
    kept = cli("show", run, "--json").document["timeline"]
    assert [line["title"] for line in kept if line["title"] not in live] == []


def test_repeated_answers_are_counted_unless_every_one_is_wanted(cli: Cli, task: Task):
    plan = "(map (fn [n] (call :random.int {:low n :high n})) (range 8))"
    called = cli("run", task(plan, tools=["random.int"]))
    assert called.out.count("random.int answered ") == 4
    assert "… random.int answered 5 more times  effects 3 to 7" in called.out
    assert cli("run", "--every", task(plan, tools=["random.int"])).out.count("random.int answered") == 8


def test_runs_are_listed_filtered_and_limited(cli: Cli, submitted: Submitted):
    run = submitted('"needle-in-a-goal"', "completed")
    found = cli("runs", "--goal", "needle-in-a-goal", "--status", "completed", "--json").document["runs"]
    assert [row["id"] for row in found] == [run]
    assert found[0]["submitted_by"].startswith("user:")
    assert len(cli("runs", "--limit", "1", "--json").document["runs"]) == 1
    assert "no runs;" in cli("runs", "--goal", "there is no such goal").out


def test_a_narrow_screen_cuts_neither_run_nor_status(cli: Cli, submitted: Submitted, monkeypatch: pytest.MonkeyPatch):
    run = submitted(ADD, "completed", **NUMBERS)
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("runs").out.splitlines()
    assert any(line.startswith(f"{run}  completed  ") for line in lines)
    assert max(len(line) for line in lines) <= 80


def test_events_are_the_stored_documents_one_a_line(cli: Cli, submitted: Submitted):
    run = submitted(ADD, "completed", **NUMBERS)
    lines = cli("events", "--run", run).out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    assert {event["specversion"] for event in events} == {"1.0"}
    assert cli("events", "--run", run, "--json", "--category", "run").out.splitlines() == lines
    ended = cli("events", "--run", run, "--type", "precedent.run.RunCompleted.v1").out.splitlines()
    assert ended == [lines[-1]] == cli("events", "--run", run, "--type", "RunCompleted").out.splitlines()
    position = cli("show", run, "--json").document["position"]
    assert cli("events", "--run", run, "--from", position).out.splitlines() == [lines[-1]]
    assert cli("events", "--run", run, "--from", position.partition(":")[2]).out.splitlines() == [lines[-1]]


def test_events_end_where_they_are_told_to(cli: Cli, submitted: Submitted):
    run = submitted(ADD, "completed", **NUMBERS)
    lines = cli("events", "--run", run).out.splitlines()
    position = cli("show", run, "--json").document["position"]
    assert cli("events", "--run", run, "--until", position).out.splitlines() == lines
    before = str(int(position.partition(":")[2]) - 1)
    assert cli("events", "--run", run, "--until", before).out.splitlines() == lines[:-1]
    assert cli("events", "--run", run, "--from", before, "--until", before).out.splitlines() == [lines[-2]]
    times = [json.loads(line)["time"] for line in lines]
    early = [line for line, time in zip(lines, times, strict=True) if time <= times[2]]
    assert cli("events", "--run", run, "--until", times[2]).out.splitlines() == early
    assert cli("events", "--run", run, "--until", "1d").err == "note: no event matched\n"
    assert cli("events", "--until", "0").out == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--until", "soon"), "--until soon: give a time like"),
        (("--until", "0.0:"), "--until 0.0:: give a time like"),
        (("--until", "7", "--follow"), "--until ends the reading and --follow never does"),
    ],
    ids=str,
)
def test_ends_that_cannot_be(cli: Cli, options: tuple[str, ...], said: str):
    called = cli("events", *options)
    assert (called.code, said in called.err) == (exits.INVALID, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tenant", "nobody"), "note: no event matched\n"),
        (("--type", "RunComplete"), "no type 'RunComplete' is known here; did you mean RunCompleted"),
        (("--type", "precedent.run.RunCompletd.v1"), "did you mean RunCompleted"),
        (("--type", "Zz"), "no type 'Zz' is known here; known: AgentPinned, ApprovalGranted, "),
        (("--category", "runs"), "no category 'runs' is known here; did you mean run?\n"),
        (("--category", "zz", "--type", "RunComplete"), "did you mean RunCompleted"),
        (("--from", "999999999"), "note: no event matched\n"),
    ],
    ids=" ".join,
)
def test_events_that_do_not_exist_are_told_on_stderr(cli: Cli, options: tuple[str, ...], said: str):
    called = cli("events", *options, "--json")
    assert (called.code, called.out) == (exits.DONE, "")
    assert said in called.err


def test_a_run_without_such_events_is_there(cli: Cli, submitted: Submitted):
    run = submitted(ADD, "completed", **NUMBERS)
    called = cli("events", "--run", run, "--type", "RunFailed")
    assert (called.code, called.out, called.err) == (exits.DONE, "", "note: no event matched\n")


@pytest.mark.parametrize("options", [(), ("--type", "RunCompleted"), ("--from", "999999999")], ids=" ".join)
def test_a_run_without_any_events_is_not_there(cli: Cli, options: tuple[str, ...]):
    called = cli("events", "--run", "NOSUCH", *options)
    assert (called.code, called.out) == (exits.NO, "")
    assert "there is no run NOSUCH of tenant default; `precedent runs` lists them" in called.err


def test_a_record_that_was_changed_diverges(cli: Cli, submitted: Submitted, deployment: Path):
    run = submitted("(call :random.int {:low 1 :high 9})", "completed", tools=["random.int"])
    forged = asyncio.run(forge(deployment, run))
    called = cli("replay", forged, "--json")
    assert called.code == exits.DIVERGED
    assert called.document["error"]["code"] == "replay.diverged"
    assert "effect 0: the record has digest sha256:" in called.err
    divergence = called.document["divergence"]
    assert (divergence["effect"], divergence["expected"].split()[0]) == ("0", "digest")
    assert "diverged  effect 0" in cli("replay", forged).out
    assert cli("replay", forged, "--mode", "view").code == exits.DONE


async def forge(data: Path, run: str) -> str:
    """Write the run anew under another name, with another result of its tool."""
    endpoints = endpoints_of(settings_for(data, "flush"))
    assert endpoints is not None
    copy = StreamId("default", "run", f"{run}-forged")
    async with connected(endpoints, "test") as connection, event_store(connection, endpoints) as store:
        events = (await store.load(StreamId("default", "run", run))).events
        drafts = [
            Draft(
                id=event_id(copy.id, event.version),
                type=event.type,
                time=event.time,
                correlation=copy.id,
                causation=event.causation,
                actor=event.actor,
                data={**event.data, "result": 77} if event.short_name == "ToolCallCompleted" else event.data,
            )
            for event in events
        ]
        await store.append(copy, drafts, NEW_STREAM)
    return copy.id


def test_modules_beside_the_task_travel_with_it(cli: Cli, task: Task, tmp_path: Path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "words.rtfs").write_text("(module text.words (import base :as b) (defn two [x] (b/add x x)))")
    path = task("(import text.words :as w)\n(w/two (:a inputs))", inputs={"a": 21})
    missing = cli("run", path)
    assert (missing.code, "base.rtfs" in missing.err) == (exits.INVALID, True)
    (tmp_path / "base.rtfs").write_text("(module base (defn add [a b] (+ a b)))")
    assert cli("rtfs", "check", path).code == exits.DONE
    ran = cli("run", "--json", path).document
    assert ran["output"] == 42
    (tmp_path / "base.rtfs").unlink()
    assert cli("replay", ran["run"]).code == exits.DONE
    assert "2 modules of the task at these digests" in cli("show", ran["run"], "--json").out


def test_what_helps_with_a_recorded_error_is_said_beside_it(cli: Cli, task: Task):
    ran = cli("run", task("[1 inc]"))
    assert ran.code == exits.NO
    assert "a function cannot leave the program; give what it returns instead" in ran.err
    assert "hint: it is the function `inc`, at [1]" in ran.err
    run = str(cli("submit", "--json", task("(pow 7 100)")).document["run"])
    until_status(cli, run, "failed")
    assert "hint: it comes up in 7 to the power of 100" in cli("show", run).out
    assert "hint" not in cli("events", run, "--json").out
