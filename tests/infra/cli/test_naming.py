"""Runs are named by their ids, or by the beginning of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.cli import exits
from tests.infra.cli.conftest import Cli

Submitted = Callable[..., str]


def own_beginning(cli: Cli, run: str) -> str:
    """The shortest beginning that no other run has."""
    others = [each["id"] for each in cli("runs", "--limit", "10000", "--json").document["runs"] if each["id"] != run]
    return next(run[:length] for length in range(4, 27) if not any(each.startswith(run[:length]) for each in others))


def test_a_beginning_that_one_run_has_names_it(cli: Cli, submitted: Submitted, tmp_path):
    run = submitted("(+ 1 2)", "completed")
    begins = own_beginning(cli, run)
    assert cli("show", begins, "--json").document["run"] == run
    assert cli("show", begins.lower(), "--at", "2", "--json").document["run"] == run
    assert cli("decisions", begins, "--json").document["run"] == run
    assert cli("replay", begins, "--json").document["run"] == run
    assert cli("diff", begins, run).code == exits.DONE
    assert cli("events", "--run", begins, "--type", "RunCompleted").out.count(run) > 0
    assert run in cli("replay", begins, "--save", tmp_path / "run.jsonl", "--json").out
    assert run in cli("cancel", begins).err, "it has ended, and says so of the whole id"
    assert cli("fork", begins, "--json").document["forked_from"]["run"] == run


def test_a_beginning_that_several_have_lists_them(cli: Cli, submitted: Submitted):
    runs = {submitted("(+ 1 2)", "completed") for _ in range(2)}
    first, second = sorted(runs)
    common = next(first[:length] for length in range(26, 3, -1) if second.startswith(first[:length]))
    called = cli("show", common)
    assert called.code == exits.INVALID
    assert f"of tenant default begin with {common}; give more of it" in called.err
    assert second in called.err


@pytest.mark.parametrize("name", ["01", "0000", "%%%%", "____", "zzzzzzzz"])
def test_a_beginning_that_none_has_names_none(cli: Cli, submitted: Submitted, name: str):
    submitted("(+ 1 2)", "completed")
    called = cli("show", name)
    assert called.code in (exits.NO, exits.INVALID)
    assert name in called.err
    assert "begin with" not in called.err
    assert "there is no run" in called.err or "is refused" in called.err
