"""What import-linter cannot hold: folders match the contract, domain is pure, catalogs are complete."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.catalog import COMMANDS, REACTIONS
from domain.cache.commands import CacheCommand
from domain.cache.events import CACHE_EVENTS, CacheEvent
from domain.kernel.events import DomainEvent
from domain.programs.commands import ProgramCommand
from domain.programs.events import PROGRAM_EVENTS, ProgramEvent
from domain.runs.commands import RunCommand
from domain.runs.events import RUN_EVENTS
from domain.runs.parts import RunEvent
from projections.catalog import CATALOG

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "commands", "projections", "adapters", "infra")
ALLOWED_IN_DOMAIN = {"pydantic", "orjson", "re2", "rfc8785", "domain"}
COMMANDS_OF = {"run": RunCommand, "program": ProgramCommand, "cache": CacheCommand}
EVENTS_OF = {"run": RUN_EVENTS, "program": PROGRAM_EVENTS, "cache": CACHE_EVENTS}
BASE_OF = {"run": RunEvent, "program": ProgramEvent, "cache": CacheEvent}
"""By category of streams."""
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


@pytest.mark.parametrize("category", sorted(COMMANDS_OF))
def test_every_command_is_handled(category: str) -> None:
    declared = {kind.__name__: kind for kind in COMMANDS_OF[category].__args__}
    handled = {name: each.command for name, each in COMMANDS.items() if each.category == category}
    assert handled == declared


def test_every_reaction_is_to_an_event_that_exists() -> None:
    assert set(REACTIONS) <= {kind.short_name() for events in EVENTS_OF.values() for kind in events}


@pytest.mark.parametrize("category", sorted(EVENTS_OF))
def test_every_event_reaches_a_projection(category: str) -> None:
    assert {kind for kind in CATALOG if kind.split(".")[1] == category} == {kind.TYPE for kind in EVENTS_OF[category]}


@pytest.mark.parametrize("category", sorted(EVENTS_OF))
def test_every_event_is_listed_once_with_a_versioned_name(category: str) -> None:
    events = EVENTS_OF[category]
    assert len(set(events)) == len(events)
    assert set(events) == set(kinds_of(BASE_OF[category]))
    for kind in events:
        assert f"precedent.{category}.{kind.__name__}.v1" == kind.TYPE


def kinds_of(base: type[DomainEvent]) -> Iterator[type[DomainEvent]]:
    """Every kind of event below, however deep."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds_of(kind)
