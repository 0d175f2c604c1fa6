"""What import-linter cannot hold: folders match the contract, domain is pure, catalogs are complete."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.catalog import COMMANDS, REACTIONS
from domain.runs import commands as run_commands
from domain.runs.events import RUN_EVENTS
from domain.runs.parts import RunEvent
from projections.catalog import CATALOG

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "commands", "projections", "adapters", "infra")
ALLOWED_IN_DOMAIN = {"pydantic", "orjson", "re2", "rfc8785", "domain"}
VERIFYING_SIGNATURES = {
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_layers_contract_names_every_room() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(contract["tool"]["importlinter"]["root_packages"]) == set(ROOMS)
    assert contract["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(ROOMS)


@pytest.mark.parametrize("path", modules("domain"), ids=lambda path: str(path.relative_to(ROOT)))
def test_domain_is_pure(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        known = top in sys.stdlib_module_names or top in ALLOWED_IN_DOMAIN or name in VERIFYING_SIGNATURES
        assert known, f"{path} imports {name}"
        assert top not in {"asyncio", "time", "random", "secrets", "os", "socket", "subprocess", "threading"}, name
    tree = ast.parse(path.read_text("utf-8"))
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "uuid4"}:
            assert not (isinstance(node.value, ast.Name) and node.value.id in {"datetime", "date", "uuid"}), path


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_outgrows_its_room(room: str) -> None:
    large = {str(path.relative_to(ROOT)): n for path in modules(room) if (n := path.read_text().count("\n")) > 400}
    assert not large, "split these before they grow further"


def test_every_command_is_handled() -> None:
    declared = {kind.__name__: kind for kind in run_commands.RunCommand.__args__}
    assert {name: handling.command for name, handling in COMMANDS.items()} == declared


def test_every_reaction_is_to_an_event_that_exists() -> None:
    assert set(REACTIONS) <= {kind.short_name() for kind in RUN_EVENTS}


def test_every_event_reaches_a_projection() -> None:
    assert set(CATALOG) == {kind.TYPE for kind in RUN_EVENTS}


def test_every_event_is_listed_once_with_a_versioned_name() -> None:
    assert set(RUN_EVENTS) == set(RunEvent.__subclasses__())
    for kind in RUN_EVENTS:
        assert f"precedent.run.{kind.__name__}.v1" == kind.TYPE
