"""docs/rtfs says what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.pages import BLOCKS, PAGES, made


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_the_page_is_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert made(text) == text, "write it anew: python -m tests.conformance.pages"


def test_every_table_is_on_a_page() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES.glob("*.md"))
    assert [name for name in BLOCKS if f"made from the tables: {name} -->" not in text] == []
