"""Keys tell apart whatever may be answered differently, and are read back as they were written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.cache.keys import LONGEST_VERSION, CacheKey, CacheKeyInvalid, namespace_stream
from domain.kernel.ids import StreamId

KEY = CacheKey("default", "L2", "tool", "fs.read@1+files:unwritten", "sha256:" + "0" * 64)


@pytest.mark.parametrize("version", ["1", "crm.get@1+crm:0f", "qwen/qwen3-8b@http://127.0.0.1:8000/v1", "//", "é / ü"])
def test_a_key_is_read_back_as_it_was(version: str) -> None:
    key = replace(KEY, version=version)
    assert CacheKey.parse(str(key)) == key
    assert StreamId("acme", "cache", key.id).id == key.id


@pytest.mark.parametrize(
    "changed",
    [{"namespace": "other"}, {"level": "L3"}, {"kind": "model"}, {"version": "2"}, {"digest": "sha256:" + "1" * 64}],
    ids=lambda changed: next(iter(changed)),
)
def test_every_part_makes_another_entry(changed: dict[str, str]) -> None:
    assert replace(KEY, **changed).id != KEY.id


def test_parts_do_not_run_into_each_other() -> None:
    assert replace(KEY, version="a/b").id != replace(KEY, version="a").id


@pytest.mark.parametrize(
    "changed",
    [
        {"namespace": ""}, {"namespace": "a/b"}, {"namespace": "a\n"}, {"namespace": "x" * 65}, {"namespace": "*"},
        {"version": ""}, {"version": "x" * (LONGEST_VERSION + 1)},
        {"digest": "0" * 64}, {"digest": "sha256:" + "0" * 63}, {"digest": "sha256:" + "G" * 64},
        {"digest": "sha256:" + "0" * 64 + "\n"},
    ],
    ids=repr,
)  # fmt: skip
def test_hostile_parts_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(CacheKeyInvalid):
        replace(KEY, **changed)


@pytest.mark.parametrize("text", ["", "a", "/" * 4, "default/L9/tool/1/sha256:" + "0" * 64, "default/L2/else/1/x"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(CacheKeyInvalid):
        CacheKey.parse(text)


def test_a_namespace_has_a_stream_that_no_entry_has() -> None:
    stream = namespace_stream("default")
    assert StreamId("acme", "cache", stream).id == stream
    assert len(stream) != len(KEY.id)
