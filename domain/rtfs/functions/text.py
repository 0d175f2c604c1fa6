"""Strings. They are sequences of Unicode code points; nothing here depends on a locale."""

from __future__ import annotations

import re
from typing import Any, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.printer import print_value

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?", re.ASCII)


def text_of(meter: Meter, value: Any) -> str:
    """Give the text of a value inside a string: strings as they are, nil as nothing, the rest as printed."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if value is None:
        return ""
    meter.allocate(meter.walk(value))
    return print_value(value)


def _made(meter: Meter, length: int) -> None:
    meter.allocate(1 + (length >> 3))


def concatenate(meter: Meter, *values: Any) -> str:
    """Write values one after the other."""
    parts: list[str] = []
    numbers = 0
    for value in values:
        kind = type(value)
        if kind is int:
            numbers += 1
            parts.append(str(value))
        else:
            parts.append(value if kind is str else text_of(meter, value))
    meter.allocate(numbers + 1 + (sum(map(len, parts)) >> 3))
    return "".join(parts)


def join(meter: Meter, *arguments: Any) -> str:
    """Write the items of a vector with a separator between them."""
    separator, items = arguments if len(arguments) == 2 else ("", arguments[0])
    if items is None:
        return ""
    if type(separator) is not str or type(items) is not list:
        raise TypeError
    parts = [text_of(meter, item) for item in items]
    _made(meter, sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def split(meter: Meter, text: Any, separator: Any) -> list[str]:
    """Cut a string at every separator; an empty separator cuts it into characters."""
    if type(text) is not str or type(separator) is not str:
        raise TypeError
    _made(meter, 9 * len(text))
    return text.split(separator) if separator else list(text)


def split_lines(meter: Meter, text: Any) -> list[str]:
    """Cut a string into its lines, ended by LF or CR LF."""
    if type(text) is not str:
        raise TypeError
    _made(meter, 9 * len(text))
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def replace(meter: Meter, text: Any, old: Any, new: Any) -> str:
    """Replace every occurrence."""
    if type(text) is not str or type(old) is not str or type(new) is not str:
        raise TypeError
    meter.spend(1 + (len(text) >> 3))
    _made(meter, len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def substring(text: Any, start: Any, end: Any = None) -> str:
    """Give the characters from a place up to another, counted from 0."""
    if type(text) is not str or type(start) is not int or type(end) not in (int, type(None)):
        raise TypeError
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise Fault("index-out-of-bounds", f"characters {start} to {stop} are not within a string of {len(text)}")
    return text[start:stop]


def parse_int(text: Any) -> int | None:
    """Read an integer; nil when the string is none."""
    if type(text) is not str:
        raise TypeError
    if _INTEGER.fullmatch(text.strip()) is None:
        return None
    value = int(text)
    return value if INT_MIN <= value <= INT_MAX else None


def parse_float(text: Any) -> float | None:
    """Read a float; nil when the string is none."""
    if type(text) is not str:
        raise TypeError
    return float(text) if _FLOAT.fullmatch(text.strip()) else None


def index_of(text: Any, part: Any) -> int | None:
    """Give where a string first holds another; nil when it does not."""
    found = str.find(text, part)
    return found if found >= 0 else None


def length(text: Any) -> int:
    """Count the characters."""
    if type(text) is not str:
        raise TypeError
    return len(text)


def name_of(value: Any) -> str:
    """Give the name of a keyword, or a string as it is."""
    return value if type(value) is str else str(value.name)


TEXT: Final = (
    Entry(
        "str",
        "[:fn [& :any] :string]",
        "Values as one string: strings as they are, nil as nothing, everything else as it is printed.",
        concatenate,
        '(str "a" 1 :b) => "a1:b"',
        metered=True,
        edges=(
            '(str) => ""',
            '(str nil true 1.0 [1 "a"] {:b 1}) => "true1.0[1 \\"a\\"]{:b 1}"',
        ),
    ),
    Entry(
        "subs",
        "[:fn [:string :int & :int] :string]",
        "Characters from a place up to another, or to the end; places are counted from 0.",
        substring,
        '(subs "hello" 1 3) => "el"',
        optional=1,
        edges=(
            '(subs "hello" 3) => "lo"',
            '(subs "abc" 2 9) !! index-out-of-bounds',
            '(subs "abc" 2 1) !! index-out-of-bounds',
        ),
    ),
    Entry(
        "upper",
        "[:fn [:string] :string]",
        "In capitals, as Unicode has them.",
        str.upper,
        '(upper "ab") => "AB"',
        edges=('(upper "straße") => "STRASSE"',),
    ),
    Entry(
        "lower",
        "[:fn [:string] :string]",
        "In small letters, as Unicode has them.",
        str.lower,
        '(lower "AB") => "ab"',
        edges=('(lower "ÀB") => "àb"',),
    ),
    Entry(
        "trim",
        "[:fn [:string] :string]",
        "Without white space at both ends.",
        str.strip,
        '(trim " a ") => "a"',
        edges=('(trim "\\ta b\\n") => "a b"',),
    ),
    Entry(
        "split",
        "[:fn [:string :string] [:vector :string]]",
        "Cut at every occurrence of a separator, which is plain text; an empty one cuts into characters.",
        split,
        '(split "a,b" ",") => ["a" "b"]',
        metered=True,
        edges=(
            '(split "a,,b" ",") => ["a" "" "b"]',
            '(split "ab" "") => ["a" "b"]',
            '(split "" ",") => [""]',
        ),
    ),
    Entry(
        "split-lines",
        "[:fn [:string] [:vector :string]]",
        "The lines, ended by LF or by CR LF.",
        split_lines,
        '(split-lines "a\\nb\\n") => ["a" "b"]',
        metered=True,
        edges=(
            '(split-lines "a\\r\\n\\nb") => ["a" "" "b"]',
            '(split-lines "") => []',
        ),
    ),
    Entry(
        "join",
        "[:fn [:any & :any] :string]",
        "Items as one string, with a separator first.",
        join,
        '(join ", " [1 2]) => "1, 2"',
        optional=1,
        metered=True,
        edges=('[(join [1 2]) (join "-" []) (join ", " ["a" nil :b])] => ["12" "" "a, , :b"]',),
    ),
    Entry(
        "replace",
        "[:fn [:string :string :string] :string]",
        "Replace every occurrence of a text by another; both are plain text.",
        replace,
        '(replace "aba" "a" "c") => "cbc"',
        metered=True,
        edges=('(replace "a.b" "." "") => "ab"',),
    ),
    Entry(
        "starts-with?",
        "[:fn [:string :string] :bool]",
        "Does it begin so?",
        str.startswith,
        '(starts-with? "abc" "ab") => true',
        edges=('(starts-with? "abc" "bc") => false',),
    ),
    Entry(
        "ends-with?",
        "[:fn [:string :string] :bool]",
        "Does it end so?",
        str.endswith,
        '(ends-with? "abc" "bc") => true',
        edges=('(ends-with? "abc" "ab") => false',),
    ),
    Entry(
        "index-of",
        "[:fn [:string :string] :int?]",
        "Where it first occurs, or nil.",
        index_of,
        '(index-of "abc" "c") => 2',
        edges=('(index-of "abc" "x") => nil',),
    ),
    Entry(
        "string-length",
        "[:fn [:string] :int]",
        "Number of characters, which are Unicode code points.",
        length,
        '(string-length "abc") => 3',
        edges=('(string-length "äß") => 2',),
    ),
    Entry(
        "parse-int",
        "[:fn [:string] :int?]",
        "The integer that is written there, or nil; white space around it is allowed.",
        parse_int,
        '[(parse-int "12") (parse-int "x")] => [12 nil]',
        edges=('(map parse-int [" -7 " "+7" "1.5" "99999999999999999999"]) => [-7 7 nil nil]',),
    ),
    Entry(
        "parse-float",
        "[:fn [:string] :float?]",
        "The float that is written there, or nil; white space around it is allowed.",
        parse_float,
        '(parse-float "1.5") => 1.5',
        edges=('(map parse-float ["2" "1e3" "-.5" "x" "inf"]) => [2.0 1000.0 nil nil nil]',),
    ),
    Entry(
        "name",
        "[:fn [[:union :keyword :string]] :string]",
        "Name of a keyword, or a string as it is.",
        name_of,
        '(name :a) => "a"',
        edges=('(name "a") => "a"',),
    ),
)
