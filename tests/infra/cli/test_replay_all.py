"""``replay --all`` on a real deployment, in a tenant of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands.ports import NEW_STREAM
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from domain.runs.replay import verify
from infra.bootstrap.connections import connected, event_store
from infra.cli import exits
from infra.settings import load
from infra.stack.commands import down, up_detached
from infra.stack.endpoints import endpoints_of
from tests.conftest import settings_for, temporary_data_directory
from tests.histories.test_replay import ENDS as ALL
from tests.histories.test_replay import history, lines
from tests.infra.cli.conftest import Cli

TENANT = "replay-all"

ENDS = {name: ends for name, ends in ALL.items() if name != "agent"}
"""The histories of programs; an agent is replayed only where its module is listed."""


@pytest.fixture(scope="module")
def deployment() -> Iterator[Path]:
    """A stack of its own, without a projector: broken histories, which end one, are written to it too."""
    with temporary_data_directory() as data:
        up_detached(load(data=data, durability="flush"), services=())
        try:
            yield data
        finally:
            down(data)


@pytest.fixture(scope="module")
def histories(deployment: Path) -> Path:
    """The committed histories as runs of a tenant, and one of them once more in a tenant with one that diverges."""
    asyncio.run(written(deployment, TENANT, list(ENDS)))
    asyncio.run(written(deployment, f"{TENANT}-2", ["completed", "edited"]))
    return deployment


async def written(data: Path, tenant: str, names: list[str], first: int = 0, goal: str | None = None) -> None:
    endpoints = endpoints_of(settings_for(data, "flush"))
    assert endpoints is not None
    async with connected(endpoints, "test") as connection, event_store(connection, endpoints) as store:
        for name in names:
            stream = StreamId(tenant, "run", name)
            documents = [json.loads(line) for line in lines(name)][first:]
            if goal is not None:
                documents[0]["data"]["task"]["goal"] = goal
            drafts = [
                Draft(
                    id=event_id(f"{tenant}/{name}", version),
                    type=each["type"],
                    time=each["time"],
                    correlation=name,
                    causation=each["causationid"],
                    actor=each["actor"],
                    data=each["data"],
                )
                for version, each in enumerate(documents)
            ]
            await store.append(stream, drafts, NEW_STREAM)


def summary_of(out: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *runs, last = [json.loads(line) for line in out.splitlines()]
    return runs, last["summary"]


def test_all_runs_are_replayed_and_summed_up(cli: Cli, histories: Path):
    called = cli("replay", "--all", "--tenant", TENANT)
    assert (called.code, called.err) == (exits.DONE, "")
    rows = [line.split() for line in called.out.splitlines()]
    assert ["identical", str(len(ENDS) - 2)] in rows
    assert ["nothing", "to", "replay", "2"] in rows, "two of them ended without a program"
    assert ["diverged", "0"] in rows
    runs, summary = summary_of(cli("replay", "--all", "--tenant", TENANT, "--json").out)
    assert [each["run"] for each in runs] == list(ENDS)
    assert {each["run"]: (each["status"], each["events"], each["effects"]) for each in runs} == {
        name: ends[:3] for name, ends in ENDS.items()
    }
    found = summary["runs"], summary["identical"], summary["nothing"], summary["exit"], summary["whole"]
    assert found == (len(ENDS), len(ENDS) - 2, 2, 0, True)


def test_one_that_diverges_is_told_and_decides_the_exit_code(cli: Cli, histories: Path):
    called = cli("replay", "--all", "--tenant", f"{TENANT}-2")
    assert called.code == exits.DIVERGED
    assert "diverged  run edited: effect 1 (line" in called.out
    assert "1 run diverged" in called.err
    called = cli("replay", "--all", "--tenant", f"{TENANT}-2", "--json")
    runs, summary = summary_of(called.out)
    assert (called.code, summary["identical"], summary["diverged"]) == (exits.DIVERGED, 1, 1)
    divergence = runs[1]["divergence"]
    assert (divergence["effect"], divergence["differences"]) == (
        "1",
        [{"path": "path", "recorded": "a.txt", "now": "c.txt"}],
    )


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--status", "failed"), sum(ends[0] == "failed" for ends in ENDS.values())),
        (("--status", "completed", "--status", "cancelled"), sum(ends[0] != "failed" for ends in ENDS.values())),
        (("--since", "2030-01-01"), 0),
        (("--since", "2020-01-01T00:00:00+02:00", "--status", "waiting"), 0),
    ],
    ids=["failed", "ended otherwise", "since then", "since long"],
)
def test_runs_are_chosen(cli: Cli, histories: Path, options: tuple[str, ...], count: int):
    called = cli("replay", "--all", "--tenant", TENANT, "--json", *options)
    runs, summary = summary_of(called.out)
    assert (called.code, len(runs), summary["runs"]) == (exits.DONE, count, count)
    assert ("nothing was compared" in called.err) == (count == 0)


def test_tools_are_called_again_for_all(cli: Cli, histories: Path):
    called = cli("replay", "--all", "--tenant", TENANT, "--mode", "re-execute", "--json")
    runs, summary = summary_of(called.out)
    diverged = {each["run"]: each["others"][0]["tool"] for each in runs if each["outcome"] == "diverged"}
    readers = ("denied", "planned", "reused", "refuted", "shadowed", "explored", "alike", "alike-refuted")
    assert diverged == {"completed": "fs.list"} | dict.fromkeys(readers, "fs.read"), "its files are not here"
    assert (called.code, summary["reasons"]) == (exits.DIVERGED, {"replay.tools-differ": 2}), (
        "the tool of measured and gave-way is not here"
    )
    assert {each["run"]: each.get("answered") for each in runs}["stateful"] == {"write": 2}


def test_what_cannot_be_replayed_is_no_success(cli: Cli, deployment: Path):
    asyncio.run(written(deployment, f"{TENANT}-4", ["completed"]))
    asyncio.run(written(deployment, f"{TENANT}-4", ["failed"], first=1))
    called = cli("replay", "--all", "--tenant", f"{TENANT}-4")
    assert called.code == exits.NO
    assert "refused  run failed: run failed has events before its beginning" in called.out
    _, summary = summary_of(cli("replay", "--all", "--tenant", f"{TENANT}-4", "--json").out)
    assert (summary["identical"], summary["refused"], summary["exit"]) == (1, 1, exits.NO)
    assert summary["reasons"] == {"stored.history-invalid": 1}


def test_content_that_is_gone_is_no_missing_run(cli: Cli, deployment: Path):
    tenant = f"{TENANT}-gone"
    asyncio.run(written(deployment, tenant, ["completed", "failed"], goal="x" * 70_000))
    endpoints = endpoints_of(settings_for(deployment, "flush"))
    assert endpoints is not None
    assert cli("replay", "completed", "--tenant", tenant).code == exits.DONE
    gone = [path for path in (endpoints.content_directory / tenant).rglob("*") if path.is_file()]
    assert gone, "the task is too large for an event"
    for path in gone:
        path.unlink()
    for command in (("replay", "completed"), ("replay", "completed", "--mode", "view"), ("show", "completed")):
        called = cli(*command, "--tenant", tenant, "--json")
        assert (called.code, called.document["error"]["code"]) == (exits.TAMPERED, "stored.content-gone")
    assert "event 1 (RunSubmitted) of" in called.err
    assert "put it back from a backup" in called.err
    assert cli("replay", "nobody", "--tenant", tenant).code == exits.NO
    called = cli("replay", "--all", "--tenant", tenant, "--json")
    _, summary = summary_of(called.out)
    assert (called.code, summary["reasons"]) == (exits.NO, {"stored.content-gone": 2})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--all", "RUN"), "give RUN, or --all"),
        ((), "give RUN, or --all"),
        (("RUN", "--since", "7d"), "--since and --status go with --all"),
        (("RUN", "--status", "failed"), "--since and --status go with --all"),
        (("--all", "--mode", "view"), "--mode view shows one run"),
        (("--all", "--at", "3"), "--at goes with --mode view"),
        (("--all", "--since", "yesterday"), "--since yesterday: give a time like"),
        (("--all", "--since", "9" * 6 + "w"), "give a time like"),
        (("--all", "--status", "broken"), "--status 'broken': give one of submitted, "),
        (("RUN", "--jobs", "2"), "--jobs goes with --all"),
        (("--all", "--jobs", "2", "--mode", "re-execute"), "--jobs goes with --all and the mode verify"),
        (("--all", "--jobs", "0"), "--jobs"),
        (("--all", "--jobs", "1000000"), "--jobs"),
    ],
    ids=str,
)
def test_wrong_usage(offline: Cli, arguments: tuple[str, ...], said: str):
    called = offline("replay", *arguments)
    assert (called.code, said in called.err) == (exits.INVALID, True)


def test_an_interrupt_gives_the_summary_so_far(cli: Cli, deployment: Path, tmp_path: Path):
    """Runs that loop long enough to be interrupted between two of them."""
    asyncio.run(written(deployment, f"{TENANT}-3", list(ENDS)))
    script = tmp_path / "slow.py"
    script.write_text(SLOW, "utf-8")
    environment = {**os.environ, "PRECEDENT_DATA": str(deployment), "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, str(script), f"{TENANT}-3"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    *runs, last = [json.loads(line) for line in (first + out).splitlines()]
    assert process.returncode == exits.INTERRUPTED, err
    assert last["summary"]["runs"] == len(runs)
    assert 1 <= len(runs) < len(ENDS)
    assert (last["summary"]["whole"], last["summary"]["exit"]) == (False, None), "what was not read is not told"
    assert b"interrupted; this is the summary" in err


SPREAD = """
import functools, os, signal, sys
import infra.bootstrap.replays as replays
replays.Spread = functools.partial(replays.Spread, chunk=1)  # however few there are
import infra.cli.replay_all as replay_all
tell = replay_all._tell
def told(output, replayed):
    tell(output, replayed)
    sys.stdout.flush()
    if sys.argv[1] == "kill":
        for pid in map(int, open(f"/proc/self/task/{os.getpid()}/children").read().split()):
            os.kill(pid, signal.SIGKILL)
    elif sys.argv[1] == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        sys.argv[1] = "interrupted"
replay_all._tell = told
from infra.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def spread(data: Path, tmp_path: Path, how: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call it in a process of its own, which forks others."""
    script = tmp_path / "spread.py"
    script.write_text(SPREAD, "utf-8")
    environment = {**os.environ, "PRECEDENT_DATA": str(data), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, str(script), how, "replay", "--all", "--json", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("tenant", [TENANT, f"{TENANT}-2"], ids=["identical", "diverged"])
def test_several_processes_tell_what_one_tells(cli: Cli, histories: Path, tmp_path: Path, tenant: str):
    alone = spread(histories, tmp_path, "", "--tenant", tenant, "--jobs", "1")
    several = spread(histories, tmp_path, "", "--tenant", tenant, "--jobs", "2")
    assert several.stdout == alone.stdout
    assert (several.returncode, several.stderr) == (alone.returncode, alone.stderr)
    assert several.returncode == (exits.DONE if tenant == TENANT else exits.DIVERGED)


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("kill", exits.UNREACHABLE, "was ended by SIGKILL while runs were replayed; nothing is known of run "),
        ("interrupt", exits.INTERRUPTED, "interrupted; this is the summary of what was replayed until then"),
    ],
    ids=["killed", "interrupted"],
)
def test_what_ends_several_processes_ends_with_the_summary_so_far(
    cli: Cli, histories: Path, tmp_path: Path, how: str, code: int, said: str
):
    asyncio.run(written(histories, f"{TENANT}-{how}", list(ENDS)))
    called = spread(histories, tmp_path, how, "--tenant", f"{TENANT}-{how}", "--jobs", "2")
    assert (called.returncode, said in called.stderr) == (code, True), called.stderr
    assert "Traceback" not in called.stderr
    lines_out, _, error = called.stdout.partition("\n{\n")
    assert ('"code": "replay.process-lost"' in error) == (how == "kill")
    runs, summary = summary_of(lines_out)
    assert 1 <= len(runs) < len(ENDS)
    assert (summary["runs"], summary["whole"], summary["exit"]) == (len(runs), False, None)
    assert [each["run"] for each in runs] == list(ENDS)[: len(runs)]


SLOW = """
import sys, time
import infra.cli.replay_all as replay_all
tell = replay_all._tell
def slowly(output, replayed):
    tell(output, replayed)
    sys.stdout.flush()
    time.sleep(0.5)
replay_all._tell = slowly
from infra.cli.main import main
sys.exit(main(["replay", "--all", "--json", "--tenant", sys.argv[1]]))
"""


def test_a_run_is_saved_as_a_history_without_its_secrets(cli: Cli, histories: Path, tmp_path: Path):
    tenant, file = ("--tenant", TENANT), tmp_path / "saved.jsonl"
    called = cli("replay", "completed", "--save", file, *tenant)
    assert (called.code, "12 events, as stored" in called.out, "read it before" in called.err) == (0, True, True)
    saved = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert [each["data"] for each in saved] == [json.loads(line)["data"] for line in lines("completed")]
    called = cli("replay", "completed", "--save", file, "--redact", "path", *tenant, "--json")
    assert (called.code, called.document["redacted"]) == (exits.DONE, True)
    assert b"a.txt" not in file.read_bytes()
    events = history(file.read_bytes().splitlines())
    assert (verify(events).ended, verify(events).effects) == ("completed", 5)
    printed = cli("replay", "completed", "--save", "-", *tenant).out
    assert len(printed.splitlines()) == 12
    for options, said in (
        (("--redact", "absent", "--save", file), "has a field absent"),
        (("--redact", "path"), "--redact goes with --save"),
        (("--save", file, "--upcast"), "--save writes one RUN as it is recorded"),
        (("--save", tmp_path), "name a file that can be written"),
    ):
        wrong = cli("replay", "completed", *options, *tenant)
        assert wrong.code in (exits.INVALID, exits.NO)
        assert said in wrong.err


def test_two_runs_are_compared(cli: Cli, histories: Path):
    tenant = ("--tenant", f"{TENANT}-2")
    called = cli("diff", "completed", "edited", *tenant)
    assert called.code == exits.NO
    assert "different  first in effect 0 (result of fs.list); 4 effects alike" in called.out
    assert "a.txt" in called.out
    document = cli("diff", "completed", "edited", *tenant, "--json").document
    assert (document["same"], document["first"]["where"], document["consequences"]) == (False, "0", [])
    assert document["totals"]["a"]["tool_calls"] == 5
    same = cli("diff", "completed", "completed", *tenant)
    assert (same.code, "the same  5 effects alike" in same.out) == (exits.DONE, True)
    missing = cli("diff", "completed", "nobody", *tenant)
    assert (missing.code, "there is no run nobody" in missing.err) == (exits.NO, True)


def test_replays_leave_a_trace(cli: Cli, deployment: Path):
    tenant = f"{TENANT}-5"
    asyncio.run(written(deployment, tenant, ["completed", "edited", "slept"]))
    assert "no replay was recorded" in cli("replays", "--tenant", tenant).out
    cli("replay", "completed", "--tenant", tenant)
    cli("replay", "edited", "--tenant", tenant)
    cli("replay", "slept", "--mode", "re-execute", "--tenant", tenant)
    cli("replay", "slept", "--no-record", "--tenant", tenant)
    cli("replay", "slept", "--mode", "view", "--tenant", tenant)
    cli("replay", "nobody", "--tenant", tenant)
    cli("replay", "--all", "--since", "2020-01-01", "--tenant", tenant)
    every, slept, edited, completed = cli("replays", "--tenant", tenant, "--json").document["replays"]
    assert (completed["run"], completed["events"], completed["mode"]) == ("completed", 12, "verify")
    assert completed["finished"]["outcomes"] == {"identical": 1}
    assert completed["finished"]["output_digest"].startswith("sha256:")
    (found,) = edited["divergences"]
    assert (found["run"], found["effect"], found["line"]) == ("edited", "1", 3)
    assert edited["finished"]["outcomes"] == {"diverged": 1}
    assert slept["mode"] == "re-execute"
    assert (every["run"], every["since"]) == (None, "2020-01-01T00:00:00.000000Z")
    assert every["finished"]["outcomes"] == {"identical": 2, "diverged": 1}
    assert [each["effect"] for each in every["divergences"]] == ["1"]
    assert len(cli("replays", "--limit", "1", "--tenant", tenant, "--json").document["replays"]) == 1
    shown = cli("replays", "--tenant", tenant).out
    assert "2 identical, 1 diverged, first at effect 1 of run edited" in shown
    runs = {each["run"] for each in summary_of(cli("replay", "--all", "--tenant", tenant, "--json").out)[0]}
    assert runs == {"completed", "edited", "slept"}, "replays are no runs"
    kinds = [
        json.loads(line)["type"] for line in cli("events", "--category", "replay", "--tenant", tenant).out.splitlines()
    ]
    assert kinds[:2] == ["precedent.replay.ReplayStarted.v1", "precedent.replay.ReplayFinished.v1"]
