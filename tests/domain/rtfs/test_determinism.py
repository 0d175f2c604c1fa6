"""The same program gives the same bytes, values, errors, effects and fuel, wherever and however it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.cases import every_case
from tests.conformance.dump import line

CASES = every_case()
PLACES = [
    {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
    {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "Asia/Kolkata"},
    {"PYTHONHASHSEED": "4294967295", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns"},
    {"PYTHONHASHSEED": "random", "LC_ALL": "POSIX", "PYTHONUTF8": "1", "PYTHONOPTIMIZE": "1", "TZ": "Pacific/Apia"},
]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What is seen of every case here."""
    return [line(case) for case in CASES]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place['LC_ALL']} {place['PYTHONHASHSEED']}")
def test_another_process_sees_the_same(lines: list[str], place: dict[str, str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONHASH"))}
    printed = subprocess.run(
        [sys.executable, "-m", "tests.conformance.dump"],
        env={**kept, "PYTHONIOENCODING": "utf-8", **place},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=100,
    ).stdout.splitlines()
    assert len(printed) == len(lines)
    assert [(there, here) for there, here in zip(printed, lines, strict=True) if there != here] == []


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_do_not_disturb_one_another(lines: list[str], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(line, [*CASES, *CASES])) == [*lines, *lines]


def test_a_second_time_is_as_the_first(lines: list[str]) -> None:
    assert [line(case) for case in reversed(CASES)] == list(reversed(lines))
