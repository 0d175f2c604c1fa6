"""Whether a program speaks of its inputs, or repeats them: a constant that equals an input may be a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import Keyword, Value
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.printer import print_value

LONGEST_SHOWN: Final = 80
MOST_SHOWN: Final = 20


def copied_inputs(module: bytes, inputs: Value) -> tuple[str, ...]:
    """Constants of the program that equal a value somewhere in its inputs, as RTFS prints them, in their order.

    Truth values and nil are in every program and tell nothing. Raises ``ModuleInvalid``.
    """
    given = set(_leaves(inputs))
    found = dict.fromkeys(leaf for constant in decode_module(module).constants for leaf in _leaves(constant))
    return tuple(_shown(leaf) for leaf in found if leaf in given)[:MOST_SHOWN]


_Leaf = tuple[str, Any]


def _leaves(value: Any) -> Iterator[_Leaf]:
    """Scalars with their kind, so that 1 and 1.0 stay apart; keys too, where they are texts."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
            pending.extend(key for key in item if isinstance(key, str))
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, bool) or item is None:
            continue
        elif isinstance(item, str | int | float | datetime | UUID | Keyword):
            yield type(item).__name__, item


def _shown(leaf: _Leaf) -> str:
    text = print_value(leaf[1])
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
