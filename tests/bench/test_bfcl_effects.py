"""The proof of which methods change nothing: right on what it proves, ``write`` on all it does not understand."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from infra.bench.bfcl.effects import Finding, examine

MODULE = """
import math
from datetime import datetime

class Leaf:
    def _read(self):
        return self.text

    def _put(self, text):
        self.text = text

class Store:
    def pure(self, a):
        found = []
        for number in range(a):
            found.append(math.sqrt(number))
        return found

    def read(self, key):
        kept = self.items[key].copy()
        kept["extra"] = [1]
        return kept

    def read_through_others(self, leaf):
        return self._find(leaf)._read()

    def groups(self):
        grouped = {}
        for key, item in self.items.items():
            if key not in grouped:
                grouped[key] = [item]
            else:
                grouped[key].append(item)
        return grouped

    def clock(self):
        return {"year": datetime.today().year}

    def sets(self, a):
        self.a = a

    def sets_item(self, a):
        self.items[a] = 1

    def sets_through_alias(self, a):
        found = self.items
        found[a] = 1

    def appends_to_alias(self, a):
        found = self.items[a]
        found.append(1)

    def appends_to_parameter(self, a):
        a.append(1)

    def appends_to_item_of_fresh(self):
        found = [self.items]
        found[0].append(1)

    def appends_after_growing(self):
        found = []
        found.append(self.items)
        found[0].append(1)

    def extends_in_place(self):
        found = self.items
        found += [1]

    def draws(self):
        return self._random.randint(1, 2)

    def changes_through_others(self, leaf):
        self._find(leaf)._put("x")

    def removes(self, a):
        del self.items[a]

    def calls_unknown(self, a):
        return a.launch()

    def calls_parameter(self, a):
        return a()

    def fresh_or_not(self, a):
        found = {}
        if a:
            found = self.items
        found["x"] = 1

    def _find(self, leaf):
        return self.items[leaf]
"""


@pytest.fixture
def findings(tmp_path: Path) -> dict[str, Finding]:
    path = tmp_path / "made.py"
    path.write_text(dedent(MODULE))
    return examine(path, "Store")


def test_private_methods_are_no_tools(findings: dict[str, Finding]) -> None:
    assert not [name for name in findings if name.startswith("_")]


def test_a_method_that_never_looks_at_its_instance_is_pure(findings: dict[str, Finding]) -> None:
    assert findings["pure"] == Finding("pure", reads_clock=False)


@pytest.mark.parametrize("name", ["read", "read_through_others", "groups"])
def test_a_method_that_changes_only_what_it_made_reads(findings: dict[str, Finding], name: str) -> None:
    assert findings[name] == Finding("read", reads_clock=False)


def test_the_clock_is_seen(findings: dict[str, Finding]) -> None:
    assert findings["clock"] == Finding("read", reads_clock=True)


@pytest.mark.parametrize(
    "name",
    [
        "sets",
        "sets_item",
        "sets_through_alias",
        "appends_to_alias",
        "appends_to_parameter",
        "appends_to_item_of_fresh",
        "appends_after_growing",
        "extends_in_place",
        "draws",
        "changes_through_others",
        "removes",
        "calls_unknown",
        "calls_parameter",
        "fresh_or_not",
    ],
)
def test_whatever_might_change_something_writes(findings: dict[str, Finding], name: str) -> None:
    assert findings[name].effects == "write"
