"""Modules that were compiled once: they load and give the same for ever, and are made again byte by byte."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256

import pytest

from domain.kernel.values import digest_bytes
from domain.rtfs.bytecode.encoding import decode_module, encode_module
from tests.conformance.driving import compiled, run_module
from tests.conformance.record import FOLDER, Stored, every_module, line_of, recorded, stored_of

MODULES = every_module()
WAYS = [{}, {"slice_fuel": 50, "stored": True}, {"compile_after": 1}, {"compile_after": None}]

FIRST = {
    "choices": (19, "1260bea138286681"),
    "comparison": (23, "6b35c3141a92ed7f"),
    "definitions": (12, "641c016f1e0b13a9"),
    "destructuring": (24, "2c23572d56080698"),
    "effects": (24, "73baa4373fe642a9"),
    "errors": (26, "21d53d70774bfa75"),
    "functions": (29, "40a14aeb6407e4f6"),
    "limits": (11, "d27e2532b886d886"),
    "literals": (29, "7083df638426b683"),
    "loops": (16, "dd216d2529650e9d"),
    "macros": (10, "47e3fa4dc3c53bdf"),
    "maps": (19, "01b85bc153046cd5"),
    "match": (17, "bace563d79234bce"),
    "modules": (8, "9115d35a1d0f1df2"),
    "numbers": (34, "02b170fb06320651"),
    "sequences": (21, "075ed9e970e7de40"),
    "steps": (20, "283dd950198aabb9"),
    "strings": (33, "d752240e27bd1a1b"),
    "types": (24, "c4d9c213795f2087"),
    "vectors": (28, "c90f9dec41065f64"),
}
"""What was recorded first: how many lines of each file, and the beginning of their SHA-256, whether current or not."""


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


@pytest.mark.parametrize("name", FIRST)
def test_the_first_recording_is_as_it_was(name: str) -> None:
    count, digest = FIRST[name]
    lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()[:count]
    told = b"\n".join(re.sub(b'"current":(true|false)', b"", line) for line in lines)
    assert sha256(told).hexdigest().startswith(digest), "what is stored stays; make the program mean what it meant"


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
