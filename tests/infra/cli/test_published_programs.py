"""``programs``: what was published is listed, shown, verified and withdrawn, on a real deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from infra.cli import exits
from infra.stack.endpoints import endpoints_of
from tests.conftest import settings_for
from tests.infra.cli.conftest import Cli
from tests.infra.cli.telling import TENANT, publish, tell, upload
from tests.projections.reusing import CONTRADICTED, DEMOTED, PLAN, Made, Signing, asking, lookup, reusing_run, routed

KEY = str(Signing().key)


@pytest.fixture
def made() -> Made:
    """A program that only this test knows."""
    return Made(tenant=TENANT, namespace=f"n{uuid4().hex}", plan=PLAN.replace("10", str(uuid4().int % 10**9)))


def test_a_published_program_is_listed_and_shown_with_all_that_is_known(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    run = f"r{uuid4().hex}"
    tell(deployment, "run", run, reusing_run(made))
    shown = cli("programs", "ls", "--namespace", made.namespace)
    assert shown.code == exits.DONE, shown.err
    (line,) = shown.out.splitlines()[1:]
    assert line.split()[:6] == [made.id, "verified", made.namespace, "1", "1", "0"]
    (listed,) = cli("programs", "ls", "--namespace", made.namespace, "--json").document["programs"]
    assert (listed["signed_by"], listed["storage_pointer"]) == (made.signing.id, made.module)

    shown = cli("programs", "show", made.id[:13], "--key", KEY)
    assert shown.code == exits.DONE, shown.err
    for said in (
        made.plan[:30],
        "first",
        "believed here",
        "t.read@1 (read)",
        "1 use, 1 well",
        run,
        "succeeded",
        "150 tokens",
    ):
        assert said in shown.out
    assert "not used" not in shown.out
    document = cli("programs", "show", made.id, "--key", KEY, "--json").document
    assert document["plan_text"] == made.plan
    assert document["statement"]["entry"] == made.id
    assert document["statement"]["evidence"] == document["evidence"]
    assert document["proven_by"][0]["run"] == "first"
    assert (document["as_signed"], document["not_used_because"]) == (True, None)
    assert document["lookups"][0]["run"] == run
    assert len(document["semantic_embedding"]) == 2


def test_why_a_program_is_not_used_is_shown(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made, DEMOTED)
    missed = lookup(reason="it is demoted: it forgot the tax", entry=made.id, score=1.0)
    tell(deployment, "run", f"r{uuid4().hex}", [asking(made.namespace), routed("model", missed)])
    shown = cli("programs", "show", made.id, "--key", KEY)
    assert "it is demoted: it forgot the tax" in " ".join(shown.out.split("latest look-ups")[0].split())
    assert "it is demoted: it forgot the tax" in shown.out.split("latest look-ups")[1]


def test_a_program_that_nobody_here_trusts_is_not_believed(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    document = cli("programs", "show", made.id, "--json").document
    assert document["not_used_because"].startswith("signature: it is signed by test.example/programs+")
    assert "not believed here" in cli("programs", "show", made.id).out
    called = cli("programs", "verify", made.id)
    assert called.code == exits.TAMPERED
    assert "none of these keys is trusted here" in " ".join(called.out.split())


def test_what_was_not_published_has_nothing_to_verify(cli: Cli, deployment: Path, made: Made):
    tell(deployment, "program", made.id, [made.refused()])
    called = cli("programs", "verify", made.id)
    assert (called.code, called.out) == (exits.DONE, "as signed  0 programs; 1 other not published\n")
    shown = cli("programs", "show", made.id)
    assert "programs.effects allows up to 'read'" in " ".join(shown.out.split())
    candidate = replace(made, goal="A candidate")
    tell(deployment, "program", candidate.id, [candidate.proposed()])
    assert "candidate: 1 runs of 2" in " ".join(cli("programs", "show", candidate.id).out.split())


def test_a_sound_program_verifies(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    assert cli("programs", "verify", made.id, "--key", KEY).out == "as signed  1 program\n"
    document = cli("programs", "verify", made.id, "--key", KEY, "--json").document
    assert document == {
        "sound": True,
        "programs": [{"id": made.id, "status": "verified", "published": True, "sound": True, "wrong": {}}],
    }


Spoil = Callable[[Path, Made], None]


def _flip(data: Path, made: Made) -> None:
    file = upload(data, made)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


def _lose(data: Path, made: Made) -> None:
    upload(data, made).unlink()


def _poison(data: Path, made: Made) -> None:
    endpoints = endpoints_of(settings_for(data, "flush"))
    assert endpoints is not None
    with psycopg.connect(endpoints.database_url, autocommit=True) as connection:
        connection.execute("UPDATE programs SET interface_hash = 'sha256:00' WHERE id = %s", [made.id])


@pytest.mark.parametrize(
    ("spoil", "step", "said"),
    [
        (_flip, "bytes", "digest"),
        (_lose, "bytes", "is not in"),
        (_poison, "index", "its row has another interface than the log; `precedent rebuild programs` corrects it"),
    ],
    ids=["flipped", "lost", "poisoned"],
)
def test_bytes_and_rows_that_are_not_what_was_signed_are_found(
    cli: Cli, deployment: Path, made: Made, spoil: Spoil, step: str, said: str
):
    publish(deployment, made)
    assert cli("programs", "verify", made.id, "--key", KEY).code == exits.DONE
    spoil(deployment, made)
    called = cli("programs", "verify", made.id, "--key", KEY, "--json")
    assert called.code == exits.TAMPERED
    (found,) = called.document["programs"]
    assert list(found["wrong"]) == [step]
    assert said in found["wrong"][step]
    shown = cli("programs", "verify", made.id, "--key", KEY)
    assert shown.out.startswith("not as signed  1 of 1 program\n")


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"evidence": "sha256:" + "00" * 32}, "evidence", "the digest of its proofs is"),
        ({"envelope": "{}"}, "signature", "no DSSE envelope"),
        ({"policy": "sha256:" + "00" * 32}, "signature", "signed for another policy"),
    ],
    ids=["evidence", "envelope", "policy"],
)
def test_a_publication_that_was_not_signed_so_is_found(
    cli: Cli, deployment: Path, made: Made, changes: dict[str, str], step: str, said: str
):
    upload(deployment, made)
    name, data = made.published()
    tell(deployment, "program", made.id, [(name, data | changes)])
    called = cli("programs", "verify", made.id, "--key", KEY, "--json")
    assert called.code == exits.TAMPERED
    assert said in called.document["programs"][0]["wrong"][step]


def test_a_statement_of_another_program_is_found(cli: Cli, deployment: Path, made: Made):
    other = replace(made, goal="Another goal")
    upload(deployment, made)
    name, data = made.published()
    tell(deployment, "program", made.id, [(name, data | {"envelope": other.published()[1]["envelope"]})])
    called = cli("programs", "verify", made.id, "--key", KEY, "--json")
    assert "it was signed for another entry, goal" in called.document["programs"][0]["wrong"]["signature"]


def test_all_programs_are_verified_at_once(cli: Cli, deployment: Path, made: Made, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infra.cli.programs.verifying.PAGE", 2)
    for n in range(5):
        publish(deployment, replace(made, goal=f"Goal {n}"))
    found = {
        each["id"]: each for each in cli("programs", "verify", "--all", "--key", KEY, "--json").document["programs"]
    }
    mine = [found[replace(made, goal=f"Goal {n}").id] for n in range(5)]
    assert all(each["sound"] for each in mine)
    assert sorted(found) == sorted(
        each["id"] for each in cli("programs", "ls", "--limit", "10000", "--json").document["programs"]
    )


@pytest.mark.parametrize("arguments", [(), ("a", "--all")], ids=["nothing", "both"])
def test_verify_needs_programs_or_all(offline: Cli, arguments: tuple[str, ...]):
    called = offline("programs", "verify", *arguments)
    assert called.code == exits.INVALID
    assert "name programs, or say --all" in called.err


def test_a_module_is_revoked_by_its_program_and_doing_it_twice_is_no_error(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    called = cli("programs", "revoke", made.id, "--reason", "it leaks")
    assert called.code == exits.DONE, called.err
    assert called.out.startswith(f"module {made.module} is revoked  ProgramRevoked at ")
    document = cli("programs", "show", made.id, "--key", KEY, "--json").document
    assert (document["validation_status"], document["not_used_because"]) == (
        "revoked",
        "its module was revoked: it leaks",
    )
    again = cli("programs", "revoke", made.module, "--reason", "again")
    assert again.code == exits.DONE
    assert "is revoked already: it leaks" in " ".join(again.out.split())
    assert cli("programs", "revoke", made.module, "--reason", "x", "--json").document["outcome"] == "rejected"


def test_a_module_can_be_revoked_before_anybody_has_it(cli: Cli, deployment: Path, made: Made):
    assert cli("programs", "revoke", made.module, "--reason", "known to be wrong").code == exits.DONE
    publish(deployment, made)
    assert cli("programs", "show", made.id, "--json").document["validation_status"] == "revoked"


def test_a_program_is_demoted_and_superseded(cli: Cli, deployment: Path, made: Made):
    better = replace(made, goal="The same, better")
    publish(deployment, made)
    publish(deployment, better)
    assert cli("programs", "supersede", made.id, "--by", better.id, "--reason", "faster").code == exits.DONE
    assert cli("programs", "show", made.id, "--json").document["superseded_by"] == better.id
    called = cli("programs", "demote", better.id, "--reason", "it forgot the tax", "--run", "r1")
    assert called.out.startswith(f"program {better.id} is demoted  ProgramDemoted at ")
    assert cli("programs", "demote", better.id, "--reason", "again").code == exits.DONE
    called = cli("programs", "supersede", better.id, "--by", made.id, "--reason", "back")
    assert called.code == exits.NO
    assert "is demoted already" in called.err
    assert cli("programs", "supersede", made.id, "--by", made.id, "--reason", "x").code == exits.INVALID


def test_a_demoted_program_is_not_reinstated_before_it_is_due(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made, CONTRADICTED, DEMOTED, made.proven("s1"))
    shown = cli("programs", "show", made.id, "--key", KEY)
    assert "1 run with different inputs came to it" in shown.out
    assert "tasks that ask for 1 check that it fails" in shown.out
    document = cli("programs", "show", made.id, "--json").document
    assert ([proof["run"] for proof in document["since_demoted"]], len(document["contradicted"])) == (["s1"], 1)
    called = cli("programs", "reinstate", made.id, "--reason", "the check was wrong")
    assert called.code == exits.NO
    assert "1 of 3 runs with different inputs" in " ".join(called.err.split())
    tell(deployment, "program", made.id, [made.proven("s2"), made.proven("s3")])
    called = cli("programs", "reinstate", made.id, "--reason", "the check was wrong")
    assert called.code == exits.NO, "this machine does not trust who signed it"
    assert "no key that is trusted here signed program" in " ".join(called.err.split())
    assert cli("programs", "reinstate", "0" * 36, "--reason", "x").code == exits.NO
    assert cli("programs", "reinstate", made.id).code == exits.INVALID


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(cli: Cli, deployment: Path, made: Made):
    others = [replace(made, goal=f"Twin {n}") for n in range(2)]
    for each in others:
        publish(deployment, each)
    called = cli("programs", "show", made.module[:20])
    assert called.code == exits.INVALID
    assert all(each.id in called.err for each in others)
    assert cli("programs", "revoke", made.module[7:20], "--reason", "one module is meant").code == exits.DONE
    for name in ("0" * 36, "%", "'; --", "\u202e"):
        missing = cli("programs", "show", name)
        assert (missing.code, "there is no program" in missing.err) == (exits.NO, True)
    assert cli("programs", "show", "").code == exits.INVALID


def test_another_tenant_sees_nothing(cli: Cli, deployment: Path, made: Made):
    publish(deployment, made)
    assert cli("programs", "show", made.id, "--tenant", "other").code == exits.NO
    assert cli("programs", "ls", "--tenant", "other", "--json").document == {"programs": []}


@pytest.mark.parametrize("key", ["", "x", "test.example/programs+00000000+AAAA", "no/such/file"], ids=range(4))
def test_a_key_that_is_none_is_refused(cli: Cli, deployment: Path, made: Made, key: str):
    publish(deployment, made)
    assert cli("programs", "verify", made.id, "--key", key).code == exits.INVALID
