"""Whether a program speaks of its inputs, or repeats them: a constant that is or holds an input may be a copy of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import Keyword, Value
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.printer import print_value

LONGEST_SHOWN: Final = 80
MOST_SHOWN: Final = 20

LONGEST_PHRASE: Final = 8
"""Words of an input that are looked for within a text: longer ones are not copied without being the whole of it."""


def copied_inputs(module: bytes, inputs: Value) -> tuple[str, ...]:
    """Constants of the program that equal a value somewhere in its inputs, as RTFS prints them, in their order.

    Texts with such a value among their words are copies too. Truth values and nil are in every program and tell
    nothing. Raises ``ModuleInvalid``.
    """
    given = set(_leaves(inputs))
    phrases = {words for leaf in given if 0 < len(words := _words(leaf)) <= LONGEST_PHRASE and sum(map(len, words)) > 2}
    found = dict.fromkeys(leaf for constant in decode_module(module).constants for leaf in _leaves(constant))
    return tuple(_shown(leaf) for leaf in found if leaf in given or _quotes(leaf, phrases))[:MOST_SHOWN]


_Leaf = tuple[str, Any]

_WORD: Final = re.compile(r"\w+")


def _words(leaf: _Leaf) -> tuple[str, ...]:
    return tuple(_WORD.findall(str(leaf[1]))) if leaf[0] in ("str", "int", "float") else ()


def _quotes(leaf: _Leaf, phrases: set[tuple[str, ...]]) -> bool:
    """Whether one of the phrases stands within this text."""
    if leaf[0] != "str" or not phrases:
        return False
    words = _words(leaf)
    lengths = {len(phrase) for phrase in phrases}
    return any(words[at : at + length] in phrases for length in lengths for at in range(len(words)))


def _leaves(value: Any) -> Iterator[_Leaf]:
    """Scalars with their kind, so that 1 and 1.0 stay apart; keys too, where they are more than names of fields."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
            pending.extend(key for key in item if not isinstance(key, Keyword))
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, bool) or item is None:
            continue
        elif isinstance(item, str | int | float | datetime | UUID | Keyword):
            yield type(item).__name__, item


def _shown(leaf: _Leaf) -> str:
    text = print_value(leaf[1])
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
