"""What the reader gives: the program as data, every node with its place.

Nothing changes a node, but they are not frozen: a text has thousands, and making a frozen one takes three times as
long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from domain.kernel.values import Value
from domain.rtfs.source import Span


@dataclass(slots=True, unsafe_hash=True)
class Literal:
    """A number, string, keyword, true, false or nil: it stands for its value."""

    value: Value
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class Symbol:
    """A name."""

    name: str
    span: Span
    mark: object = None
    """The expansion of a macro that brought the name in; ``None`` for names that stand in the text."""


@dataclass(slots=True, unsafe_hash=True)
class ListNode:
    """``( … )``: a form or a call."""

    items: tuple[Node, ...]
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class VectorNode:
    """``[ … ]``."""

    items: tuple[Node, ...]
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class MapNode:
    """``{ … }``: keys and values in the order of the text."""

    pairs: tuple[tuple[Node, Node], ...]
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class ShorthandFn:
    """``#( … % %2 …)``: a function whose parameters are ``%`` or ``%1``, ``%2``, and so on, and ``%&`` for the rest."""

    body: ListNode
    span: Span


class Quoting(Enum):
    """What a quoting mark asks for."""

    QUOTE = "'"
    """The form itself, as data."""
    QUASIQUOTE = "`"
    """The form as a template: only what is unquoted in it is worked out."""
    UNQUOTE = "~"
    """Within a template: what this gives."""
    SPLICE = "~@"
    """Within a template: the items of what this gives, in place of itself."""


@dataclass(slots=True, unsafe_hash=True)
class Quoted:
    """A form behind ``'``, `` ` ``, ``~`` or ``~@``."""

    quoting: Quoting
    node: Node
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class Annotated:
    """``^{…} form``; ``^:key form`` is short for ``^{:key true} form``.

    Delegation is metadata too: ``^:delegation :remote "name" form`` is ``^{:delegation [:remote "name"]} form``.
    """

    metadata: MapNode
    node: Node
    span: Span


@dataclass(slots=True, unsafe_hash=True)
class Context:
    """``@name`` or ``@:name``: the task's input of this name."""

    name: str
    span: Span


Node: TypeAlias = Literal | Symbol | ListNode | VectorNode | MapNode | ShorthandFn | Quoted | Annotated | Context


def parts(node: Node) -> tuple[Node, ...]:
    """Give the forms directly within a form; metadata stands beside its form, not in it."""
    if isinstance(node, ListNode | VectorNode):
        return node.items
    if isinstance(node, MapNode):
        return tuple([part for pair in node.pairs for part in pair])
    if isinstance(node, ShorthandFn):
        return node.body.items
    return (node.node,) if isinstance(node, Quoted | Annotated) else ()


def moved(node: Node, span: Span) -> Node:
    """Give the same form at another place, as if all of it stood there."""
    return _placed(node, lambda _: span)


def shifted(node: Node, offset: int) -> Node:
    """Give the same form so many characters later."""
    return _placed(node, lambda span: Span(span.start + offset, span.end + offset))


def _placed(node: Node, place: Callable[[Span], Span]) -> Node:
    span = place(node.span)
    if isinstance(node, Symbol):
        return Symbol(node.name, span, node.mark)
    if isinstance(node, Literal):
        return Literal(node.value, span)
    if isinstance(node, ListNode):
        return ListNode(tuple([_placed(item, place) for item in node.items]), span)
    if isinstance(node, VectorNode):
        return VectorNode(tuple([_placed(item, place) for item in node.items]), span)
    if isinstance(node, MapNode):
        return _placed_map(node, place)
    if isinstance(node, ShorthandFn):
        body = ListNode(tuple([_placed(item, place) for item in node.body.items]), place(node.body.span))
        return ShorthandFn(body, span)
    if isinstance(node, Quoted):
        return Quoted(node.quoting, _placed(node.node, place), span)
    if isinstance(node, Annotated):
        return Annotated(_placed_map(node.metadata, place), _placed(node.node, place), span)
    return Context(node.name, span)


def _placed_map(node: MapNode, place: Callable[[Span], Span]) -> MapNode:
    pairs = tuple([(_placed(key, place), _placed(value, place)) for key, value in node.pairs])
    return MapNode(pairs, place(node.span))
