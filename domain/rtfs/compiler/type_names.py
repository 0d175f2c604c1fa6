"""Types where a program writes them: the language's own, and those that the program names."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.scope import Scope, Special
from domain.rtfs.nodes import Literal, Node, Symbol, VectorNode
from domain.rtfs.source import CompileError
from domain.rtfs.types import Type, named_type, type_of_node


def is_type(analyzer: Analyzer, node: Node, scope: Scope) -> bool:
    """Tell whether a node spells a type; a bare name does when the program or a capital says so."""
    if isinstance(node, Symbol):
        bare = scope.find(node) is None and node.name[:1].isupper() and named_type(node.name) is not None
        return bare or _named(_base(node), scope) is not None
    if isinstance(node, Literal):
        if not isinstance(node.value, Keyword):
            return False
        name = Symbol(node.value.name, node.span)
        return named_type(name.name) is not None or _named(_base(name), scope) is not None
    if not (isinstance(node, VectorNode) and node.items and isinstance(node.items[0], Literal)):
        return False
    try:
        type_at(analyzer, node, scope)
    except CompileError:
        return False
    return True


def type_at(analyzer: Analyzer, node: Node, scope: Scope) -> Type:
    """Give the type that a node spells."""
    return type_of_node(node, analyzer.source, CompileError, lambda symbol: _named(symbol, scope))


def _base(symbol: Symbol) -> Symbol:
    return Symbol(symbol.name.removesuffix("?"), symbol.span, symbol.mark)


def _named(symbol: Symbol, scope: Scope) -> Type | None:
    found = scope.find(symbol)
    return found.type if isinstance(found, Special) else None
