"""JSON text. Keys stay strings when read; keywords become their names when written."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
import rfc8785

from domain.kernel.values import canonical_json
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
    """Write canonical JSON text (RFC 8785)."""
    meter.allocate(meter.walk(value, leaving=True))
    try:
        return canonical_json(plain(value)).decode()
    except rfc8785.IntegerDomainError as problem:
        raise Fault("invalid-argument", "RFC 8785 has no integers beyond 2^53; write them as strings") from problem


JSON: Final = (
    Entry(
        "parse-json",
        "[:fn [:string] :any]",
        "Value of JSON text; keys are strings.",
        parse_json,
        '(parse-json "{\\"a\\": [1]}") => {"a" [1]}',
        metered=True,
    ),
    Entry(
        "to-json",
        "[:fn [:any] :string]",
        "Canonical JSON text.",
        to_json,
        '(to-json {:a [1 nil]}) => "{\\"a\\":[1,null]}"',
        metered=True,
    ),
)
