"""What the reader gives: the program as data, every node with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from domain.kernel.values import Value
from domain.rtfs.source import Span


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, string, keyword, true, false or nil: it stands for its value."""

    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class ListNode:
    """``( … )``: a form or a call."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class VectorNode:
    """``[ … ]``."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MapNode:
    """``{ … }``: keys and values in the order of the text."""

    pairs: tuple[tuple[Node, Node], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ShorthandFn:
    """``#( … % %2 …)``: a function whose parameters are ``%`` or ``%1``, ``%2``, and so on, and ``%&`` for the rest."""

    body: ListNode
    span: Span


Node: TypeAlias = Literal | Symbol | ListNode | VectorNode | MapNode | ShorthandFn
