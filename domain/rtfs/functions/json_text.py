"""JSON text. Keys stay strings when read; keywords become their names when written."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
import rfc8785

from domain.kernel.values import Keyword, canonical_json
from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.functions.entry import Entry
from domain.rtfs.metering import Fault, Meter
from domain.rtfs.types import plain

_LONG_INTEGER: Final = re.compile(r"[0-9]{19}", re.ASCII)


def parse_json(meter: Meter, text: Any) -> Any:
    """Read JSON text; an error of type ``invalid-json`` when it is none."""
    if type(text) is not str:
        raise TypeError
    meter.allocate(len(text))
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise Fault("invalid-json", f"{problem.msg} at line {problem.lineno}, column {problem.colno}") from problem
    meter.walk(value)
    if _LONG_INTEGER.search(text):
        # The fast reader makes floats of integers that are too long; this one shows them as they are.
        json.loads(text, parse_int=_read_integer)
    return value


def _read_integer(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else INT_MAX + 1
    if not INT_MIN <= value <= INT_MAX:
        raise Fault("integer-overflow", f"the integer {digits:.40} needs more than 64 bits")
    return value


def to_json(meter: Meter, value: Any) -> str:
    """Write canonical JSON text (RFC 8785), with integers of more than 53 bits written out."""
    meter.allocate(meter.walk(value, leaving=True))
    _check_names(value)
    tree = plain(value)
    try:
        return canonical_json(tree).decode()
    except rfc8785.IntegerDomainError:
        return _written(tree)


def _check_names(value: Any) -> None:
    """Refuse maps that would lose an entry: of keys that are different, and the same as names."""
    if type(value) is dict:
        names = {key.name if type(key) is Keyword else str(key) for key in value}
        if len(names) < len(value):
            message = (
                f"two keys of a map of {len(value)} entries are the same text in JSON; give the map keys of one kind"
            )
            raise Fault("invalid-argument", message)
        value = list(value.values())
    if type(value) is list:
        for item in value:
            _check_names(item)


def _written(tree: Any) -> str:
    if type(tree) is dict:
        names = sorted(tree, key=lambda name: name.encode("utf-16-be"))
        return f"{{{','.join(f'{_written(name)}:{_written(tree[name])}' for name in names)}}}"
    if type(tree) is list:
        return f"[{','.join(map(_written, tree))}]"
    return str(tree) if type(tree) is int else rfc8785.dumps(tree).decode()


JSON: Final = (
    Entry(
        "parse-json",
        "[:fn [:string] :any]",
        "Value of JSON text; the keys of its objects are strings.",
        parse_json,
        '(parse-json "{\\"a\\": [1]}") => {"a" [1]}',
        metered=True,
        edges=(
            '(parse-json "{\\"b\\": [1.0, null, true]}") => {"b" [1.0 nil true]}',
            '(parse-json "{") !! invalid-json',
            '(parse-json "18446744073709551615") !! integer-overflow',
        ),
    ),
    Entry(
        "to-json",
        "[:fn [:any] :string]",
        ("Canonical JSON text (RFC 8785); integers beyond 53 bits are written out. Keywords become their names."),
        to_json,
        '(to-json {:a [1 nil]}) => "{\\"a\\":[1,null]}"',
        metered=True,
        edges=(
            '(to-json {"b" 1.0 :a :x}) => "{\\"a\\":\\"x\\",\\"b\\":1}"',
            '(to-json [9007199254740993 1e21]) => "[9007199254740993,1e+21]"',
            "(to-json inc) !! function-in-data",
            '(to-json {:a 1 "a" 2}) !! invalid-argument',
        ),
    ),
)
