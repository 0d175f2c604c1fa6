"""Types where a program writes them."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import Literal, Node, VectorNode
from domain.rtfs.source import CompileError
from domain.rtfs.types import PRIMITIVES, Type, type_of_node


def is_type(analyzer: Analyzer, node: Node, scope: Scope) -> bool:
    """Tell whether a node spells a type."""
    if isinstance(node, Literal):
        return isinstance(node.value, Keyword) and node.value.name.rstrip("?") in PRIMITIVES
    if not (isinstance(node, VectorNode) and node.items and isinstance(node.items[0], Literal)):
        return False
    try:
        type_at(analyzer, node, scope)
    except CompileError:
        return False
    return True


def type_at(analyzer: Analyzer, node: Node, _scope: Scope) -> Type:
    """Give the type that a node spells."""
    return type_of_node(node, analyzer.source, CompileError)
