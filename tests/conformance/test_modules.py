"""Modules that were compiled once: they load and give the same for ever, and are made again byte by byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.kernel.values import digest_bytes
from domain.rtfs.bytecode.encoding import decode_module, encode_module
from tests.conformance.driving import compiled, run_module
from tests.conformance.record import Stored, every_module, line_of, recorded, stored_of

MODULES = every_module()
WAYS = [{}, {"slice_fuel": 50, "stored": True}, {"compile_after": 1}, {"compile_after": None}]


def named(stored: Stored) -> str:
    return f"{stored.case.name}-{stored.digest[7:15]}"


@pytest.mark.parametrize("stored", MODULES, ids=named)
def test_it_gives_what_it_gave(stored: Stored) -> None:
    assert digest_bytes(stored.module) == stored.digest
    assert encode_module(decode_module(stored.module)) == stored.module
    for way in WAYS:
        driven = run_module(stored.case, stored.module, **way)
        seen = driven.end, driven.text, [list(each) for each in driven.asked], driven.fuel
        assert seen == (stored.end, stored.text, stored.asked, stored.fuel), way


@pytest.mark.parametrize("stored", [each for each in MODULES if each.current], ids=named)
def test_its_program_is_compiled_to_the_same_bytes(stored: Stored) -> None:
    assert compiled(stored.case).digest == stored.digest, "docs/rtfs/bytecode.md says when this may change"


def test_there_are_many() -> None:
    assert len(MODULES) > 300
    assert len({stored.digest for stored in MODULES}) > 250


def test_what_is_stored_stays_when_the_compiler_changes() -> None:
    stored = next(each for each in MODULES if each.current)
    again = stored_of(stored.case)
    assert again is not None
    assert recorded([stored], [stored.case]) == [line_of(stored)]
    other = replace(stored, digest="sha256:0", module=b"")
    assert [b'"current":false' in line for line in recorded([other], [stored.case])] == [True, False]
