"""Types where a program writes them: the language's own, and those that the program names."""

from __future__ import annotations

from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.scope import Scope, Special
from domain.rtfs.nodes import Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.reader import read
from domain.rtfs.source import CompileError
from domain.rtfs.types import PRIMITIVES, Type, print_type, type_of_node

_SPELLINGS: Final = {
    "Int": "int",
    "Integer": "int",
    "integer": "int",
    "Float": "float",
    "String": "string",
    "Bool": "bool",
    "Boolean": "bool",
    "boolean": "bool",
    "Nil": "nil",
    "Any": "any",
    "Keyword": "keyword",
    "Timestamp": "timestamp",
    "Uuid": "uuid",
}
"""Other names of the specification for primitive types; programs may use them, canonical types do not."""


def is_type(analyzer: Analyzer, node: Node, scope: Scope) -> bool:
    """Tell whether a node spells a type."""
    if isinstance(node, Symbol):
        return _named(node, scope) is not None
    if isinstance(node, Literal):
        if not isinstance(node.value, Keyword):
            return False
        return node.value.name.rstrip("?") in PRIMITIVES or _named(_symbol(node), scope) is not None
    if not (isinstance(node, VectorNode) and node.items and isinstance(node.items[0], Literal)):
        return False
    try:
        type_at(analyzer, node, scope)
    except CompileError:
        return False
    return True


def type_at(analyzer: Analyzer, node: Node, scope: Scope) -> Type:
    """Give the type that a node spells."""
    return type_of_node(_spelt_out(node, scope), analyzer.source, CompileError)


def _spelt_out(node: Node, scope: Scope) -> Node:
    """Put what they stand for in place of the names that the program gives to types."""
    if isinstance(node, Symbol):
        return _named(node, scope) or node
    if isinstance(node, Literal):
        return (_named(_symbol(node), scope) or node) if isinstance(node.value, Keyword) else node
    if isinstance(node, VectorNode) and node.items:
        # The values of these two are data.
        head = node.items[0]
        if isinstance(head, Literal) and head.value in (Keyword("enum"), Keyword("val")):
            return node
        return VectorNode((head, *(_within(item, scope) for item in node.items[1:])), node.span)
    return _within(node, scope)


def _within(node: Node, scope: Scope) -> Node:
    """Spell out what stands within a type: keys and names of predicates are no types."""
    if isinstance(node, MapNode):
        return MapNode(tuple((key, _spelt_out(value, scope)) for key, value in node.pairs), node.span)
    if isinstance(node, VectorNode):
        head = node.items[0] if node.items else None
        if isinstance(head, Literal) and isinstance(head.value, Keyword):
            return _spelt_out(node, scope)
        return VectorNode(tuple(_spelt_out(item, scope) for item in node.items), node.span)
    return _spelt_out(node, scope)


def _symbol(node: Literal) -> Symbol:
    assert isinstance(node.value, Keyword)
    return Symbol(node.value.name, node.span)


def _named(symbol: Symbol, scope: Scope) -> Node | None:
    """Give the text of a named type as nodes; it is correct, so that its places are never shown."""
    found = scope.find(symbol)
    if isinstance(found, Special) and found.type is not None:
        return read(print_type(found.type))[0]
    if found is not None:
        return None
    base = symbol.name.removesuffix("?")
    if base not in _SPELLINGS:
        return None
    return Literal(Keyword(_SPELLINGS[base] + ("?" if symbol.name != base else "")), symbol.span)
