"""Questions about the kind of a value."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import Keyword
from domain.rtfs.functions.entry import Entry
from domain.rtfs.types.checking import type_name

_DATA: Final = (type(None), bool, int, float, str, Keyword, list, dict, datetime, UUID)


def type_keyword(value: Any) -> Keyword:
    """Name the kind of a value."""
    return Keyword(type_name(value).removeprefix("a ").removeprefix(":"))


def type_text(value: Any) -> str:
    """Name the kind of a value as its type is written."""
    return f":{type_keyword(value).name}"


def _is(*kinds: type) -> Any:
    accepted = frozenset(kinds)
    return lambda value: type(value) in accepted


def _question(name: str, doc: str, test: Any, example: str, edges: tuple[str, ...] = ()) -> Entry:
    return Entry(name, "[:fn [:any] :bool]", doc, test, example, edges=edges)


KINDS: Final = (
    Entry(
        "type-of",
        "[:fn [:any] :keyword]",
        "Kind of a value, as a keyword.",
        type_keyword,
        "(type-of [1]) => :vector",
        edges=(
            "(map type-of [nil true 1 1.5 :a]) => [:nil :bool :int :float :keyword]",
            '(map type-of ["a" {} inc]) => [:string :map :function]',
        ),
    ),
    Entry(
        "type-name",
        "[:fn [:any] :string]",
        "Kind of a value, as text.",
        type_text,
        '(type-name 1) => ":int"',
        edges=('(map type-name [nil [] {} inc]) => [":nil" ":vector" ":map" ":function"]',),
    ),
    _question(
        "nil?",
        "Is it nil?",
        lambda value: value is None,
        "(nil? nil) => true",
        edges=("(nil? false) => false",),
    ),
    _question(
        "some?",
        "Is it anything but nil?",
        lambda value: value is not None,
        "(some? 0) => true",
        edges=("(some? nil) => false",),
    ),
    _question(
        "true?",
        "Is it true?",
        lambda value: value is True,
        "(true? 1) => false",
        edges=("(true? true) => true",),
    ),
    _question(
        "false?",
        "Is it false?",
        lambda value: value is False,
        "(false? nil) => false",
        edges=("(false? false) => true",),
    ),
    _question(
        "bool?",
        "Is it a boolean?",
        _is(bool),
        "(bool? true) => true",
        edges=("(bool? nil) => false",),
    ),
    _question(
        "int?",
        "Is it an integer?",
        _is(int),
        "(int? 1.0) => false",
        edges=("(int? 1) => true",),
    ),
    _question(
        "float?",
        "Is it a float?",
        _is(float),
        "(float? 1.0) => true",
        edges=("(float? 1) => false",),
    ),
    _question(
        "number?",
        "Is it a number?",
        _is(int, float),
        "(number? 1) => true",
        edges=('[(number? 1.5) (number? "1") (number? true)] => [true false false]',),
    ),
    _question(
        "string?",
        "Is it a string?",
        _is(str),
        '(string? "a") => true',
        edges=("(string? :a) => false",),
    ),
    _question(
        "keyword?",
        "Is it a keyword?",
        _is(Keyword),
        "(keyword? :a) => true",
        edges=('(keyword? "a") => false',),
    ),
    _question(
        "symbol?",
        "Is it a symbol? Programs have names, but no value is one.",
        lambda _: False,
        "(symbol? :a) => false",
    ),
    _question(
        "vector?",
        "Is it a vector?",
        _is(list),
        "(vector? [1]) => true",
        edges=("(vector? {}) => false",),
    ),
    _question("list?", "The same as `vector?`.", _is(list), "(list? [1]) => true"),
    _question(
        "map?",
        "Is it a map?",
        _is(dict),
        "(map? {}) => true",
        edges=("(map? []) => false",),
    ),
    _question(
        "coll?",
        "Is it a vector or a map?",
        _is(list, dict),
        "(coll? []) => true",
        edges=('(coll? "a") => false',),
    ),
    _question(
        "fn?",
        "Is it a function?",
        lambda value: type(value) not in _DATA,
        "(fn? inc) => true",
        edges=("[(fn? (fn [x] x)) (fn? :a)] => [true false]",),
    ),
)
