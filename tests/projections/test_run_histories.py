"""Decision ledger and timeline: what a person reads about one run."""

from __future__ import annotations

from datetime import timedelta

from domain.kernel.ids import StreamId
from projections.ledger import LedgerEntry, decisions_of_run
from projections.timeline import timeline_of_run
from tests.projections.harness import project, tell
from tests.projections.stories import SAW, START, failed_call, submitted, whole_run


async def test_every_decision_says_who_what_among_what_why_and_on_what_grounds(log, database):
    await tell(log, "r1", whole_run(calls=2))
    await tell(log, "r1", whole_run(calls=2), tenant="globex")
    await project(log, database)
    async with database.transaction() as connection:
        entries = await decisions_of_run(connection, "acme", "r1")
    assert [(entry.role, entry.chosen) for entry in entries] == [
        ("router", "model default"), ("planner", "draft 1"), ("compiler", "reject"), ("planner", "draft 2"),
        ("compiler", "accept"), ("guard", "ask a person"), ("operator", "approve"), ("critic", "accept"),
    ]  # fmt: skip
    stored = (await log.load(StreamId("acme", "run", "r1"))).events[2]
    assert entries[0] == LedgerEntry(
        tenant="acme", run="r1", version=3, at=START + timedelta(seconds=3), event="RunRouted", actor="agent:planner",
        role="router", effect=None, chosen="model default", options=["model default", "cache"], reason="it fits", saw=SAW,
        event_id=stored.id, position="0.0:3",
    )  # fmt: skip
    assert entries[5].effect == "x/0"


async def test_a_claim_that_is_given_up_is_told_as_such(log, database):
    claims = [
        ("RunClaimed", {"worker": "worker-1", "epoch": 1, "deadline": deadline})
        for deadline in ("2099-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "no time")
    ]
    await tell(log, "r1", [*whole_run(calls=1)[:1], *claims])
    await project(log, database)
    async with database.transaction() as connection:
        lines = await timeline_of_run(connection, "acme", "r1")
    assert [f"{line.title} | {line.summary}" for line in lines[1:]] == [
        "worker-1 drives the run | claim 1",
        "worker-1 lets go of the run | it waits",
        "worker-1 drives the run | claim 1",
    ]


async def test_a_stranger_can_read_what_happened(log, database):
    await tell(log, "r1", [*whole_run(calls=1), failed_call("9")])
    await project(log, database)
    async with database.transaction() as connection:
        lines = await timeline_of_run(connection, "acme", "r1")
    assert [f"{line.title} | {line.summary}" for line in lines] == [
        "Task submitted | List the licences of the installed packages",
        "worker-1 drives the run | claim 1",
        "Route: model | it fits",
        "Model default is asked | ",
        "tiny-1 answered | recorded, 120 + 30 tokens, 0.0125 USD",
        "Plan 1 drafted | (call python.packages)",
        "Plan 1 rejected | line 1: no such name",
        "Plan 2 drafted | (call python.packages {})",
        f"Program compiled | sha256:{'c0' * 32} may use: python.metadata",
        'python.metadata answered | {name: "package-0", licence: "MIT"}',
        'shell.run waits for approval | {command: "ls"}',
        "Approved | fine",
        'shell.run is called | {command: "ls"}',
        "python.metadata answered | MIT",
        "Critic accepts the output | it fits",
        "Run completed | {MIT: 3}",
        "shell.run failed | no answer in 5 s",
    ]
    assert [line.duration for line in lines if line.duration is not None] == [0.75, 0.01, 0.01, 5.0]
    assert [line.effect for line in lines if line.effect is not None] == ["plan/1", "plan/1", "0", *["x/0"] * 4, "9"]


async def test_pages_follow_on(log, database):
    await tell(log, "r1", whole_run(calls=2))
    await tell(log, "r2", [submitted()])
    await project(log, database)
    async with database.transaction() as connection:
        first = await timeline_of_run(connection, "acme", "r1", limit=10)
        rest = await timeline_of_run(connection, "acme", "r1", after=first[-1].version)
        decisions = await decisions_of_run(connection, "acme", "r1", after=first[-1].version)
    assert [line.version for line in [*first, *rest]] == list(range(1, len(whole_run(calls=2)) + 1))
    assert {decision.version for decision in decisions} < {line.version for line in rest}
