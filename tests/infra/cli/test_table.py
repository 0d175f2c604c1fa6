"""The table of commands, help, exit codes: what holds for every command."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import adapters
import commands
import domain
import infra
import projections
from commands.catalog import COMMANDS as BUS_COMMANDS
from domain.kernel.errors import PrecedentError
from infra.cli import exits
from infra.cli.explain import walk
from infra.cli.main import COMMANDS, cli
from tests.infra.cli.conftest import Cli

ROOT = Path(__file__).parents[3]
OPTIONAL = {"minio", "qdrant_client", "opentelemetry", "bfcl_eval", "mpmath", "numpy"}


def every_command(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_command(found, (*path, name))


def every_error(kind: type[PrecedentError] = PrecedentError) -> Iterator[type[PrecedentError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every_error(child)


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_help_says_what_it_does_and_shows_an_example(offline: Cli, path: tuple[str, ...]):
    shown = offline(*path, "--help")
    assert shown.code == exits.DONE
    assert "Examples:\n" in shown.out
    assert f"precedent {' '.join(path)}".strip() in shown.out.split("Examples:\n")[1]


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_help_fits_a_narrow_terminal_and_cuts_nothing_off(
    offline: Cli, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
):
    monkeypatch.setenv("COLUMNS", "80")
    lines = offline(*path, "--help").out.splitlines()
    assert not [line for line in lines if len(line) > 80]
    assert not [line for line in lines if line.startswith(" ") and line.endswith("...")]


@pytest.mark.parametrize("path", [path for path in every_command() if path], ids=" ".join)
def test_every_command_takes_the_common_options(path: tuple[str, ...]):
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    if not isinstance(command, click.Group):
        assert {"as_json", "tenant", "config"} <= {parameter.name for parameter in command.params}


def test_help_starts_without_the_product():
    asked = "import sys; from infra.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not [name for name in ("pydantic", "sqlalchemy", "nats", "faststream") if f"'{name}'" in loaded]


def test_every_error_code_has_an_exit_code():
    for package in (domain, commands, projections, adapters, infra):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__") or found.name == "infra.stack.launch":
                continue
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                assert (error.name or "").partition(".")[0] in OPTIONAL  # noqa: PT017  # others must not be missing
    unknown = {kind.code: kind.__name__ for kind in every_error() if exits.entry_of(kind.code) is None}
    assert not unknown, "add their codes to infra/cli/exits.py"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("run.ended", exits.NO),
        ("not-found", exits.NO),
        ("task.invalid", exits.INVALID),
        ("rtfs.compile", exits.INVALID),
        ("replay.diverged", exits.DIVERGED),
        ("stored.invalid", exits.TAMPERED),
        ("service.unreachable", exits.UNREACHABLE),
        ("command.answer-overdue", exits.UNREACHABLE),
        ("command.invalid", exits.INVALID),
        ("access.denied", exits.DENIED),
        ("of.another.release", exits.NO),
    ],
)
def test_exit_codes_are_those_of_the_interface(code: str, expected: int):
    assert exits.exit_code(code) == expected


def test_an_unknown_command_is_refused_with_the_nearest(offline: Cli):
    called = offline("shw")
    assert called.code == exits.INVALID
    assert "did you mean `precedent show`?" in called.err


def test_wrong_usage_is_a_json_document_too(offline: Cli):
    called = offline("show", "--json")
    assert called.code == exits.INVALID
    assert called.document["error"] == {
        "code": "usage",
        "message": "`precedent show` needs RUN; see `precedent show --help`",
        "exit": 2,
    }
    assert called.err.startswith("error: `precedent show` needs RUN")


def test_every_command_is_in_the_documentation():
    documented = (ROOT / "docs" / "commands.md").read_text("utf-8")
    missing = [name for section in COMMANDS.values() for name in section if f"`precedent {name}" not in documented]
    assert not missing


@pytest.mark.parametrize("command", sorted(BUS_COMMANDS))
def test_a_command_is_explained_with_files_that_exist(offline: Cli, command: str):
    steps = offline("explain", command, "--json").document["steps"]
    assert all((ROOT / step["where"]).exists() for step in steps)
    assert [step["where"] for step in steps][:3] == ["infra/cli", "adapters/nats/command_bus.py", "commands/handle.py"]
    assert any(step["where"].startswith("projections/") for step in steps)


def test_the_documentation_shows_the_walk_of_a_submission():
    documented = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for number, step in enumerate(walk("SubmitRun", BUS_COMMANDS["SubmitRun"]), 1):
        assert f"{number}. `{step.where}`: {step.what}" in documented


def test_without_arguments_the_help_is_shown_as_it_is(offline: Cli):
    shown = offline()
    assert shown.code == exits.INVALID
    assert shown.err.startswith("Usage: precedent")
    assert shown.err.rstrip().endswith("precedent show RUN")


def test_a_common_option_before_the_command_is_told_its_place(offline: Cli):
    shown = offline("--tenant", "acme", "runs")
    assert (shown.code, shown.err) == (
        exits.INVALID,
        "error: --tenant goes after the command, as in `precedent runs --tenant`\n",
    )


def test_a_usage_error_is_one_line(offline: Cli):
    assert offline("rebuild").err.count("\n") == 1
    assert offline("runs", "--jsn").err == "error: `precedent runs` has no option --jsn; did you mean --json?\n"


def test_a_data_directory_that_is_a_file_is_refused_with_a_way_out(
    offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRECEDENT_DATA", str(tmp_path / "file"))
    shown = offline("runs")
    assert shown.code == exits.INVALID
    assert "Not a directory; name another directory as `data` in precedent.yaml" in shown.err
