"""Look-ups: one row each, what is told of them later, and the questions they answer together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.kernel.events import Recorded, address
from domain.kernel.ids import Position, StreamId
from projections.facts import Fact, read_fact
from projections.hit_rates import HitRate, Period, hit_rates, judgements, miss_reasons, tunings
from projections.programs import PROGRAMS
from projections.projection import Row
from projections.reuse import REUSE, lookups_of_run, reason_class
from projections.timeline import TIMELINE
from tests.projections.harness import catch_up, project, rows, running, tell
from tests.projections.reusing import (
    TUNED,
    Made,
    answered_from_cache,
    asking,
    judged,
    lookup,
    reusing_run,
    revoked,
    routed,
)
from tests.projections.stories import START, Happening, claimed, completed, drafts, failed_call, submitted, whole_run

MADE = Made()
RUN = StreamId("acme", "run", "r1")
ENTRY = "e" * 64


def facts(*happenings: Happening) -> list[Fact]:
    found = [
        read_fact(
            Recorded(Position(0, 0, n), address(RUN, 1, n, draft.short_name), draft.body(RUN, n)), TIMELINE.appliers
        )
        for n, draft in enumerate(drafts(RUN, list(happenings)), 1)
    ]
    return [fact for fact in found if fact is not None]


def folded(*happenings: Happening) -> dict[str, Row]:
    return {name: row for (_, name), row in REUSE.fold([], facts(*happenings)).items()}


def test_a_run_that_asks_for_no_reuse_leaves_no_row():
    assert folded(*whole_run()) == {}


def test_an_event_with_several_lookups_makes_several_rows_with_the_namespace_of_the_run():
    miss, hit = lookup("L3", score=0.7), lookup("L4", "hit", entry=MADE.id, score=1.0, tier="log")
    found = folded(asking("crm"), routed("program", lookup("L1"), miss, hit))
    assert list(found) == ["r1", "r1/2/0", "r1/2/1", "r1/2/2"]
    assert {row["namespace"] for row in found.values()} == {"crm"}
    assert [(row["level"], row["outcome"], row["score"]) for row in found.values()] == [
        (None, None, None), ("L1", "miss", None), ("L3", "miss", 0.7), ("L4", "hit", 1.0),
    ]  # fmt: skip
    assert found["r1/2/2"]["tier"] == "log"
    assert found["r1/2/2"]["at"] == START + timedelta(seconds=2)
    assert found["r1"]["reason"] == "L2 L4"


def test_lookups_of_tools_and_models_name_their_effect():
    name, data = completed("3/0")
    found = folded(asking(), (name, data | {"lookups": [lookup("L2", "hit", entry=ENTRY)]}))
    assert (found["r1/2/0"]["effect"], found["r1/2/0"]["entry"]) == ("3/0", ENTRY)


def test_what_a_cached_answer_had_cost_is_what_its_hit_saved():
    found = folded(*answered_from_cache(ENTRY))
    hit = found["r1/4/0"]
    assert (hit["tokens"], hit["usd"], hit["seconds"]) == (150, 0.0125, 0.75)
    assert found["r1/3/0"]["tokens"] == 0, "the miss before it saved nothing"


SAVED = {"tokens": 0, "usd": 0.0, "seconds": 5.0}


@pytest.mark.parametrize("told", [completed("3/0"), failed_call("3/0")], ids=["answer", "failure"])
def test_what_a_tool_was_not_asked_again_is_what_its_hit_saved(told: Happening):
    name, data = told
    hit = lookup("L2", "hit", entry=ENTRY)
    found = folded(asking(), (name, data | {"lookups": [hit], "source": "cache", "saved": SAVED}))["r1/2/0"]
    assert (found["outcome"], found["effect"], found["seconds"]) == ("hit", "3/0", 5.0)
    before = folded(asking(), (name, data | {"lookups": [hit], "source": "cache"}))["r1/2/0"]
    assert before["seconds"] == 0.0, "what was written before does not tell"
    missed = folded(asking(), (name, data | {"lookups": [lookup("L2", "miss")], "saved": SAVED}))["r1/2/0"]
    assert (missed["outcome"], missed["seconds"]) == ("miss", 0.0)


def test_a_miss_with_a_code_is_counted_by_it_and_one_without_by_its_words():
    coded = lookup(reason="it expired at noon: " + "x" * 50) | {"code": "expired"}
    unknown = lookup(reason="similarity 0.31 is under 0.99") | {"code": "of a later release"}
    found = folded(asking(), routed("model", coded, lookup(reason="similarity 0.31 is under 0.99"), unknown))
    assert [(found[f"r1/2/{n}"]["code"], found[f"r1/2/{n}"]["reason_class"]) for n in range(3)] == [
        ("expired", "what was found has expired"),
        (None, "similarity # is under #"),
        (None, "similarity # is under #"),
    ]
    assert found["r1/2/0"]["reason"].startswith("it expired at noon")


@pytest.mark.parametrize(("outcome", "tokens"), [("succeeded", 150), ("refuted", 0), ("failed", 0), ("revoked", 0)])
def test_how_a_reused_program_did_is_told_at_its_hit(outcome: str, tokens: int):
    hit = folded(*reusing_run(MADE, outcome))["r1/3/0"]
    assert (hit["settled"], hit["settled_because"], hit["tokens"]) == (outcome, "the critic says so", tokens)


@pytest.mark.parametrize(("outcome", "tokens"), [("succeeded", 150), ("refuted", 0)])
def test_how_an_answer_of_the_same_meaning_did_is_told_at_its_hit(outcome: str, tokens: int):
    found = answered_from_cache(ENTRY)
    name, data = found[3]
    alike = lookup("L3", "hit", entry=ENTRY, score=0.94, threshold=0.91, stands_for=1)
    found[3] = (name, data | {"lookups": [alike]})
    settled, told = MADE.settled(outcome)
    hit = folded(*found, (settled, told | {"entry": ENTRY, "level": "L3"} | _cost(tokens)))["r1/4/0"]
    assert (hit["level"], hit["settled"], hit["tokens"]) == ("L3", outcome, tokens)


def _cost(tokens: int) -> dict[str, Any]:
    return {"saved": {"tokens": tokens, "usd": 0.0, "seconds": 0.0}}


@pytest.mark.parametrize(("agreed", "words"), [(True, "agreed"), (False, "differed"), (None, "not comparable")])
@pytest.mark.parametrize("outcome", ["shadow", "explore"])
def test_a_comparison_is_told_at_the_lookup_that_asked_for_it(outcome: str, agreed: bool | None, words: str):
    asked = routed("model", lookup(outcome=outcome, entry=MADE.id, score=0.93))
    row = folded(asking(), asked, MADE.compared(agreed))["r1/2/0"]
    assert (row["explored"], row["settled"]) == (True, words)


def test_what_is_settled_and_was_never_looked_up_makes_no_row():
    assert list(folded(asking(), MADE.settled(), MADE.compared(agreed=True))) == ["r1"]


def test_a_judgement_and_a_tuning_are_rows_of_their_own():
    stream = StreamId("acme", "cache", "ns-1")
    told = [
        read_fact(Recorded(Position(0, 0, n), address(stream, 1, n, d.short_name), d.body(stream, n)), REUSE.appliers)
        for n, d in enumerate(drafts(stream, [judged(MADE.id, correct=False), TUNED], 1, "cache"), 1)
    ]
    first, second = REUSE.fold([], [fact for fact in told if fact is not None]).values()
    assert (first["kind"], first["run"], first["outcome"], first["entry"]) == ("judgement", "r1", "wrong", MADE.id)
    assert (second["kind"], second["outcome"], second["level"]) == ("tuning", "ttl", None)
    assert second["reason"] == "tool: from 60 to 120: no answer had changed"


@pytest.mark.parametrize(
    ("reason", "of_class"),
    [
        ("no program for a goal like this, with these types", "no program for a goal like this, with these types"),
        ("similarity 0.9312 is under 0.99", "similarity # is under #"),
        (f"{MADE.id}: rights: it calls t.put, which is not among the task's tools", "rights"),
        ("signature: it is signed by a, b; none of these keys is trusted here", "signature"),
        ("its module was revoked: it leaks", "its module was revoked"),
        (f"program {MADE.id} was tried and refuted", "program … was tried and refuted"),
        (f"sha256:{'0a' * 32} is not here", "… is not here"),
        ("published for the goal 'Say: hello; (twice)'", "published for the goal …"),
        ("service.unreachable: 127.0.0.1:4222 does not answer", "service.unreachable"),
        ("the goals differ in number: 7 or 8", "the goals differ in number"),
        ("/var/lib/x/70/70f6 holds 515 bytes that do not fit: it was edited", "… holds # bytes that do not fit"),
        ("", ""),
        ("x" * 1_000, "x" * 79 + "…"),
    ],
    ids=range(13),
)
def test_reasons_are_counted_without_their_particulars(reason: str, of_class: str):
    assert reason_class(reason) == of_class


async def test_lookups_that_were_stored_before_are_settled_by_later_batches(log, database):
    story = reusing_run(MADE)
    async with running(log, database):
        for happening in story:
            await tell(log, "r1", [happening])
            await catch_up(log, database)
    async with database.transaction() as connection:
        (hit,) = await lookups_of_run(connection, "acme", "r1")
        assert (hit.settled, hit.tokens, hit.namespace) == ("succeeded", 150, "default")
        assert await lookups_of_run(connection, "other", "r1") == []


@pytest.fixture
async def figures(log, database):
    """Three runs answered by a program, one refuted, one by the cache, misses, a comparison, and judgements."""
    crm = replace(MADE, namespace="crm")
    await tell(log, MADE.id, [MADE.published()], category="program")
    await tell(log, crm.id, [crm.published()], category="program")
    for n in range(3):
        await tell(log, f"hit{n}", reusing_run(MADE))
    await tell(log, "refuted", reusing_run(crm, "refuted"))
    await tell(log, "cached", answered_from_cache(ENTRY))
    for n in range(4):
        await tell(log, f"miss{n}", [asking(), routed("model", lookup(reason=f"similarity 0.{n}1 is under 0.99"))])
    shadow = lookup(outcome="shadow", entry=MADE.id, score=0.995)
    await tell(log, "shadow", [asking(), routed("model", shadow), MADE.compared(agreed=True)])
    await tell(log, "elsewhere", [asking(), routed("model", lookup())], tenant="other")
    await tell(log, "ns-1", [judged(MADE.id, correct=True), judged(MADE.id, correct=False), TUNED], category="cache")
    await project(log, database)
    async with database.transaction() as connection:
        yield connection


async def test_hit_rates_by_level(figures):
    four, two = await hit_rates(figures, "acme", "level", Period())
    assert four == HitRate(
        group="L4", asked=10, hits=4, misses=5, compared=1, refuted=1, seconds_p50=0.004, seconds_p99=0.004,
        saved_tokens=450, saved_usd=pytest.approx(0.0375), saved_seconds=2.25,
    )  # fmt: skip
    assert four.rate == 0.4
    assert (two.group, two.asked, two.hits, two.saved_tokens) == ("L2", 1, 1, 150)
    assert two.seconds_p99 == 0.0002


async def test_hit_rates_by_namespace_module_and_tier(figures):
    found = {each.group: each for each in await hit_rates(figures, "acme", "namespace", Period())}
    assert {name: (each.asked, each.hits) for name, each in found.items()} == {"default": (10, 4), "crm": (1, 1)}
    (module,) = await hit_rates(figures, "acme", "module", Period())
    assert (module.group, module.asked, module.hits, module.refuted) == (MADE.module, 5, 4, 1)
    tiers = {each.group: each.asked for each in await hit_rates(figures, "acme", "tier", Period())}
    assert tiers == {"": 6, "log": 4, "process": 1}


async def test_figures_of_a_period_a_level_and_a_namespace(figures):
    assert await hit_rates(figures, "acme", "level", Period(until=START)) == []
    assert len(await hit_rates(figures, "acme", "level", Period(since=START, until=START + timedelta(hours=1)))) == 2
    assert await hit_rates(figures, "acme", "level", Period(since=START + timedelta(hours=1))) == []
    (only,) = await hit_rates(figures, "acme", "level", Period(namespace="crm"))
    assert (only.group, only.asked) == ("L4", 1)
    (only,) = await hit_rates(figures, "acme", "namespace", Period(level="L2"))
    assert (only.group, only.asked) == ("default", 1)
    assert await hit_rates(figures, "nobody", "level", Period()) == []


async def test_why_levels_missed_is_counted_by_kind_of_reason(figures):
    first, second = await miss_reasons(figures, "acme", Period())
    assert (first.level, first.reason_class, first.count) == ("L4", "similarity # is under #", 4)
    assert first.example == "similarity 0.31 is under 0.99"
    assert second.count == 1
    assert len(await miss_reasons(figures, "acme", Period(), limit=1)) == 1


async def test_judgements_and_tunings(figures):
    (only,) = await judgements(figures, "acme", Period())
    assert (only.namespace, only.level, only.source, only.right, only.wrong) == ("default", "L4", "feedback", 1, 1)
    (tuned,) = await tunings(figures, "acme", Period())
    assert tuned.outcome == "ttl"


HOSTILE = ("nul \0 inside", "'; DROP TABLE reuse_v1_1; --", "\u202eright to left", "a" * 60_000, "%s %(name)s :bind")


@pytest.mark.parametrize("text_", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_stops_nothing(log, database, text_):
    asked = lookup(level=text_, outcome=text_, reason=text_, entry=text_, tier=text_, score=-1e300, duration=1e300)
    name, data = asking(text_, goal=text_)
    await tell(log, "r1", [(name, data), claimed(), routed(text_, asked), MADE.settled(text_)])
    published, offer = MADE.published()[1], MADE.offer.model_dump(mode="json") | {"goal": text_, "namespace": text_}
    await tell(log, MADE.id, [("ProgramPublished", published | {"offer": offer})], category="program")
    await tell(log, "m", [("ProgramRevoked", {"module": text_, "reason": text_})], category="program")
    await tell(log, "ns", [judged(text_, correct=True)], category="cache")
    found = await project(log, database)
    assert len(found["reuse"]) == 3
    assert len(found["programs"]) == 2


async def test_many_lookups_of_one_event_are_all_kept(log, database):
    await tell(log, "r1", [asking(), routed("model", *[lookup(score=n / 1000) for n in range(300)])])
    await project(log, database)
    assert len(await rows(database, REUSE)) == 301


async def test_events_from_before_there_were_lookups_make_no_rows(log, database):
    await tell(log, "r1", [submitted(), *whole_run()[1:]])
    await tell(log, "m", [revoked(MADE)], category="program")
    await project(log, database)
    assert await rows(database, REUSE) == []
    assert len(await rows(database, PROGRAMS)) == 1
