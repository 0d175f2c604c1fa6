"""What the documents show is what happens: the README's commands run, the walk in the docs is the program's own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack.commands import down

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "import sys; from infra.cli.main import main; sys.exit(main())"]


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def precedent(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_the_readmes_commands_run_in_their_order(data_directory: Path) -> None:
    environment = {**os.environ, "PRECEDENT_DATA": str(data_directory), "PRECEDENT_DURABILITY": "flush"}
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("precedent ")]
    assert len(commands) >= 5
    try:
        for command in commands:
            ended = precedent(command[1:], environment)
            assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    finally:
        down(data_directory)


def test_the_readmes_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for block in blocks("README.md", "sh"):
        assert set(re.findall(r"^make (\w+)", block, re.MULTILINE)) <= targets


def test_the_walk_in_the_docs_is_the_programs_own() -> None:
    printed = precedent(["explain", "SubmitRun"], {**os.environ, "COLUMNS": "150"}).stdout
    shown = next(block for block in blocks("docs/architecture.md", "text") if block.startswith("SubmitRun"))
    assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / document).read_text("utf-8")):
        assert target.startswith(("http://", "https://")) or (folder / target).exists(), target


def test_every_document_that_the_code_names_exists() -> None:
    for room in ("domain", "commands", "projections", "adapters", "infra"):
        for source in (ROOT / room).rglob("*.py"):
            for named in re.findall(r"\bdocs/[a-z-]+\.md\b", source.read_text("utf-8")):
                assert (ROOT / named).exists(), f"{source}: {named}"
