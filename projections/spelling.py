"""Encoded values as people read them, on one line and cut: the tags of the codec gone, maps as ``{key: value}``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from projections.cells import LINE, one_line

_DEEPEST: Final = 20


def spelled(value: Any, longest: int = LINE) -> str:
    """An encoded value on one line of at most so many characters. Total; reads no more of it than it shows."""
    if isinstance(value, str):
        return one_line(value, longest)
    parts: list[str] = []
    _spell(value, parts, longest, 0)
    return one_line("".join(parts), longest)


def _spell(value: Any, parts: list[str], left: int, depth: int) -> int:
    """Append the spelling to ``parts``; give how many characters are still wanted."""
    if left <= 0 or depth > _DEEPEST:
        return left
    if isinstance(value, dict):
        return _spell_map(value, parts, left, depth)
    if isinstance(value, list):
        return _between("[]", ((None, item) for item in value), parts, left, depth)
    text = orjson.dumps(value[:left] if isinstance(value, str) else value).decode()
    parts.append(text)
    return left - len(text)


def _spell_map(value: dict[str, Any], parts: list[str], left: int, depth: int) -> int:
    tag, item = next(iter(value.items()), ("", None))
    if len(value) == 1 and tag.startswith("$") and not tag.startswith("$$"):
        if tag == "$map" and isinstance(item, list):
            pairs = ((_key(pair[0]), pair[1]) for pair in item if isinstance(pair, list) and len(pair) == 2)
            return _between("{}", pairs, parts, left, depth)
        parts.append(f":{item}" if tag == "$kw" else str(item))
        return left - len(parts[-1])
    return _between("{}", ((key.removeprefix("$"), item) for key, item in value.items()), parts, left, depth)


def _key(key: Any) -> str:
    if isinstance(key, dict) and "$kw" in key:
        return str(key["$kw"])
    return str(key)


def _between(brackets: str, items: Iterable[tuple[str | None, Any]], parts: list[str], left: int, depth: int) -> int:
    parts.append(brackets[0])
    left -= 2
    for number, (key, item) in enumerate(items):
        if left <= 0:
            return left
        before = ("" if number == 0 else ", ") + ("" if key is None else f"{key}: ")
        parts.append(before)
        left = _spell(item, parts, left - len(before), depth + 1)
    parts.append(brackets[1])
    return left
