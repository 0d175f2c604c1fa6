"""Entries and their ground truth are read as data, never evaluated."""

from __future__ import annotations

import json

import pytest

from infra.bench.bfcl.corpus import Call, Corpus, CorpusInvalid, CorpusMissing, parse_call

MADE = ("base", "long_context")


def test_an_entry_has_its_classes_its_configuration_and_the_calls_of_each_turn(made_corpus: Corpus) -> None:
    entry = next(made_corpus.entries(MADE))
    assert entry.id == "multi_turn_base_0"
    assert entry.classes == ("GorillaFileSystem", "MathAPI")
    assert not entry.long_context
    assert entry.turns == (
        (Call("ls", (), {"a": True}), Call("write", ("d",), {"content": 'it\'s "new"\n'})),
        (),
        (Call("ls", (), {}), Call("add", (), {"a": 1, "b": -2.5})),
    )
    assert [call.name for call in entry.calls] == ["ls", "write", "ls", "add"]


def test_the_configuration_keeps_the_order_of_its_keys(made_corpus: Corpus) -> None:
    entry = next(made_corpus.entries(MADE))
    assert list(json.loads(entry.config)["GorillaFileSystem"]["notes"]) == ["b", "a", ".c"]


def test_entries_come_category_by_category_in_file_order(made_corpus: Corpus) -> None:
    entries = list(made_corpus.entries(MADE))
    assert [entry.id.removeprefix("multi_turn_") for entry in entries] == ["base_0", "long_context_0", "long_context_1"]
    assert [entry.long_context for entry in entries] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("f()", Call("f", (), {})),
        (" f(x='a, b)')\n", Call("f", (), {"x": "a, b)"})),
        (
            "f([1, -2.0, None], updates={'priority': 3, 'open': False})",
            Call("f", ([1, -2.0, None],), {"updates": {"priority": 3, "open": False}}),
        ),
    ],
)
def test_literal_calls_are_parsed(text: str, call: Call) -> None:
    assert parse_call(text) == call


@pytest.mark.parametrize(
    "text", ["f", "a.f()", "f(g(1))", "f(x)", "f(**{'a': 1})", "f(", "f() + 1", "__import__('os').system('x')", ""]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CorpusInvalid):
        parse_call(text)


def test_a_category_that_is_not_there_says_how_to_install(made_corpus: Corpus) -> None:
    with pytest.raises(CorpusMissing, match="pip install --no-deps bfcl-eval=="):
        list(made_corpus.entries(["miss_func"]))


def test_an_entry_without_ground_truth_is_refused(made_corpus: Corpus) -> None:
    (made_corpus.root / "data" / "possible_answer" / "BFCL_v4_multi_turn_base.json").write_text("")
    with pytest.raises(CorpusInvalid, match="multi_turn_base_0 has no ground truth"):
        list(made_corpus.entries(["base"]))
