"""docs/reading.md says where servers are, and its programs and queries do what they are said to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString, cast

import psycopg
import pytest

from projections.catalog import PROJECTIONS
from tests.infra.cli.conftest import Cli

TEXT = (Path(__file__).parents[3] / "docs" / "reading.md").read_text("utf-8")
SERVERS, SUBSCRIBING, ROWS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
QUERIES = [
    query for block in re.findall(r"^```sql\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) for query in block.split(";")
]
VIEWS = re.findall(r"^\| `(\w+)` \| [a-z -]+ \| (.*) \|$", TEXT, re.MULTILINE)


@pytest.fixture
def environment(deployment: Path) -> dict[str, str]:
    """What a shell has in which a deployment is named and the command installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PRECEDENT_DATA": str(deployment)}


def test_its_subscriber_prints_what_completed(
    environment: dict[str, str], submitted: Callable[..., str], tmp_path: Path
):
    run = submitted("(* 6 7)", "completed")
    program = [sys.executable, "-c", SERVERS + SUBSCRIBING]
    with subprocess.Popen(program, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as reading:
        assert reading.stdout is not None
        try:
            line = next(line for line in reading.stdout if run in line)
        finally:
            reading.kill()
    assert line.split()[1:] == [run, "42"]


def test_its_reader_prints_the_newest_runs(environment: dict[str, str], submitted: Callable[..., str], tmp_path: Path):
    run = submitted("(* 6 7)", "completed")
    program = [sys.executable, "-c", SERVERS + ROWS]
    printed = subprocess.run(program, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert f"{run} completed Do (* 6 7)" in printed


def test_its_queries_and_columns_are_those_of_the_database(cli: Cli):
    components = cli("status", "--json").document["components"]
    address = next(each["url"] for each in components if each["name"] == "postgres")
    assert {name for name, _ in VIEWS} <= set(PROJECTIONS)
    assert len(VIEWS) >= 6
    with psycopg.connect(address) as database:
        for query in filter(str.strip, QUERIES):
            database.execute(cast("LiteralString", query))
        for view, told in VIEWS:
            columns = re.findall(r"`(\w+)`", told.partition(";")[0])
            database.execute(cast("LiteralString", f"SELECT {', '.join(columns) or '*'} FROM {view} LIMIT 1"))
