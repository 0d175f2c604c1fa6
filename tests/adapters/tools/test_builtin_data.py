"""No answer of a built-in tool is given again: what they read changes without any tool, as docs/caching.md says."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.tools.registry import BUILT_IN, tools_of_modules

TEXT = (Path(__file__).parents[3] / "docs" / "caching.md").read_text()
TABLE = TEXT.partition("### The built-in tools")[2].partition("## Keys")[0]


def test_none_is_kept_and_each_that_only_reads_is_explained() -> None:
    declared = [tool.declaration for tool in tools_of_modules(BUILT_IN)]
    assert {each.name for each in declared if each.lasting != "never"} == set()
    reading = {each.name for each in declared if each.capability.effects in ("pure", "read")}
    explained = set(re.findall(r"`([a-z]+\.[a-z]+)`", TABLE))
    assert reading <= explained, "say why, or declare what it reads"
