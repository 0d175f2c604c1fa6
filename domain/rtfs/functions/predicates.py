"""Comparison, logic and questions about kinds."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NoReturn

from domain.kernel.values import Keyword
from domain.rtfs.equality import equal
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types.checking import type_name

_NUMBERS: Final = frozenset({int, float})


def truthy(value: Any) -> bool:
    """Tell whether a value counts as true: everything but ``false`` and ``nil``."""
    return value is not None and value is not False


def _same(meter: Meter, left: Any, right: Any) -> bool:
    if type(left) is list or type(left) is dict:
        meter.walk(left)
    return equal(left, right)


def same2(meter: Meter, left: Any, right: Any) -> bool:
    """Tell whether two values are the same."""
    kind = type(left)
    if kind is str or kind is int or left is None:
        return type(right) is kind and bool(left == right)
    return _same(meter, left, right)


def all_equal(meter: Meter, *values: Any) -> bool:
    """Tell whether all values are the same."""
    return all(_same(meter, left, right) for left, right in pairwise(values))


def _comparable(left: Any, right: Any) -> None:
    """Refuse what has no common order; booleans are no numbers."""
    kind = type(left)
    if kind in _NUMBERS and type(right) in _NUMBERS:
        return
    if kind is type(right) and (kind is str or kind is datetime):
        return
    raise Fault("type-mismatch", f"{type_name(left)} and {type_name(right)} cannot be compared")


def less(left: Any, right: Any) -> bool:
    """Tell whether a value comes before another."""
    if type(left) is not int or type(right) is not int:
        _comparable(left, right)
    return left < right  # type: ignore[no-any-return]


def less_or_equal(left: Any, right: Any) -> bool:
    """Tell whether a value does not come after another."""
    if type(left) is not int or type(right) is not int:
        _comparable(left, right)
    return left <= right  # type: ignore[no-any-return]


def greater(left: Any, right: Any) -> bool:
    """Tell whether a value comes after another."""
    if type(left) is not int or type(right) is not int:
        _comparable(left, right)
    return left > right  # type: ignore[no-any-return]


def greater_or_equal(left: Any, right: Any) -> bool:
    """Tell whether a value does not come before another."""
    if type(left) is not int or type(right) is not int:
        _comparable(left, right)
    return left >= right  # type: ignore[no-any-return]


def _chain(compare: Any) -> Any:
    return lambda *values: all(compare(left, right) for left, right in pairwise(values))


def throw(*arguments: Any) -> NoReturn:
    """Raise an error: of a message, of a type and a message, or again one that was caught."""
    if len(arguments) == 1 and type(arguments[0]) is dict:
        caught = arguments[0]
        kind, message = caught.get(Keyword("type"), Keyword("error")), caught.get(Keyword("message"), "")
        effect = caught.get(Keyword("effect"))
    else:
        kind, message = arguments if len(arguments) == 2 else (Keyword("error"), arguments[0])
        effect = None
    if type(kind) is not Keyword or type(message) is not str or type(effect) not in (str, type(None)):
        raise TypeError
    raise Fault(kind.name, message, effect=effect)


def message_of(error: Any) -> Any:
    """Give the message of an error that was caught."""
    if type(error) is not dict:
        raise TypeError
    return error.get(Keyword("message"))


PREDICATES: Final = (
    Entry(
        "=",
        "[:fn [:any & :any] :bool]",
        "Are all the same? Kinds differ, so 1 is not 1.0; NaN is the same as NaN, and 0.0 is not -0.0.",
        all_equal,
        "(= [1] [1]) => true",
        metered=True,
        binary=same2,
        edges=(
            "[(= 1 1.0) (= ##NaN ##NaN) (= 0.0 -0.0) (= 1)] => [false true false true]",
            "(= {:a [1 2]} {:a [1 2]} {:a [1]}) => false",
        ),
    ),
    Entry(
        "not=",
        "[:fn [:any & :any] :bool]",
        "Is any different?",
        lambda meter, *values: not all_equal(meter, *values),
        "(not= 1 2) => true",
        metered=True,
        edges=("(not= 1 1.0) => true",),
    ),
    Entry(
        "!=",
        "[:fn [:any & :any] :bool]",
        "The same as `not=`.",
        lambda meter, *values: not all_equal(meter, *values),
        "(!= 1 1) => false",
        metered=True,
    ),
    Entry(
        "<",
        "[:fn [:any & :any] :bool]",
        ("Does each come before the next? Compares numbers with numbers, strings with strings, times with times."),
        _chain(less),
        "(< 1 2 3) => true",
        binary=less,
        edges=(
            '[(< 1 2.5) (< "a" "b") (< 1) (< ##NaN 1)] => [true true true false]',
            '(< 1 (parse-json "true")) !! type-mismatch',
        ),
    ),
    Entry(
        "<=",
        "[:fn [:any & :any] :bool]",
        "Does none come after the next?",
        _chain(less_or_equal),
        "(<= 1 1 2) => true",
        binary=less_or_equal,
        edges=(
            "(<= 2 1) => false",
            '(<= "a" (parse-json "1")) !! type-mismatch',
        ),
    ),
    Entry(
        ">",
        "[:fn [:any & :any] :bool]",
        "Does each come after the next?",
        _chain(greater),
        "(> 2 1) => true",
        binary=greater,
        edges=(
            '(> "b" "a") => true',
            '(> 1 (parse-json "{}")) !! type-mismatch',
        ),
    ),
    Entry(
        ">=",
        "[:fn [:any & :any] :bool]",
        "Does none come before the next?",
        _chain(greater_or_equal),
        "(>= 2 2) => true",
        binary=greater_or_equal,
        edges=(
            "(>= 3 2 2) => true",
            '(>= 1 (parse-json "null")) !! type-mismatch',
        ),
    ),
    Entry(
        "not",
        "[:fn [:any] :bool]",
        "Is it false or nil?",
        lambda value: value is None or value is False,
        "(not nil) => true",
        edges=("[(not 0) (not false) (not [])] => [false true false]",),
    ),
    Entry("identity", "[:fn [:any] :any]", "Itself.", lambda value: value, "(identity 1) => 1"),
    Entry(
        "boolean",
        "[:fn [:any] :bool]",
        "Does it count as true?",
        truthy,
        "(boolean 0) => true",
        edges=("[(boolean nil) (boolean []) (boolean false)] => [false true false]",),
    ),
    Entry(
        "keyword",
        "[:fn [[:union :keyword :string]] :keyword]",
        "Keyword of this name.",
        lambda value: value if type(value) is Keyword else Keyword(_text(value)),
        '(keyword "a") => :a',
        edges=("(keyword :a) => :a",),
    ),
    Entry(
        "error",
        "[:fn [:any & :any] :never]",
        "Raise an error: of a message, or of a type and a message.",
        throw,
        '(try (error :late "x") (catch :late e (:message e))) => "x"',
        optional=1,
        edges=(
            '(try (error "x") (catch e [(:type e) (:message e)])) => [:error "x"]',
            '(error :late "too late") !! late',
            '(error "x") !! error',
        ),
    ),
    Entry(
        "throw",
        "[:fn [:any & :any] :never]",
        "Raise an error, or raise one that was caught again.",
        throw,
        '(try (throw {:type :late :message "x"}) (catch e (:type e))) => :late',
        optional=1,
        edges=(
            '(throw {:type :late :message "x"}) !! late',
            '(throw "x") !! error',
        ),
    ),
    Entry(
        "ex-message",
        "[:fn [:any] :any]",
        "The message of an error that was caught.",
        message_of,
        '(try (error "no") (catch e (ex-message e))) => "no"',
        edges=("(ex-message {}) => nil",),
    ),
)


def _text(value: Any) -> str:
    if type(value) is not str or not value:
        raise TypeError
    return value
