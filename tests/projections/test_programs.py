"""The metadata index: what a program's events, its module's and its users' add up to, in whatever order they come."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.postgres.database import PostgresDatabase
from domain.kernel.events import Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import digest_bytes
from projections.facts import Fact, read_fact
from projections.program_rows import get_program, list_programs
from projections.programs import PROGRAMS
from projections.projection import Row
from tests.projections.harness import catch_up, forget, project, rows, running, tell
from tests.projections.reusing import (
    CONTRADICTED,
    DEMOTED,
    PLAN,
    POINT,
    SUPERSEDED,
    Made,
    Signing,
    lookup,
    reusing_run,
    revoked,
    routed,
)
from tests.projections.stories import Happening, drafts

MADE = Made()
OTHER = Made(goal="Count on from the number", plan="(let [a (call :t.read {:n 1})] [a])")


def facts(category: str, stream: str, *happenings: Happening) -> list[Fact]:
    where = StreamId("acme", category, stream)
    found = [
        read_fact(
            Recorded(Position(0, 0, n), address(where, 1, n, draft.short_name), draft.body(where, n)),
            PROGRAMS.appliers,
        )
        for n, draft in enumerate(drafts(where, list(happenings), 1, category), 1)
    ]
    return [fact for fact in found if fact is not None]


def folded(*streams: list[Fact]) -> dict[str, Row]:
    return {key[1]: row for key, row in PROGRAMS.fold([], [fact for each in streams for fact in each]).items()}


def test_a_published_program_has_every_field_of_the_index():
    row = folded(facts("program", MADE.id, MADE.published()))[MADE.id]
    _, data = MADE.published()
    assert row | {"semantic_embedding": None, "creation_timestamp": None, "updated_at": None, "signature": ""} == {
        "tenant": "acme", "id": MADE.id, "kind": "program", "namespace": "default",
        "goal": "Read the number and count on", "semantic_embedding": None, "embedder": "lexical-1",
        "interface_hash": MADE.offer.interface, "module": MADE.module, "storage_pointer": MADE.module,
        "validation_status": "verified", "reason": "", "signature": "", "signed_by": MADE.signing.id,
        "effects": [{"name": "t.read", "version": "1", "mode": "read"}], "plan": digest_bytes(PLAN.encode()),
        "evidence": data["evidence"], "policy": data["policy"], "proofs": 1, "run": "first",
        "creation_timestamp": None, "last_used_timestamp": None, "updated_at": None, "uses": 0, "successes": 0,
        "failures": 0, "refutations": 0, "agreements": 0, "disagreements": 0, "superseded_by": None,
        "saved_tokens": 0, "saved_usd": 0.0, "saved_seconds": 0.0,
    }  # fmt: skip
    assert row["semantic_embedding"] == POINT.tolist()
    assert row["signature"] in data["envelope"]


def test_a_candidate_says_what_it_lacks_and_is_verified_once_it_is_published():
    waiting = folded(facts("program", MADE.id, MADE.proposed(), MADE.proven()))[MADE.id]
    assert (waiting["validation_status"], waiting["proofs"]) == ("candidate", 2)
    assert waiting["reason"] == "1 runs of 2 that programs.proofs asks for"
    assert waiting["storage_pointer"] is None, "its bytecode was not uploaded"
    row = folded(facts("program", MADE.id, MADE.proposed(), MADE.published("second")))[MADE.id]
    assert (row["validation_status"], row["reason"], row["run"]) == ("verified", "", "second")


def test_what_the_policy_refused_is_there_with_its_reason():
    row = folded(facts("program", MADE.id, MADE.refused()))[MADE.id]
    assert row["validation_status"] == "refused"
    assert "programs.effects allows up to 'read'" in row["reason"]


@pytest.mark.parametrize(
    ("happening", "status", "reason", "by"),
    [(DEMOTED, "demoted", "it forgot the tax", None), (SUPERSEDED, "superseded", "a faster one", "another")],
    ids=["demoted", "superseded"],
)
def test_a_withdrawn_program_says_why(happening: Happening, status: str, reason: str, by: str | None):
    row = folded(facts("program", MADE.id, MADE.published(), happening))[MADE.id]
    assert (row["validation_status"], row["reason"], row["superseded_by"]) == (status, reason, by)


def test_a_program_that_was_reinstated_is_verified_again():
    told = (MADE.published(), DEMOTED, MADE.proven("s1"), MADE.reinstated())
    row = folded(facts("program", MADE.id, *told))[MADE.id]
    assert (row["validation_status"], row["reason"], row["proofs"]) == ("verified", "", 2)
    assert row["signature"]
    gone = folded(facts("program", MADE.module_stream, revoked(MADE)), facts("program", MADE.id, *told))
    assert gone[MADE.id]["validation_status"] == "revoked"
    unsigned = folded(facts("program", MADE.id, MADE.proposed(), DEMOTED, MADE.reinstated()))[MADE.id]
    assert unsigned["validation_status"] == "demoted", "nothing was ever published"


def test_what_one_task_alone_asks_for_changes_nothing_of_a_program():
    row = folded(facts("program", MADE.id, MADE.published(), CONTRADICTED))[MADE.id]
    assert (row["validation_status"], row["reason"]) == ("verified", "")


def test_uses_and_what_came_of_them_are_counted():
    runs = [facts("run", f"r{n}", *reusing_run(MADE, "succeeded")) for n in range(3)]
    runs += [facts("run", "r7", *reusing_run(MADE, "failed")), facts("run", "r8", *reusing_run(MADE, "refuted"))]
    runs += [facts("run", "r9", MADE.compared(agreed=True), MADE.compared(agreed=False), MADE.compared(agreed=None))]
    row = folded(facts("program", MADE.id, MADE.published()), *runs)[MADE.id]
    counted = ("uses", "successes", "failures", "refutations", "agreements", "disagreements")
    assert [row[name] for name in counted] == [5, 3, 1, 1, 1, 1]
    assert (row["saved_tokens"], row["saved_seconds"]) == (450, 2.25)
    assert row["last_used_timestamp"] == max(fact.at for run in runs for fact in run if fact.event == "ProgramReused")


def test_answers_of_other_levels_are_no_programs():
    name, data = MADE.settled()
    other = (name, data | {"level": "L3", "entry": "e" * 64})
    assert list(folded(facts("program", MADE.id, MADE.published()), facts("run", "r1", other))) == [MADE.id]


def test_a_revocation_is_of_every_entry_of_the_module_and_of_no_other():
    again = replace(MADE, goal="The same thing, said otherwise")
    rows_ = folded(
        facts("program", MADE.id, MADE.published()),
        facts("program", again.id, again.published(), DEMOTED),
        facts("program", OTHER.id, OTHER.published()),
        facts("program", MADE.module_stream, revoked(MADE)),
    )
    assert {name: rows_[name]["validation_status"] for name in (MADE.id, again.id, OTHER.id)} == {
        MADE.id: "revoked", again.id: "revoked", OTHER.id: "verified",
    }  # fmt: skip
    assert rows_[MADE.id]["reason"] == "it leaks"


STREAMS = (
    facts("program", MADE.id, MADE.published(), DEMOTED),
    facts("program", MADE.module_stream, revoked(MADE)),
    facts("run", "r1", *reusing_run(MADE)),
    facts("run", "r2", *reusing_run(MADE, "refuted")),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_rows_do_not_depend_on_the_order_in_which_shards_are_read(order: tuple[int, ...]):
    assert folded(*(STREAMS[n] for n in order)) == folded(*STREAMS)


def test_rows_do_not_depend_on_what_was_stored_in_between():
    told = [fact for stream in STREAMS for fact in stream]
    whole = PROGRAMS.fold([], told)
    stored: dict[Any, Row] = {}
    for fact in told:
        stored |= PROGRAMS.fold(stored.values(), [fact])
    assert stored == whole


def test_another_tenants_events_change_nothing():
    found = PROGRAMS.fold(
        PROGRAMS.fold([], facts("program", MADE.id, MADE.published())).values(),
        [fact._replace(tenant="other") for fact in facts("program", MADE.module_stream, revoked(MADE))],
    )
    assert {tenant for tenant, _ in found} == {"other"}


async def test_programs_are_listed_and_found_with_filters(log, database):
    crm = replace(MADE, namespace="crm")
    refused = Made(goal="Drop the table")
    for made, happenings in (
        (MADE, [MADE.published(), DEMOTED]), (crm, [crm.published()]), (OTHER, [OTHER.published()]),
        (refused, [refused.refused()]),
    ):  # fmt: skip
        await tell(log, made.id, happenings, category="program")
    await tell(log, "r1", reusing_run(crm))
    await tell(
        log, "r2", [routed("program", lookup()), replace(MADE, goal="never published").reused()], category="run2"
    )
    await project(log, database)
    async with database.transaction() as connection:

        async def ids(**filters: Any) -> list[str]:
            return [row.id for row in await list_programs(connection, "acme", **filters)]

        assert set(await ids()) == {MADE.id, crm.id, OTHER.id, refused.id}
        assert (await ids())[0] == crm.id, "the most used first"
        assert await ids(status=["demoted", "refused"], goal_has="read") == [MADE.id]
        assert await ids(namespace="crm") == [crm.id]
        assert set(await ids(module=MADE.module)) == {MADE.id, crm.id, refused.id}
        assert await ids(interface="sha256:none") == []
        assert await ids(goal_has="%") == []
        paged = sorted([MADE.id, crm.id, OTHER.id, refused.id])
        assert await ids(after="", limit=1) + await ids(after=paged[0], limit=2) == paged[:3]
        assert await list_programs(connection, "other") == []
        row = await get_program(connection, "acme", crm.id)
        assert row is not None
        assert row.semantic_embedding == pytest.approx([0.6, 0.8])
        assert (row.uses, row.successes) == (1, 1)
        assert await get_program(connection, "other", crm.id) is None
        assert await get_program(connection, "acme", "nope") is None


async def test_a_revocation_reaches_rows_that_were_written_before(log, database):
    await tell(log, MADE.id, [MADE.published()], category="program")
    async with running(log, database):
        await catch_up(log, database)
        await tell(log, MADE.module_stream, [revoked(MADE)], category="program")
        await catch_up(log, database)
    async with database.transaction() as connection:
        row = await get_program(connection, "acme", MADE.id)
        assert row is not None
        assert (row.validation_status, row.reason) == ("revoked", "it leaks")
        assert [each.id for each in await list_programs(connection, "acme")] == [MADE.id], "no row of a module"


async def test_rows_are_the_same_however_events_are_batched_and_sharded(database_url):
    seen = []
    for shards, batch in ((1, 1), (1, 3), (1, 2000), (3, 2)):
        log = MemoryEventStore(MemoryContentStore(), shards=shards)
        await tell(log, MADE.id, [MADE.published()], category="program")
        for n in range(5):
            await tell(log, f"r{n}", reusing_run(MADE, "refuted" if n == 4 else "succeeded"))
        await tell(log, MADE.id, [DEMOTED], category="program")
        await tell(log, MADE.module_stream, [revoked(MADE)], category="program")
        async with PostgresDatabase.at(database_url) as database:
            await project(log, database, batch)
            seen.append(await rows(database, PROGRAMS))
            await forget(database)
    assert seen[0] == seen[1] == seen[2] == seen[3]


@pytest.mark.parametrize(
    "envelope",
    ["", "{", "null", "[]", '{"signatures": []}', '{"signatures": [{"keyid": 7, "sig": null}]}', "9" * 10_000],
    ids=range(7),
)
def test_an_envelope_that_is_none_stops_nothing(envelope: str):
    name, data = MADE.published()
    row = folded(facts("program", MADE.id, (name, data | {"envelope": envelope})))[MADE.id]
    assert row["signed_by"] in (None, "7")


@pytest.mark.parametrize(
    "vector", ["", "!", "AAAA", "AACAfwAAgH8=", "AADAfw==", "AAAAAA==", "A" * 400_000], ids=range(7)
)
def test_a_point_that_is_none_is_left_out(vector: str):
    name, data = MADE.published()
    offer = data["offer"] | {"meaning": {"embedder": "e", "vector": vector}}
    row = folded(facts("program", MADE.id, (name, data | {"offer": offer})))[MADE.id]
    assert row["semantic_embedding"] is None


def test_who_signed_is_told_and_not_believed():
    """The index has the key's name; verifying is for those who run it."""
    forged = replace(MADE, signing=Signing("evil.example", 9))
    assert folded(facts("program", MADE.id, forged.published()))[MADE.id]["signed_by"] == forged.signing.id
