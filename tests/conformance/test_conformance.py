"""The language, case by case: every form and every function, in every way in which a host may run a program."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS
from domain.rtfs.nodes import Annotated, Context, Quoted, ShorthandFn, Symbol
from domain.rtfs.printer import print_value
from domain.rtfs.reader import read
from domain.rtfs.vm import Limits
from tests.conformance.cases import Case, every_case, read_cases
from tests.conformance.driving import drive, value_of

CASES = every_case()
WAYS = {
    "whole": {},
    "not folded": {"fold": False},
    "in slices": {"slice_fuel": 7},
    "compiled at once": {"compile_after": 1},
    "never compiled": {"compile_after": None},
    "stored between steps": {"slice_fuel": 100, "stored": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, way: str) -> None:
    driven = drive(case, **WAYS[way])
    assert driven.end == case.end, driven.text
    if case.end == "=>":
        assert driven.text == case.expected
    elif case.end == "!!":
        kind, _, words = case.expected.partition(" ")
        assert driven.text.split(" ", 1)[0] == kind
        assert words in driven.text
    else:
        assert case.expected in driven.text
    asked = [(each.capability, print_value(value_of(each.arguments))) for each in case.asked]
    assert driven.asked == asked


MARKS = {ShorthandFn: "#", Quoted: "'", Context: "@", Annotated: "^"}


def names(source: str) -> set[str]:
    """Give the names that a program holds, and the marks that stand for forms."""
    found: set[str] = set()
    pending: list[Any] = list(read(source))
    while pending:
        part = pending.pop()
        if isinstance(part, Symbol):
            found.add(part.name)
        found.update(
            {ShorthandFn: "#", Quoted: "'", Context: "@", Annotated: "^"}.get(kind, "") for kind in (type(part),)
        )
        if is_dataclass(part):
            pending.extend(getattr(part, field.name) for field in fields(part))
        elif isinstance(part, tuple):
            pending.extend(part)
    return found


def test_every_form_and_every_function_occurs() -> None:
    readable = [case for case in CASES if case.end != "??"]
    seen = set().union(*(names(case.source) for case in readable))
    assert sorted(set(FORMS) - seen) == []
    assert sorted(set(FUNCTIONS) - seen) == []
    assert sorted(set(ALIASES) - seen) == []


def test_every_error_of_the_library_and_every_limit_occurs() -> None:
    seen = {case.expected.split(" ")[0] for case in CASES if case.end == "!!"}
    assert {error for entry in FUNCTIONS.values() for error in entry.errors if error not in OWN} <= seen
    assert {"fuel-exhausted", "memory-exhausted", "depth-exceeded", "output-too-large", "nested-too-deeply"} <= seen
    assert set(Limits.__slots__) <= {
        key.name for case in CASES for key in value_of(case.within or "{}") if isinstance(key, Keyword)
    }


OWN = {"error", "late"}
"""Types that examples of the library make up."""


def test_cases_are_written_as_they_are_described(tmp_path: Path) -> None:
    path = tmp_path / "x.rtfs"
    for text, message in ((";; => 1\n", "no program"), ("1\n", "says nothing"), ("1\n;; ~> :a {}\n", "no answer")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            list(read_cases(path))
