"""The quick test of a type never takes what the full one refuses, and decides alone for what is common."""

from __future__ import annotations

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.types import parse_type
from domain.rtfs.types.checking import _find, _fits, mismatch

COMMON = [
    ":any",
    ":int",
    ":float",
    ":string",
    ":bool",
    ":nil",
    ":keyword",
    "[:vector :int]",
    "[:vector :any]",
    "[:vector [:vector :string]]",
    "[:map [:a :int] [:b [:vector :string] ?]]",
    "[:vector [:map [:a :any]]]",
    "[:map [:a [:map [:b :int ?]]]]",
]
OTHERS = [
    ":int?",
    "[:union :int :string]",
    "[:tuple :int :int]",
    "[:map-of :string :int]",
    "[:map [:a :int] [:* :string]]",
    "[:and :int [:> 3]]",
    "[:vector [:enum :a :b]]",
    "[:fn [:int] :int]",
]
A, B = Keyword("a"), Keyword("b")
VALUES = [None, True, 0, 7, 1.0, "", "x", A, [], [1], [1, True], [1, 2.0], [["x"]], [["x"], [1]], [[], []]]
VALUES += [{}, {A: 1}, {A: True}, {A: 1, B: ["x"]}, {A: 1, B: [1]}, {A: None}, {A: {B: 1}}, {A: {B: "x"}}, {A: {}}]
VALUES += [[{A: 1}], [{A: 1}, {B: 1}], [{A: 1}, 1], {"a": 1}, {A: 1, "c": 2}, {A: 1, "c": "d"}, FUNCTIONS["inc"]]


@pytest.mark.parametrize("text", COMMON)
def test_common_types_are_decided(text):
    expected = parse_type(text)
    for value in VALUES:
        assert _fits(expected)(value) is (_find(value, expected) is None), value


@pytest.mark.parametrize("text", [*COMMON, *OTHERS])
def test_nothing_is_taken_that_does_not_fit(text):
    expected = parse_type(text)
    for value in VALUES:
        refused = _find(value, expected)
        assert not (_fits(expected)(value) and refused), value
        assert (mismatch(value, expected) is None) is (refused is None), value
