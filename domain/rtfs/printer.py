"""Values as RTFS text: canonical, so that equal values print the same; ``read`` gives them back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.kernel.values import Keyword, Value, format_time, key_order
from domain.rtfs.nodes import (
    Annotated,
    Context,
    ListNode,
    Literal,
    MapNode,
    Node,
    Quoted,
    Quoting,
    ShorthandFn,
    Symbol,
    VectorNode,
)

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_NEEDS_ESCAPE: Final = str.maketrans(
    {**_ESCAPES, **{chr(code): f"\\u{code:04x}" for code in range(32) if chr(code) not in _ESCAPES}}
)


def print_value(value: Value, limit: int | None = None) -> str:
    """Print a value; with a limit, stop near that many characters and end in ``…``."""
    parts: list[str] = []
    _Printing(parts, limit).write(value, 0)
    text = "".join(parts)
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def print_float(value: float) -> str:
    """Print a float so that it reads back as the same float: Python's shortest form is the same on every machine."""
    if math.isnan(value):
        return "##NaN"
    if math.isinf(value):
        return "##Inf" if value > 0 else "##-Inf"
    return repr(value)


def print_string(value: str) -> str:
    """Print a string in quotes, with its escapes."""
    return f'"{value.translate(_NEEDS_ESCAPE)}"'


class _Printing:
    """One printing: it stops when enough has been written, so that even a huge value is described at once."""

    def __init__(self, parts: list[str], limit: int | None) -> None:
        self.parts = parts
        self.left = limit

    def put(self, text: str) -> None:
        self.parts.append(text)
        if self.left is not None:
            self.left -= len(text)

    def write(self, value: Any, depth: int) -> None:
        if self.left is not None and (self.left < 0 or depth > 20):
            self.put("…")
        elif type(value) is list:
            self.put("[")
            for index, item in enumerate(value):
                if self.separate(index):
                    break
                self.write(item, depth + 1)
            self.put("]")
        elif type(value) is dict:
            self.put("{")
            for index, key in enumerate(sorted(value, key=key_order)):
                if self.separate(index):
                    break
                self.write(key, depth + 1)
                self.put(" ")
                self.write(value[key], depth + 1)
            self.put("}")
        else:
            self.put(print_scalar(value))

    def separate(self, index: int) -> bool:
        """Put the space between items; true when enough has been written."""
        if index:
            self.put(" ")
        if self.left is not None and self.left < 0:
            self.put("…")
            return True
        return False


def print_scalar(value: Any) -> str:
    """Print what is neither a vector nor a map; functions print as ``#fn``."""
    kind = type(value)
    if kind is str:
        return print_string(value)
    if value is None:
        return "nil"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return print_float(value)
    if kind is Keyword:
        return f":{value.name}"
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, UUID):
        return str(value)
    return "#fn"


def print_node(node: Node) -> str:
    """Print a node on one line, in its canonical spelling: reading it gives the same node, places aside."""
    parts: list[str] = []
    pending: list[Node | str] = [node]
    while pending:  # no recursion: what macros make may be deep
        each = pending.pop()
        if isinstance(each, str):
            parts.append(each)
        else:
            pending.extend(reversed(_pieces(each)))
    return "".join(parts)


def _pieces(node: Node) -> list[Node | str]:
    """Cut a node into what is printed one after the other."""
    match node:
        case Literal(value):
            return [print_value(value)]
        case Symbol(name):
            return [name]
        case Context(name):
            return [f"@{name}"]
        case ListNode(items):
            return ["(", *_spaced(items), ")"]
        case VectorNode(items):
            return ["[", *_spaced(items), "]"]
        case ShorthandFn(body):
            return ["#(", *_spaced(body.items), ")"]
        case MapNode(pairs):
            return ["{", *_spaced([part for pair in pairs for part in pair]), "}"]
        case Quoted(quoting, inner):
            apart = " " if quoting is Quoting.UNQUOTE and isinstance(inner, Context) else ""
            return [quoting.value + apart, inner]
        case Annotated(metadata, inner):
            return ["^", *_metadata(metadata), " ", inner]


def _spaced(nodes: Sequence[Node]) -> list[Node | str]:
    return [piece for node in nodes for piece in (node, " ")][:-1]


def _metadata(metadata: MapNode) -> list[Node | str]:
    """Print the keyword alone where that means the same map."""
    match metadata.pairs:
        case ((Literal(Keyword(name="delegation")), _),):
            return [metadata]
        case ((Literal(Keyword()) as key, Literal(value)),) if value is True:
            return [key]
    return [metadata]
