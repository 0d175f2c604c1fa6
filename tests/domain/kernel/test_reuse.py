"""Reasons of misses are a closed set, each with words of its own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from domain.kernel.reuse import MISSES, Miss, MissCode
from domain.runs.parts import Lookup


def test_every_reason_has_words_and_no_two_the_same() -> None:
    assert set(MISSES) == set(get_args(MissCode))
    assert len(set(MISSES.values())) == len(MISSES)


def test_a_miss_is_its_words_and_knows_which_reason_it_is() -> None:
    miss = Miss("expired", "it expired at noon")
    assert (miss, miss.code, f"{miss}!") == ("it expired at noon", "expired", "it expired at noon!")


def test_what_was_stored_before_there_were_codes_is_read_and_written_alike() -> None:
    stored = {
        "level": "L4", "outcome": "miss", "reason": "no program for a goal like this", "entry": None, "score": None,
        "tier": None, "duration": 0.25,
    }  # fmt: skip
    lookup = Lookup.model_validate(stored)
    assert (lookup.code, lookup.terms) == (None, None)
    with pytest.raises(ValidationError):
        Lookup.model_validate(stored | {"code": "because"})


def test_every_reason_is_described() -> None:
    text = (Path(__file__).parents[3] / "docs" / "caching.md").read_text()
    for code in MISSES:
        assert f"| `{code}` |" in text
