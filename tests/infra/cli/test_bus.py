"""``publish``, dead letters, denied tenants, the read side and the stack's own commands on a real deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.kernel.ids import TOKEN
from infra.cli import exits
from infra.stack.endpoints import credential_file, endpoints_of
from projections.catalog import PROJECTIONS
from tests.conftest import settings_for, temporary_data_directory
from tests.infra.cli.conftest import Called, Cli, until_status


@pytest.fixture
def publish(cli: Cli, tmp_path: Path):
    def send(envelope: Any, *options: str) -> Called:
        path = tmp_path / "command.json"
        path.write_text(json.dumps(envelope), "utf-8")
        return cli("publish", "--json", *options, path)

    return send


def test_an_envelope_is_filled_in_and_answered(cli: Cli, publish):
    called = publish({"type": "SubmitRun", "data": {"task": {"goal": "Give 1", "plan": "1"}}})
    answer = called.document
    assert (called.code, answer["outcome"]) == (exits.DONE, "accepted")
    assert TOKEN.match(answer["commandid"])
    assert [event["type"] for event in answer["events"]] == ["precedent.run.RunSubmitted.v1"]
    assert until_status(cli, answer["commandid"], "completed")["position"] > answer["position"]


def test_the_same_command_twice_has_one_effect_and_one_answer(cli: Cli, publish):
    command = {"id": "twice", "type": "SubmitRun", "data": {"task": {"goal": "Once", "plan": "1"}}}
    first, second = publish(command), publish(command)
    assert first.document == second.document
    assert len(cli("events", "--run", "twice", "--type", "RunSubmitted").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("envelope", "code", "outcome", "error"),
    [
        ({"type": "CancelRun", "data": {"run": "nosuch"}}, exits.NO, "rejected", "not-found"),
        ({"type": "CancelRun", "data": {"rn": "nosuch"}}, exits.INVALID, "invalid", "command.invalid"),
        ({"type": "Frobnicate", "data": {}}, exits.INVALID, "invalid", "command.unknown"),
        ({"type": "CancelRun", "dta": {}}, exits.INVALID, "invalid", "command.unreadable"),
        ({"type": "CancelRun", "tenant": "other", "data": {}}, exits.INVALID, "invalid", "command.unreadable"),
        (
            {"type": "CancelRun", "data": {"run": "nosuch"}, "expires": "2020-01-01T00:00:00Z"},
            exits.NO, "expired", "command.expired",
        ),
        (
            {"type": "CancelRun", "data": {"run": "nosuch"}, "expectedversion": 7},
            exits.NO, "conflict", "stream.conflict",
        ),
    ],
)  # fmt: skip
def test_what_is_not_accepted_says_why(publish, envelope, code: int, outcome: str, error: str):
    called = publish(envelope)
    assert (called.code, called.document["outcome"], called.document["error"]["code"]) == (code, outcome, error)
    assert called.err.startswith(f"error: {outcome} ({error}): ")


def test_a_tenant_that_no_worker_serves_is_denied_and_nothing_is_sent(publish):
    called = publish({"type": "CancelRun", "data": {"run": "nosuch"}}, "--tenant", "other")
    assert (called.code, called.document["error"]["code"]) == (exits.DENIED, "access.tenant-unserved")
    assert "no worker takes the commands of tenant 'other'; name one that has a worker with --tenant" in called.err


def test_an_unreadable_command_is_a_dead_letter(cli: Cli, publish):
    publish({"id": "unreadable-one", "type": "CancelRun", "nonsense": True})
    letters = cli("dead", "ls", "--json").document["dead"]
    number = next(each["sequence"] for each in letters if "nonsense" in cli("dead", "show", str(each["sequence"])).out)
    shown = cli("dead", "show", str(number))
    assert "unreadable-one" in shown.out
    assert "command.unreadable" in shown.out
    assert cli("dead", "retry", str(number)).code == exits.DONE
    gone = cli("dead", "show", str(number), "--json")
    assert (gone.code, gone.document["error"]["code"]) == (exits.NO, "not-found")


@pytest.mark.parametrize("projection", sorted(PROJECTIONS))
def test_a_projection_is_rebuilt(cli: Cli, projection: str):
    cli("submit", "--json", "examples/word-count.yaml")
    events = cli("status", "--json").document["events"]
    called = cli("rebuild", projection, "--json")
    assert called.code == exits.DONE, called.err
    assert called.document["projection"] == projection
    assert called.document["events"] >= events


def test_status_shows_what_runs_and_how_far_the_read_side_is(cli: Cli, deployment: Path):
    document = cli("status", "--json").document
    assert {each["name"]: each["healthy"] for each in document["components"]} == dict.fromkeys(
        ("nats", "postgres", "worker", "projector", "ledger"), True
    )
    assert {each["name"] for each in document["projections"]} == set(PROJECTIONS)
    assert document["data"] == str(deployment)
    printed = cli("status").out
    assert "password" not in printed
    for each in document["components"]:
        assert each["url"] is None or f"{each['name']}: {each['url']}\n" in printed


def test_a_second_stack_on_the_same_data_is_refused(cli: Cli, deployment: Path):
    called = cli("up", "--detach", "--json")
    assert called.code == exits.INVALID
    assert called.document["error"]["code"] == "stack.already-running"
    assert "precedent down" in called.err


def test_the_demo_needs_a_worker_with_its_transcript(cli: Cli):
    called = cli("demo", "--json")
    assert (called.code, called.document["error"]["code"]) == (exits.INVALID, "configuration.invalid")
    assert "stop it with `precedent down`" in called.err
    assert cli("runs", "--goal", "licences of the installed", "--json").document["runs"] == [], "nothing was submitted"


def test_nothing_runs(offline: Cli, tmp_path: Path):
    assert offline("status").code == exits.NO
    assert offline("status", "--json").document == {"data": str(tmp_path / "data"), "running": False}
    assert "nothing runs" in offline("down").out


def test_a_broker_that_does_not_answer(offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.nats.connection.OPENS_WITHIN", 0.3)
    config = tmp_path / "precedent.yaml"
    config.write_text("nats: {url: 'nats://127.0.0.1:1'}\ndatabase: {url: 'postgresql://127.0.0.1:1/none'}\n")
    for arguments in (("runs",), ("events",), ("show", "r"), ("cancel", "r"), ("dead", "ls"), ("status",)):
        called = offline(*arguments, "--config", config, "--json")
        assert called.code == exits.UNREACHABLE, arguments
        assert called.document["error"]["code"] == "service.unreachable"
        assert "nats://127.0.0.1:1 does not answer" in called.err


def test_a_database_that_does_not_answer(cli: Cli, tmp_path: Path):
    called = cli("runs", "--config", _only_database(tmp_path, "postgresql://127.0.0.1:1/none"), "--json")
    assert called.code == exits.UNREACHABLE
    assert called.document["error"]["code"] == "database.unreachable"


def test_only_what_is_not_configured_elsewhere_is_started(cli: Cli, deployment: Path, monkeypatch: pytest.MonkeyPatch):
    endpoints = endpoints_of(settings_for(deployment, "flush"))
    assert endpoints is not None
    monkeypatch.setenv("PRECEDENT_NATS__URL", endpoints.nats_url)
    monkeypatch.setenv("PRECEDENT_NATS__CREDENTIALS", str(credential_file(deployment)))
    with temporary_data_directory() as data:
        monkeypatch.setenv("PRECEDENT_DATA", str(data))
        called = cli("events", "--from", "999999999")
    assert called.code == exits.DONE, called.err
    assert called.err.startswith("starting database for this command")


def _only_database(folder: Path, url: str) -> Path:
    config = folder / "precedent.yaml"
    config.write_text(f"database: {{url: '{url}'}}\n")
    return config


def test_settings_are_shown_with_their_origin(offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRECEDENT_DATABASE__URL", "postgresql://me:hunter2@db/p")
    values = {
        each["key"]: each for each in offline("config", "show", "--json", "--tenant", "acme").document["settings"]
    }
    assert values["tenant"] == {"key": "tenant", "value": "acme", "origin": "command line"}
    assert values["data"]["origin"] == "environment PRECEDENT_DATA"
    assert "hunter2" not in offline("config", "show").out
