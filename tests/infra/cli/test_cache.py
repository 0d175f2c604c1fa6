"""``cache``: figures, entries, invalidation and feedback, on a real deployment; and what ``show`` says of reuse."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.nats.cache_tier import JetStreamCacheTier
from adapters.system.clock import SystemClock
from domain.cache.keys import CacheKey
from domain.cache.rules import Held
from domain.kernel.ids import ulid
from infra.bootstrap.connections import connected
from infra.cli import exits
from infra.cli.cache.feedback import commands_of
from infra.cli.output import short
from infra.stack.endpoints import endpoints_of
from tests.conftest import settings_for
from tests.infra.cli.conftest import Cli
from tests.infra.cli.telling import TENANT, publish, tell
from tests.projections.reusing import (
    PLAN,
    Made,
    answered_from_cache,
    asking,
    lookup,
    reusing_run,
    routed,
)
from tests.projections.stories import Happening


@pytest.fixture
def made() -> Made:
    """A program in a namespace that only this test knows."""
    return Made(tenant=TENANT, namespace=f"n{uuid4().hex}", plan=PLAN.replace("10", str(uuid4().int % 10**9)))


def new_run() -> str:
    return ulid(1_800_000_000_000, uuid4().bytes[:10])


def entry_key(namespace: str, version: str = "fs.read@1") -> CacheKey:
    return CacheKey(namespace, "L2", "tool", version, f"sha256:{uuid4().hex}{uuid4().hex}")


def kept(key: CacheKey, **fields: object) -> Happening:
    """An entry of the cache."""
    return "CacheEntryPublished", {
        "namespace": key.namespace, "level": key.level, "kind": key.kind, "version": key.version, "digest": key.digest,
        "value": 7, "meaning": None, "volatility": "static", "expires": None, "tags": ["customers"],
        "depends": ["tool:fs.read@1"], "cost": {"tokens": 150, "usd": 0.0125, "seconds": 0.75}, "run": "r1",
        "effect": "0",
    } | fields  # fmt: skip


def test_figures_of_a_namespace(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    for outcome in ("succeeded", "succeeded", "refuted"):
        tell(deployment, "run", new_run(), reusing_run(made, outcome))
    missed = routed("model", lookup(reason="similarity 0.4 is under 0.99, so the model is asked"))
    tell(deployment, "run", new_run(), [asking(made.namespace), missed])
    shown = cli("cache", "stats", "--namespace", made.namespace)
    assert shown.code == exits.DONE, shown.err
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0][:6] == ["level", "asked", "hits", "rate", "compared", "refuted"]
    assert lines[1] == ["L4", "4", "3", "75.0%", "0", "1", "4.0", "ms", "4.0", "ms", "300", "0.0250", "1.50", "s"]
    assert "similarity 0.4 is under 0.99, so the model is asked" in shown.out
    document = cli("cache", "stats", "--namespace", made.namespace, "--by", "module", "--json").document
    (group,) = document["groups"]
    assert (group["group"], group["asked"], group["hit_rate"]) == (made.module, 3, 1.0)
    assert short(made.module) in cli("cache", "stats", "--namespace", made.namespace, "--by", "module").out
    assert document["misses"] == [
        {
            "level": "L4",
            "reason_class": "similarity # is under # so the model is asked",
            "count": 1,
            "example": "similarity 0.4 is under 0.99, so the model is asked",
        }
    ]


def test_tables_fit_a_narrow_screen(cli: Cli, deployment: Path, made: Made, monkeypatch: pytest.MonkeyPatch):
    publish(deployment, made)
    tell(deployment, "run", new_run(), reusing_run(made))
    tell(deployment, "cache", entry_key(made.namespace).id, [kept(entry_key(made.namespace))])
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("cache stats", "cache ls"):
        called = cli(*command.split(), "--namespace", made.namespace)
        assert called.code == exits.DONE, called.err
        assert max(map(len, called.out.splitlines())) <= 80
        assert not [cell for cell in called.out.split() if cell.endswith("…")], called.out


def test_figures_of_a_time_without_any(cli: Cli, made: Made):
    shown = cli("cache", "stats", "--namespace", made.namespace, "--since", "7d")
    assert (shown.code, shown.out[:11]) == (exits.DONE, "no look-ups")
    assert cli("cache", "stats", "--until", "1970-01-01", "--json").document["groups"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stats", "--since", "yesterday"), "--since yesterday: give a time"),
        (("stats", "--by", "mood"), "level"),
        (("invalidate",), "name an ENTRY, or a --namespace"),
        (("invalidate", "ab12", "--namespace", "crm"), "name an ENTRY, or a --namespace"),
        (("invalidate", "ab12", "--tag", "x"), "go with --namespace"),
        (("feedback", "RUN"), "say --wrong or --right"),
    ],
    ids=range(6),
)
def test_wrong_usage_is_told_with_the_way_out(offline: Cli, arguments: tuple[str, ...], said: str):
    called = offline("cache", *arguments)
    assert called.code == exits.INVALID
    assert said in called.err


def test_entries_are_listed_and_one_is_invalidated_once(cli: Cli, deployment: Path, made: Made):
    key, other = entry_key(made.namespace), entry_key(made.namespace)
    for each in (key, other):
        tell(deployment, "cache", each.id, [kept(each)])
    listed = cli("cache", "ls", "--namespace", made.namespace, "--json").document["entries"]
    assert {each["id"] for each in listed} == {key.id, other.id}
    assert key.id[:16] in cli("cache", "ls", "--namespace", made.namespace).out
    called = cli("cache", "invalidate", key.id[:20], "--reason", "it was wrong")
    assert called.code == exits.DONE, called.err
    assert "CacheEntryInvalidated at" in called.out
    (left,) = cli("cache", "ls", "--namespace", made.namespace, "--json").document["entries"]
    assert left["id"] == other.id
    again = cli("cache", "invalidate", str(key))
    assert again.code == exits.DONE
    assert again.out.startswith("nothing to do")


def test_entries_are_warmed_and_found_in_the_shared_tier(cli: Cli, deployment: Path, made: Made):
    key = entry_key(made.namespace)
    tell(deployment, "cache", key.id, [kept(key)])
    document = cli("cache", "warm", "--limit", "100000", "--json").document
    assert document["entries"] >= 1
    held = asyncio.run(shared(deployment, key))
    assert held is not None
    assert held.published.value == 7
    assert cli("cache", "warm").out.endswith("the most valuable first, in the tier that processes share\n")
    assert cli("cache", "warm", "--tenant", "other", "--json").document == {"entries": 0, "bytes": 0}


async def shared(data: Path, key: CacheKey) -> Held | None:
    endpoints = endpoints_of(settings_for(data, "flush"))
    assert endpoints is not None
    async with connected(endpoints, "test") as connection:
        return await JetStreamCacheTier(connection, SystemClock()).get(TENANT, key)


def test_a_namespace_is_invalidated_as_far_as_is_named(cli: Cli, deployment: Path, made: Made):
    tagged, other = entry_key(made.namespace), entry_key(made.namespace)
    tell(deployment, "cache", tagged.id, [kept(tagged)])
    tell(deployment, "cache", other.id, [kept(other, tags=[])])
    called = cli("cache", "invalidate", "--namespace", made.namespace, "--level", "L2", "--tag", "customers")
    assert called.code == exits.DONE, called.err
    assert called.out.startswith(f"entries of {made.namespace} (level L2 tag customers) are not given any more")
    (left,) = cli("cache", "ls", "--namespace", made.namespace, "--json").document["entries"]
    assert left["id"] == other.id
    assert cli("cache", "invalidate", "--namespace", made.namespace).code == exits.DONE
    assert cli("cache", "ls", "--namespace", made.namespace, "--json").document == {"entries": []}


@pytest.mark.parametrize(
    ("entry", "code", "said"),
    [
        ("0" * 64, exits.NO, "there is no entry"),
        ("00000000000000000001", exits.NO, "there is no entry"),
        ("abc", exits.INVALID, "is no entry: give 4 or more digits"),
        ("'; DROP TABLE x; --", exits.INVALID, "is no entry: give 4 or more digits"),
        ("a/b", exits.INVALID, "is no key"),
        ("\u202e/L2/tool/v/sha256:00", exits.INVALID, "is not 1 to 64 letters"),
    ],
    ids=range(6),
)
def test_an_entry_that_is_none_is_told(cli: Cli, entry: str, code: int, said: str):
    called = cli("cache", "invalidate", entry)
    assert called.code == code
    assert said in called.err


def test_a_namespace_that_cannot_be_is_refused(cli: Cli):
    assert cli("cache", "invalidate", "--namespace", "a b").code == exits.INVALID


def test_a_run_that_a_program_answered_says_so_and_a_wrong_one_is_judged_and_demoted(
    cli: Cli, deployment: Path, made: Made
):
    publish(deployment, made)
    run = new_run()
    tell(deployment, "run", run, reusing_run(made))
    shown = cli("show", run)
    assert shown.code == exits.DONE, shown.err
    assert f"program {made.id} answered, and succeeded" in shown.out
    (reused,) = cli("show", run, "--json").document["reuse"]
    assert (reused["level"], reused["outcome"], reused["entry"], reused["tokens"]) == ("L4", "hit", made.id, 150)

    called = cli("cache", "feedback", run, "--wrong", "--reason", "another customer")
    assert called.code == exits.DONE, called.err
    assert "is judged wrong  ReuseJudged at" in called.out
    assert f"program {made.id} is demoted  ProgramDemoted at" in called.out
    document = cli("programs", "show", made.id, "--json").document
    assert (document["validation_status"], document["reason"]) == ("demoted", "another customer")
    again = cli("cache", "feedback", run, "--wrong", "--json")
    assert again.code == exits.DONE
    (judged,) = cli("cache", "stats", "--namespace", made.namespace, "--json").document["judged"]
    assert (judged["level"], judged["right"], judged["wrong"]) == ("L4", 0, 1), "said twice, counted once"


def test_a_right_answer_is_judged_and_nothing_is_withdrawn(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    run = new_run()
    tell(deployment, "run", run, reusing_run(made))
    called = cli("cache", "feedback", run, "--right")
    assert called.code == exits.DONE, called.err
    assert called.out.count("\n") == 1
    assert cli("programs", "show", made.id, "--json").document["validation_status"] == "verified"


def test_why_a_level_missed_is_shown_with_the_run(cli: Cli, deployment: Path):
    run = new_run()
    missed = lookup(reason="the goals differ in number: 7 or 8", score=0.97)
    tell(deployment, "run", run, [asking(), routed("model", lookup("L1", reason="nothing is known"), missed)])
    shown = cli("show", run)
    assert "the goals differ in number: 7 or 8" in shown.out.split("timeline")[0]
    assert "L1 miss: nothing is known; L4 miss at 0.9700: the goals differ in number" in " ".join(
        each["summary"] for each in cli("show", run, "--json").document["timeline"]
    )


def test_a_cached_answer_that_was_wrong_is_invalidated(cli: Cli, deployment: Path, made: Made):
    key = entry_key(made.namespace, "model/default")
    tell(deployment, "cache", key.id, [kept(key)])
    run = new_run()
    tell(deployment, "run", run, answered_from_cache(key.id))
    assert f"L2 entry {key.id[:16]}… answered effect plan/1" in cli("show", run).out
    assert cli("cache", "feedback", run, "--right").out.startswith("nothing to do")
    called = cli("cache", "feedback", run, "--wrong")
    assert called.code == exits.DONE, called.err
    assert "CacheEntryInvalidated at" in called.out
    assert cli("cache", "feedback", run, "--wrong").out.startswith("nothing to do")


def test_a_run_that_was_given_nothing_again_is_told(cli: Cli, deployment: Path):
    run = new_run()
    tell(deployment, "run", run, [asking(), routed("model", lookup())])
    for name in (run, "nosuchrun"):
        called = cli("cache", "feedback", name, "--wrong")
        assert called.code == exits.NO
        assert "was given nothing again" in called.err


def test_what_no_entry_can_be_is_not_invalidated():
    class Hit:
        level, entry, run = "L1", "no id", "r"

    assert commands_of(Hit(), "", is_wrong=True) == []
