"""The run table: what its rows say, and the questions it answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.events import EventCatalog, Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import format_time, parse_time
from domain.runs.events import RUN_EVENTS
from domain.runs.folding import evolve
from domain.runs.state import EMPTY
from projections.facts import read_fact
from projections.runs import RUNS, get_run, list_runs, runs_without_driver
from tests.projections.harness import project, tell
from tests.projections.stories import (
    SAW,
    START,
    approval,
    claimed,
    completed,
    concluded,
    decision,
    drafts,
    failed_call,
    granted,
    planned,
    requested,
    submitted,
    whole_run,
)  # fmt: skip

STREAM = StreamId("acme", "run", "r1")
DOMAIN = EventCatalog(RUN_EVENTS)


def recorded(happenings):
    """The happenings as the log holds them."""
    return [
        Recorded(Position(0, 0, n), address(STREAM, 1, n, draft.short_name), draft.body(STREAM, n))
        for n, draft in enumerate(drafts(STREAM, happenings), start=1)
    ]


def row_of(happenings):
    """The row that a run's events lead to."""
    facts = [read_fact(event, RUNS.appliers) for event in recorded(happenings)]
    return RUNS.fold({}, facts)["acme", "r1"]


def test_a_finished_run():
    happenings = whole_run(calls=3)
    row = row_of(happenings)
    assert row | {"goal": "", "program": ""} == {
        "tenant": "acme", "id": "r1", "goal": "", "status": "completed", "phase": "completed", "paused": False,
        "route": "model", "program": "", "submitted_by": "agent:planner", "submitted_at": START + timedelta(seconds=1),
        "updated_at": START + timedelta(seconds=len(happenings)), "ended_at": START + timedelta(seconds=len(happenings)),
        "deadline": START,
        "version": len(happenings), "position": f"0.0:{len(happenings)}", "events": len(happenings),
        "tool_calls": 4, "model_calls": 1, "tokens": 150, "usd": 0.0125,
        "error_code": None, "error_message": None, "advice": None, "output_digest": SAW,
        "waiting_for": {}, "sleeping": {}, "wake_at": None, "requested": [],
        "claim_worker": "worker-1", "claim_epoch": 1, "claim_deadline": START + timedelta(seconds=60),
    }  # fmt: skip


def test_a_failed_run_says_why_and_what_to_do():
    failed = {"error": {"type": "limits.seconds", "message": "too slow"}, "effect": None, "advice": "Raise the limit."}
    row = row_of([submitted(), ("RunFailed", failed)])
    assert [row[name] for name in ("status", "error_code", "error_message", "advice")] == [
        "failed", "limits.seconds", "too slow", "Raise the limit.",
    ]  # fmt: skip


def test_a_run_that_waits_for_a_person_names_the_effects():
    row = row_of([submitted(), *planned(), approval("0"), approval("1/0")])
    assert (row["status"], row["phase"]) == ("waiting", "executing")
    assert row["waiting_for"] == {"0": "shell.run", "1/0": "shell.run"}


def test_pausing_covers_the_phase_and_resuming_uncovers_it():
    paused = ("RunPaused", {"reason": "", "remaining": 1.0, "decision": decision("operator", "pause")})
    resumed = ("RunResumed", {"deadline": format_time(START), "decision": decision("operator", "resume")})
    assert row_of([submitted(), *planned(), paused])["status"] == "paused"
    assert row_of([submitted(), *planned(), approval("0"), paused, resumed])["status"] == "waiting"
    assert row_of([submitted(), *planned(), approval("0"), paused, granted("0"), resumed])["status"] == "executing"


def test_the_earliest_timer_wakes_the_run():
    def timer(effect, seconds):
        due = format_time(START + timedelta(seconds=seconds))
        return "TimerStarted", {"effect": effect, "due": due, "request_digest": SAW}

    row = row_of([submitted(), *planned(), timer("0", 50), timer("1", 20), timer("2", 70)])
    assert row["wake_at"] == START + timedelta(seconds=20)
    row = row_of([submitted(), *planned(), timer("0", 50), timer("1", 20), ("TimerFired", {"effect": "1"})])
    assert row["wake_at"] == START + timedelta(seconds=50)


def _unknown(effect):
    return "ToolCallOutcomeUnknown", {"effect": effect, "tool": "shell.run", "remaining": 1.0}


def _resolved(effect, outcome):
    data = {"effect": effect, "outcome": outcome, "result": None, "result_digest": None, "note": ""}
    return "OutcomeResolved", data | {"deadline": format_time(START), "decision": decision("operator", outcome)}


def _refused(effect):
    data = {"effect": effect, "reason": "", "deadline": format_time(START), "decision": decision("operator", "refuse")}
    return "ApprovalRefused", data


def _denied(effect):
    data = {"effect": effect, "tool": "shell.run", "arguments": {}, "request_digest": SAW, "rule": "limits.tool_calls"}
    return "ToolCallDenied", data | {"decision": decision("guard", "deny")}


LANES = (
    lambda key: [completed(key, arguments={})],
    lambda key: [failed_call(key)],
    lambda key: [requested(key), completed(key)],
    lambda key: [requested(key), failed_call(key)],
    lambda key: [requested(key)],
    lambda key: [approval(key)],
    lambda key: [approval(key), granted(key), requested(key), completed(key)],
    lambda key: [approval(key), granted(key), completed(key, arguments={})],
    lambda key: [approval(key), _refused(key)],
    lambda key: [requested(key), _unknown(key), _resolved(key, "happened")],
    lambda key: [requested(key), _unknown(key), _resolved(key, "failed")],
    lambda key: [requested(key), _unknown(key), _resolved(key, "repeat"), requested(key), completed(key)],
    lambda key: [requested(key), _unknown(key)],
    lambda key: [_denied(key)],
    lambda key: [planned()[2]],
    lambda key: [claimed(epoch=int(key) + 2)],
    lambda key: concluded()[:1],
)


@given(st.data(), st.lists(st.sampled_from(LANES), max_size=8))
def test_the_row_agrees_with_the_state_that_the_rules_see(data, chosen):
    lanes = [lane(str(n)) for n, lane in enumerate(chosen)]
    happenings = [submitted(), claimed(), *planned()]
    while lanes := [lane for lane in lanes if lane]:
        happenings.append(data.draw(st.sampled_from(lanes)).pop(0))
    run = EMPTY
    for event in recorded(happenings):
        run = evolve(run, DOMAIN.decode_known(event))
    row = row_of(happenings)
    assert row["phase"] == run.phase
    assert row["waiting_for"].keys() == run.waiting
    assert (row["tool_calls"], row["tokens"]) == (run.spent.tool_calls, run.spent.tokens)
    assert row["usd"] == run.spent.usd
    assert (row["claim_worker"], row["claim_epoch"]) == (run.claim.worker, run.claim.epoch)
    assert row["claim_deadline"] == parse_time(run.claim.deadline)


@pytest.fixture
async def listed(log, database):
    """Five runs of acme and one of another tenant."""
    for n in range(5):
        await tell(log, f"r{n}", [submitted(goal=f"Goal {n} of 100%"), *([claimed()] if n else [])])
    await tell(log, "r3", concluded())
    await tell(log, "other", [submitted()], tenant="globex")
    await project(log, database)
    return database


async def test_the_newest_runs_come_first_and_pages_follow_on(listed):
    async with listed.transaction() as connection:
        pages, before = [], None
        while page := await list_runs(connection, "acme", before=before, limit=2):
            pages.append([run.id for run in page])
            before = (page[-1].submitted_at, page[-1].id)
    assert pages == [["r4", "r3"], ["r2", "r1"], ["r0"]]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"status": ("completed",)}, ["r3"]),
        ({"status": ("completed", "submitted")}, ["r4", "r3", "r2", "r1", "r0"]),
        ({"status": ("paused",)}, []),
        ({"goal_has": "goal 2"}, ["r2"]),
        ({"goal_has": "100%"}, ["r4", "r3", "r2", "r1", "r0"]),
        ({"goal_has": "_oal"}, []),
        ({"goal_has": "' OR true --"}, []),
    ],
)
async def test_filters(listed, filters, ids):
    async with listed.transaction() as connection:
        assert [run.id for run in await list_runs(connection, "acme", **filters)] == ids


async def test_a_tenant_sees_its_own_runs_only(listed):
    async with listed.transaction() as connection:
        assert [run.id for run in await list_runs(connection, "globex")] == ["other"]
        assert await get_run(connection, "globex", "r1") is None
        assert (await get_run(connection, "acme", "r1")).goal == "Goal 1 of 100%"


async def test_runs_without_a_driver(log, database):
    now = START + timedelta(seconds=1000)
    live, dead = claimed(deadline=now + timedelta(seconds=1)), claimed(deadline=now - timedelta(seconds=1))

    def timer(seconds, effect="0"):
        return "TimerStarted", {
            "effect": effect,
            "due": format_time(now + timedelta(seconds=seconds)),
            "request_digest": SAW,
        }

    def resumed(deadline):
        return "RunResumed", {"deadline": format_time(deadline), "decision": decision("operator", "resume")}

    def called(effect):
        data = {"effect": effect, "tool": "shell.run", "version": "1", "arguments": {}, "request_digest": SAW}
        return "ToolCallRequested", data

    paused = ("RunPaused", {"reason": "", "remaining": 1.0, "decision": decision("operator", "pause")})
    stories = {
        "never-claimed": [],
        "claimed": [live],
        "abandoned": [dead],
        "taken-over": [dead, live],
        "done": [dead, *concluded()],
        "paused": [dead, paused],
        "waits-for-approval": [dead, approval("0")],
        "approved": [dead, approval("0"), granted("0")],
        "asleep": [dead, resumed(now + timedelta(seconds=5)), timer(10)],
        "should-have-woken": [dead, resumed(now + timedelta(seconds=5)), timer(-10)],
        "sleeps-beyond-its-time": [dead, resumed(now - timedelta(seconds=5)), timer(10)],
        "busy-beside-a-timer": [dead, resumed(now + timedelta(seconds=5)), called("0"), timer(10, effect="1")],
    }
    for run, happenings in stories.items():
        await tell(log, run, [submitted(), *happenings])
    await tell(log, "another-tenants", [submitted(), dead], tenant="globex")
    await project(log, database)
    async with database.transaction() as connection:
        found = await runs_without_driver(connection, "acme", now)
        first = await runs_without_driver(connection, "acme", now, limit=1)
        others = await runs_without_driver(connection, "globex", now)
    assert {run.id for run in found} == {
        *("never-claimed", "abandoned", "approved"),
        *("should-have-woken", "sleeps-beyond-its-time", "busy-beside-a-timer"),
    }
    assert [run.id for run in first] == ["never-claimed"]
    assert [run.id for run in others] == ["another-tenants"]


@pytest.mark.parametrize(
    ("lost", "calls"), [(None, 1), (0, 1), (2, 3), (-5, 1), ("x", 1), (float("nan"), 1)], ids=range(6)
)
def test_calls_that_were_lost_are_counted(lost: object, calls: int):
    told = {"prompt_tokens": 10, "completion_tokens": 5, "usd": 0.25} | ({} if lost is None else {"lost": lost})
    row = row_of([submitted(), ("ModelCallAnswered", {"effect": "plan/1", **told})])
    assert (row["model_calls"], row["tokens"], row["usd"]) == (calls, 15 * calls, 0.25 * calls)
    assert row_of([submitted(), ("ModelCallAnswered", {"effect": "plan/1", **told, "lost": 2**62})])["usd"] >= 0
